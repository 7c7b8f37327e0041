"""Whole models: what training, evaluation and export see."""

from paddlevideo.modeling.framework.recognizer2d import Recognizer2D

__all__ = ["Recognizer2D"]
