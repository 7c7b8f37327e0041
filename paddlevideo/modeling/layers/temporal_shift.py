"""The temporal shift: neighbouring frames exchange some of their channels, at no cost in arithmetic.

Lin, Gan, Han, "TSM: Temporal Shift Module for Efficient Video Understanding", ICCV 2019, section 3.
"""

from __future__ import annotations

import functools
import math
from typing import Literal, TypeAlias

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional as F

from paddlevideo.modeling.layers.conv_bn import DataFormat

ShiftDirection: TypeAlias = Literal["paddle", "torch"]


class TemporalShift(nn.Layer):
    """Moves the first channels of each clip by one frame in time and the next ones by one frame the other way.

    Splits and concatenations only, so that it exports everywhere and takes any ratio.

    Args:
        num_seg: T, frames of one clip; the batch axis holds whole clips one after another. 2 or more.
        shift_ratio: share of the channels moved each way, 0 to 0.5: channels [0, int(C*r)) and [int(C*r), int(2*C*r)).
            The `shift_div` of mmaction2 moves C // shift_div channels each way; 0.125 is its 8 for all C that are
            multiples of 8, as those of every ResNet are.
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
        self.data_format = data_format

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> the same shape; frames shifted in from outside the clip are zero."""
        channels = x.shape[1 if self.data_format == "NCHW" else 3]
        first = int(channels * self.shift_ratio)
        second = int(2 * channels * self.shift_ratio) - first
        first_from_past = self.shift_direction == "paddle"
        moves = [(first, first_from_past), (second, not first_from_past), (channels - first - second, None)]
        if paddle.in_dynamic_mode() and self.data_format == "NCHW" and first + second and x.place.is_cpu_place():
            return self._looked_up(x, first, second)
        widths, sources = zip(*[(width, from_past) for width, from_past in moves if width])
        # Split rather than slice: its gradient is a concatenation, ten times faster on CPU than padding with zeros.
        if self.data_format == "NCHW":
            # All frames of a clip are one row of pieces, taken apart and put together again once.
            row = x.reshape([-1, self.num_seg * channels, *x.shape[2:]])  # [N, T*C, H, W]
            pieces = row.split(list(widths) * self.num_seg, axis=1)
            tracks = [_moved(pieces[i :: len(widths)], from_past) for i, from_past in enumerate(sources)]
            row = paddle.concat([piece for frame in zip(*tracks) for piece in frame], axis=1)
            return row.reshape([-1, *x.shape[1:]])  # [N*T, C, H, W]
        clips = x.reshape([-1, self.num_seg, *x.shape[1:]])  # [N, T, H, W, C]
        tracks = [
            paddle.concat(_moved(part.split(self.num_seg, axis=1), from_past), axis=1)
            for part, from_past in zip(clips.split(list(widths), axis=4), sources)
        ]
        return paddle.concat(tracks, axis=4).reshape([-1, *x.shape[1:]])  # [N*T, H, W, C]

    def _looked_up(self, x: Tensor, first: int, second: int) -> Tensor:
        """The same by one copy, four times faster on a CPU: bands of channels are rows of a table and looked up."""
        channels, height, width = x.shape[1:]
        band = math.gcd(first, second, channels)
        order, lost = _order(
            len(x) // self.num_seg, self.num_seg, channels // band, first // band, second // band, self.shift_direction
        )
        table = x.reshape([order.shape[0], band * height * width])  # [N*T*C/band, band*H*W]
        return F.embedding(order, table, padding_idx=lost).reshape(x.shape)


@functools.lru_cache(maxsize=64)
def _order(
    num_clips: int, t: int, bands: int, first: int, second: int, direction: ShiftDirection
) -> tuple[Tensor, int]:
    """Which band of the input each band of the output is, [N*T*bands], and the one that stands for zeros.

    That is a band no output takes: one that leaves the clip.
    """
    own = np.arange(num_clips * t * bands).reshape(num_clips, t, bands)
    order = own.copy()
    past, future = slice(0, first), slice(first, first + second)
    if direction == "torch":
        past, future = future, past
    order[:, 1:, past] = own[:, :-1, past]
    order[:, :-1, future] = own[:, 1:, future]
    leaving = [*own[0, -1, past], *own[0, 0, future]]
    lost = int(leaving[0])
    order[:, 0, past] = lost
    order[:, -1, future] = lost
    return paddle.to_tensor(order.reshape(-1)), lost


def _moved(frames: list[Tensor], from_past: bool | None) -> list[Tensor]:
    """Each frame replaced by the one before it (or after it), zeros at the open end; None: as they are."""
    if from_past is None:
        return frames
    empty = paddle.zeros_like(frames[0])
    return [empty, *frames[:-1]] if from_past else [*frames[1:], empty]
