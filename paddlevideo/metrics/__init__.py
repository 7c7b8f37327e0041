"""Figures computed from scores and labels. Plain NumPy."""

from paddlevideo.metrics import figures, topk

__all__ = ["figures", "topk"]
