"""Heads: features of all frames in, class scores of a video out."""

from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.heads.tsn_head import TSNHead

__all__ = ["TSMHead", "TSNHead"]
