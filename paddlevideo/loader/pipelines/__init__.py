"""Operations on clips, and mixes of batches. Importing this package puts them in the PIPELINES and MIXES tables."""

from paddlevideo.loader.pipelines import array, crop, decode, flip, mix, resize, sample, sample_frames
from paddlevideo.loader.pipelines.pipeline import Pipeline

__all__ = ["Pipeline", "array", "crop", "decode", "flip", "mix", "resize", "sample", "sample_frames"]
