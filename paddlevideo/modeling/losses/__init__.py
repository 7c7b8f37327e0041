"""Losses."""

from paddlevideo.modeling.losses.binary_cross_entropy import BinaryCrossEntropyLoss
from paddlevideo.modeling.losses.cross_entropy import CrossEntropyLoss

__all__ = ["BinaryCrossEntropyLoss", "CrossEntropyLoss"]
