"""Models: frameworks around a backbone and a head, and the reading of weight files. Importing it fills the tables."""

from paddlevideo.modeling import backbones, framework, heads, losses

__all__ = ["backbones", "framework", "heads", "losses"]
