"""Heads: features of all frames in, class scores of a video out."""

from paddlevideo.modeling.heads.pptsm_head import PPTSMHead
from paddlevideo.modeling.heads.pptsn_head import PPTSNHead
from paddlevideo.modeling.heads.timesformer_head import PPTimeSformerHead, TimeSformerHead
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.heads.tsn_head import TSNHead

__all__ = ["PPTSMHead", "PPTSNHead", "PPTimeSformerHead", "TSMHead", "TSNHead", "TimeSformerHead"]
