"""Figures computed from scores and labels. Plain NumPy."""

from paddlevideo.metrics import topk as topk
