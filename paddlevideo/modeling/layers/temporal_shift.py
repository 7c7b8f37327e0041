"""The temporal shift: neighbouring frames exchange some of their channels, at no cost in arithmetic.

Lin, Gan, Han, "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019, section 3.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import paddle
from paddle import Tensor, nn

from paddlevideo.modeling.layers.conv_bn import DataFormat

ShiftDirection: TypeAlias = Literal["paddle", "torch"]


class TemporalShift(nn.Layer):
    """Moves the first channels of each clip by one frame in time and the next ones by one frame the other way.

    Slices and concatenations only, so that it exports everywhere and takes any ratio.

    Args:
        num_seg: T, frames of one clip; the batch axis holds whole clips one after another. 2 or more.
        shift_ratio: share of the channels moved each way, 0 to 0.5: channels [0, int(C*r)) and [int(C*r), int(2*C*r)).
        shift_direction: "paddle": the first channels come from the frame before, the second from the frame after;
            "torch": the reverse, as in the weights of mmaction2 and of the paper's authors.
        data_format: axis order of the input.

    Raises:
        ValueError: for a `num_seg`, ratio or direction outside these ranges.
    """

    def __init__(
        self,
        num_seg: int,
        shift_ratio: float,
        shift_direction: ShiftDirection = "paddle",
        data_format: DataFormat = "NCHW",
    ) -> None:
        super().__init__()
        if num_seg < 2:
            raise ValueError(f"num_seg={num_seg}: a temporal shift needs at least 2 frames")
        if not 0 <= shift_ratio <= 0.5:
            raise ValueError(f"shift_ratio={shift_ratio} is outside 0..0.5: it is the share of channels moved each way")
        if shift_direction not in ("paddle", "torch"):
            raise ValueError(f"shift_direction={shift_direction!r} is neither 'paddle' nor 'torch'")
        self.num_seg = num_seg
        self.shift_ratio = shift_ratio
        self.shift_direction = shift_direction
        self.channel_axis = 2 if data_format == "NCHW" else 4

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> the same shape; frames shifted in from outside the clip are zero."""
        clips = x.reshape([-1, self.num_seg, *x.shape[1:]])  # [N, T, C, H, W], or [N, T, H, W, C]
        channels = clips.shape[self.channel_axis]
        first = int(channels * self.shift_ratio)
        second = int(2 * channels * self.shift_ratio)
        first_from_past = self.shift_direction == "paddle"
        parts = []
        if first > 0:
            parts.append(_move(self._channels(clips, 0, first), from_past=first_from_past))
        if second > first:
            parts.append(_move(self._channels(clips, first, second), from_past=not first_from_past))
        if channels > second:
            parts.append(self._channels(clips, second, channels))
        return paddle.concat(parts, axis=self.channel_axis).reshape([-1, *x.shape[1:]])  # [N*T, C, H, W]

    def _channels(self, clips: Tensor, start: int, end: int) -> Tensor:
        return clips[:, :, start:end] if self.channel_axis == 2 else clips[..., start:end]


def _move(clips: Tensor, *, from_past: bool) -> Tensor:
    """[N, T, ...] with each frame replaced by the one before it (or after it), zeros at the open end."""
    zeros = paddle.zeros_like(clips[:, :1])  # [N, 1, ...]
    return paddle.concat([zeros, clips[:, :-1]] if from_past else [clips[:, 1:], zeros], axis=1)
