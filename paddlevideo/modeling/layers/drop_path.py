"""Stochastic depth (Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016)."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn


class DropPath(nn.Layer):
    """In training, leaves out a residual branch for each sample (axis 0) with probability `rate`.

    What is kept is divided by 1 - rate, so that the expectation stays.
    """

    def __init__(self, rate: float = 0.0) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """[N, L, D] -> the same shape."""
        if not (self.training and self.rate):
            return x
        keep = 1 - self.rate
        drawn = paddle.bernoulli(paddle.full_like(x[:, :1, :1], keep, dtype="float32"))  # [N, 1, 1], 0 or 1
        return x * (drawn / keep).astype(x.dtype)
