"""Video models whose backbone takes single frames as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from paddle import Tensor, nn

from paddlevideo.modeling.framework.base import Recognizer
from paddlevideo.registry import BACKBONES, HEADS, RECOGNIZERS


@RECOGNIZERS.register
class Recognizer2D(Recognizer):
    """All S frames of a video (segments x clips x crops) go through the backbone as images; the head averages them.

    Args:
        backbone: maps frames [N*S, 3, H, W] to features [N*S, C, H', W'].
        head: maps those to logits [N, K].

    Raises:
        ValueError: when backbone and head disagree on the channels or the data format.
    """

    def __init__(self, backbone: Annotated[nn.Layer, BACKBONES], head: Annotated[nn.Layer, HEADS]) -> None:
        super().__init__(backbone, head)
        if backbone.data_format != head.data_format:
            raise ValueError(f"data_format is {backbone.data_format} in the backbone, {head.data_format} in the head")

    def forward(self, batch: Mapping[str, Tensor]) -> Tensor:
        """batch["imgs"] [N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) -> logits [N, K]."""
        return self.scores(batch["imgs"])

    def scores(self, imgs: Tensor) -> Tensor:
        """[N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) -> logits [N, K], the mean over all frames of all views."""
        num_frames = imgs.shape[1]
        frames = imgs.reshape([-1, *imgs.shape[2:]])  # [N*S, 3, H, W]
        return self.head(self.backbone(frames), num_frames)

    def check_frames(self, shape: Sequence[int]) -> None:
        """Raises ValueError unless `shape` is [N, S, 3, H, W] (NHWC: [N, S, H, W, 3]) and S holds whole clips."""
        order = "[N, S, 3, H, W]" if self.backbone.data_format == "NCHW" else "[N, S, H, W, 3]"
        channel = 2 if self.backbone.data_format == "NCHW" else 4
        if len(shape) != 5 or shape[channel] != 3:
            raise ValueError(f"the frames have shape {list(shape)}, but the model takes {order}")
        if shape[1] % self.backbone.num_seg:
            raise ValueError(
                f"{shape[1]} frames a video are not a multiple of the backbone's num_seg={self.backbone.num_seg}"
            )
