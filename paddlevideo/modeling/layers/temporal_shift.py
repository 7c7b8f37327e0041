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

    Splits and concatenations only, so that it exports everywhere and takes any ratio.

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
        second = int(2 * channels * self.shift_ratio) - first
        first_from_past = self.shift_direction == "paddle"
        moves = [(first, first_from_past), (second, not first_from_past), (channels - first - second, None)]
        moves = [(width, from_past) for width, from_past in moves if width]
        # split rather than slice: its gradient is a concatenation, ten times faster on CPU than padding with zeros
        parts = clips.split([width for width, _ in moves], axis=self.channel_axis)
        parts = [part if move is None else _move(part, from_past=move) for part, (_, move) in zip(parts, moves)]
        return paddle.concat(parts, axis=self.channel_axis).reshape([-1, *x.shape[1:]])  # [N*T, C, H, W]


def _move(clips: Tensor, *, from_past: bool) -> Tensor:
    """[N, T, ...] with each frame replaced by the one before it (or after it), zeros at the open end."""
    length = clips.shape[1]
    if from_past:
        kept, lost = clips.split([length - 1, 1], axis=1)
        return paddle.concat([paddle.zeros_like(lost), kept], axis=1)
    lost, kept = clips.split([1, length - 1], axis=1)
    return paddle.concat([kept, paddle.zeros_like(lost)], axis=1)
