"""ResNet with a temporal shift in its residual branches, the backbone of TSM."""

from __future__ import annotations

from collections.abc import Callable

from paddlevideo.modeling.backbones.resnet import Depth, ResNetStages
from paddlevideo.modeling.layers.conv_bn import DataFormat
from paddlevideo.modeling.layers.non_local import NonLocal, NonLocalMode
from paddlevideo.modeling.layers.temporal_pool import TemporalPool
from paddlevideo.modeling.layers.temporal_shift import ShiftDirection, TemporalShift
from paddlevideo.registry import BACKBONES


def shifts(
    num_seg: int,
    ratio: float | None,
    direction: ShiftDirection,
    every: int,
    temporal_pool: bool,
    data_format: DataFormat,
) -> Callable[[int, int], TemporalShift | None]:
    """The temporal shift of block `i` of a stage, or None: the `shift_of` of `ResNetStages`.

    Arguments are those of `ResNetTSM`.

    Raises:
        ValueError: for a value outside its range.
    """
    if every < 1:
        raise ValueError(f"shift_every={every} must be 1 or more")
    least = 4 if temporal_pool else 2
    if num_seg < least:
        pooled = " after temporal_pool has halved them" if temporal_pool else ""
        raise ValueError(f"num_seg={num_seg}: a temporal shift needs at least 2 frames{pooled}")
    share = 1 / num_seg if ratio is None else ratio

    def shift_of(stage: int, i: int) -> TemporalShift | None:
        if i % every:
            return None
        return TemporalShift(num_seg // 2 if temporal_pool and stage else num_seg, share, direction, data_format)

    return shift_of


@BACKBONES.register
class ResNetTSM(ResNetStages):
    """ResNet whose blocks look one frame back and one frame ahead (Lin et al., ICCV 2019, section 4.1, residual shift).

    Batch normalisation is left out of the weight decay, as in the authors' recipe.

    Args:
        depth: 18, 34, 50, 101, 152 or 200.
        num_seg: T, frames of one clip, 2 or more. More frames than that are read as several clips in a row.
        pretrained: weight file for the backbone, read by whoever builds the model for training; None or "" for none.
        data_format: axis order of the frames.
        shift_ratio: share of channels moved each way; None: 1 / num_seg, PaddleVideo's rule.
        shift_direction: "paddle" or "torch", see `TemporalShift`.
        shift_every: 1: every block shifts; 2: blocks 0, 2, 4 ... of every stage, mmaction2's rule from depth 101 up.
        temporal_pool: halve the frames after the first stage, see `TemporalPool`; T must then be even, 4 or more.
        non_local: a 0 or 1 for each block of each of the four stages; 1: a `NonLocal` follows the block.
        non_local_mode: "embedded_gaussian", "gaussian" or "dot_product", see `NonLocal`.

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
        temporal_pool: bool = False,
        non_local: list[list[int]] | None = None,
        non_local_mode: NonLocalMode = "embedded_gaussian",
    ) -> None:
        super().__init__(
            depth,
            shifts(num_seg, shift_ratio, shift_direction, shift_every, temporal_pool, data_format),
            temporal_pool=TemporalPool(num_seg) if temporal_pool else None,
            decay_bn=False,
            data_format=data_format,
        )
        self.pretrained = pretrained
        self.num_seg = num_seg
        for stage, flags in enumerate(self._checked(non_local or [])):
            frames = num_seg // (self.frame_stride if stage else 1)
            for name, wanted in zip(self.stages[stage], flags):
                if wanted:
                    block = getattr(self, name)
                    block.non_local = NonLocal(block.out_channels, frames, non_local_mode, data_format)

    def _checked(self, non_local: list[list[int]]) -> list[list[int]]:
        counts = [len(names) for names in self.stages]
        sound = [len(flags) for flags in non_local] == counts and all(f in (0, 1) for flags in non_local for f in flags)
        if non_local and not sound:
            raise ValueError(f"non_local={non_local} must be four lists of {counts} zeros and ones, one for each block")
        return non_local
