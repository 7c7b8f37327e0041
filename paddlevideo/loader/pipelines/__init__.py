"""Operations on clips. Importing this package puts them in the PIPELINES table."""

from paddlevideo.loader.pipelines import array, crop, decode, flip, resize, sample
from paddlevideo.loader.pipelines.pipeline import Pipeline

__all__ = ["Pipeline", "array", "crop", "decode", "flip", "resize", "sample"]
