"""Figures computed from scores and labels. Plain NumPy."""

from paddlevideo.metrics import average_precision, figures, topk

__all__ = ["average_precision", "figures", "topk"]
