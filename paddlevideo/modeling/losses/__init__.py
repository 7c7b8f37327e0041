"""Losses."""

from paddlevideo.modeling.losses.cross_entropy import CrossEntropyLoss

__all__ = ["CrossEntropyLoss"]
