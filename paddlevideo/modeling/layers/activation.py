"""Activations that overwrite what they are given, for values nobody else looks at: one copy of the features less.

A traced program has no such operations, and needs none: its executor plans the memory.
"""

from __future__ import annotations

import paddle
from paddle import Tensor
from paddle.nn import functional as F

SLOPE = 0.01  # of leaky_relu below 0


def relu(x: Tensor) -> Tensor:
    """max(x, 0); `x` is lost."""
    return F.relu_(x) if paddle.in_dynamic_mode() else F.relu(x)


def leaky_relu(x: Tensor) -> Tensor:
    """x where positive, x / 100 elsewhere; `x` is lost."""
    return F.leaky_relu_(x, SLOPE) if paddle.in_dynamic_mode() else F.leaky_relu(x, SLOPE)
