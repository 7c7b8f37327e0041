"""What the weights of transformers start from."""

from __future__ import annotations

from paddle import ParamAttr, nn
from paddle.regularizer import L2Decay

STD = 0.02


def weight_attr(decay: bool = True) -> ParamAttr:
    """A truncated normal distribution of standard deviation 0.02; `decay=False` keeps the weight decay away."""
    regularizer = None if decay else L2Decay(0.0)
    return ParamAttr(initializer=nn.initializer.TruncatedNormal(std=STD), regularizer=regularizer)


def zero_attr(decay: bool = True) -> ParamAttr:
    """Zeros; `decay` as above."""
    return ParamAttr(initializer=nn.initializer.Constant(0.0), regularizer=None if decay else L2Decay(0.0))
