"""Losses."""

from paddlevideo.modeling.losses.binary_cross_entropy import BinaryCrossEntropyLoss
from paddlevideo.modeling.losses.cross_entropy import CrossEntropyLoss
from paddlevideo.modeling.losses.distillation import (
    DistillationCELoss,
    DistillationDMLLoss,
    DistillationHintLoss,
    DistillationKLLoss,
)

__all__ = [
    "BinaryCrossEntropyLoss",
    "CrossEntropyLoss",
    "DistillationCELoss",
    "DistillationDMLLoss",
    "DistillationHintLoss",
    "DistillationKLLoss",
]
