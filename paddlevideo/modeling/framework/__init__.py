"""Whole models: what training, evaluation and export see."""

from paddlevideo.modeling.framework.distillation import RecognizerDistillation
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.framework.recognizer_transformer import RecognizerTransformer

__all__ = ["Recognizer2D", "RecognizerDistillation", "RecognizerTransformer"]
