"""Operations on clips, and mixes of batches. Importing this package puts them in the PIPELINES and MIXES tables."""

from paddlevideo.loader.pipelines import (
    array,
    color,
    crop,
    crop_random,
    decode,
    erase,
    flip,
    mix,
    rand_augment,
    resize,
    sample,
    sample_frames,
)
from paddlevideo.loader.pipelines.pipeline import Pipeline

__all__ = [
    "Pipeline",
    "array",
    "color",
    "crop",
    "crop_random",
    "decode",
    "erase",
    "flip",
    "mix",
    "rand_augment",
    "resize",
    "sample",
    "sample_frames",
]
