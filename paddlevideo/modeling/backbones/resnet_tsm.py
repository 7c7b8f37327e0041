"""ResNet with a temporal shift in its residual branches, the backbone of TSM."""

from __future__ import annotations

from paddlevideo.modeling.backbones.resnet import Depth, ResNetStages
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.modeling.layers.temporal_shift import ShiftDirection, TemporalShift
from paddlevideo.registry import BACKBONES


@BACKBONES.register
class ResNetTSM(ResNetStages):
    """ResNet whose blocks look one frame back and one frame ahead (Lin et al., ICCV 2019, section 4.1, residual shift).

    Batch normalisation is left out of the weight decay, as in the authors' recipe.

    Args:
        depth: 18, 34, 50, 101 or 152.
        num_seg: T, frames of one clip, 2 or more. More frames than that are read as several clips in a row.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        data_format: axis order of the frames.
        shift_ratio: share of channels moved each way; None: 1 / num_seg, PaddleVideo's rule.
        shift_direction: "paddle" or "torch", see `TemporalShift`.
        shift_every: 1: every block shifts; 2: blocks 0, 2, 4 ... of every stage, mmaction2's rule from depth 101 up.

    Raises:
        ValueError: for a value outside its range.
    """

    def __init__(
        self,
        depth: Depth,
        num_seg: int = 8,
        pretrained: str | None = None,
        data_format: DataFormat = "NCHW",
        shift_ratio: float | None = None,
        shift_direction: ShiftDirection = "paddle",
        shift_every: int = 1,
    ) -> None:
        if shift_every < 1:
            raise ValueError(f"shift_every={shift_every} must be 1 or more")
        if num_seg < 2:
            raise ValueError(f"num_seg={num_seg}: a temporal shift needs at least 2 frames")
        ratio = 1 / num_seg if shift_ratio is None else shift_ratio

        def shift_of(i: int) -> TemporalShift | None:
            return TemporalShift(num_seg, ratio, shift_direction, data_format) if i % shift_every == 0 else None

        super().__init__(depth, shift_of, decay_bn=False, data_format=data_format)
        self.pretrained = pretrained
        self.num_seg = num_seg
