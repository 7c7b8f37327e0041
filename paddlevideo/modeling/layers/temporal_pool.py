"""Half as many frames from some stage on, each the largest of three."""

from __future__ import annotations

import math

from paddle import Tensor, nn
from paddle.nn import functional as F


class TemporalPool(nn.Layer):
    """Maximum over a frame and its two neighbours, at every second frame: T frames -> T / 2.

    Args:
        num_seg: T, frames of one clip, even; the batch axis holds whole clips one after another.

    Raises:
        ValueError: for an odd `num_seg`.
    """

    def __init__(self, num_seg: int) -> None:
        super().__init__()
        if num_seg % 2:
            raise ValueError(f"num_seg={num_seg}: temporal_pool halves the frames, so their number must be even")
        self.num_seg = num_seg

    def forward(self, x: Tensor) -> Tensor:
        """[N*T, C, H, W] -> [N*T/2, C, H, W]; any axis order after the first."""
        size = math.prod(x.shape[1:])
        clips = x.reshape([-1, 1, self.num_seg, size])  # [N, 1, T, C*H*W]: an image with time as its height
        pooled = F.max_pool2d(clips, (3, 1), stride=(2, 1), padding=(1, 0))  # [N, 1, T/2, C*H*W]
        return pooled.reshape([-1, *x.shape[1:]])
