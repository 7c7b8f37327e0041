"""From frames to the numbers and the axis order a model takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.normal import Normal
from paddlevideo.registry import PIPELINES


@PIPELINES.register
class Image2Array:
    """Records the axis order of the model. Frames stay [T, H, W, 3]; `Clip.array` applies the order once, at the end.

    Args:
        transpose: False leaves the channels last, for models with data_format NHWC.
        data_format: "tchw" or "cthw".
    """

    def __init__(self, transpose: bool = True, data_format: Literal["tchw", "cthw"] = "tchw") -> None:
        self.layout = data_format if transpose else "thwc"

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        return replace(clip, layout=self.layout)


@PIPELINES.register
class Normalization:
    """float32 (x / 255 - mean) / std, channel by channel.

    It is noted here and done where the model takes the frames, so that they stay uint8 on the way. Operations that
    come after it get uint8 frames too, but for those that interpolate: they get the normalised numbers.

    Args:
        mean, std: three numbers each, in the scale 0..1.
        inplace: the other formula, (x - mean) / std, with mean and std in the scale 0..255.
    """

    def __init__(self, mean: list[float], std: list[float], inplace: bool = False) -> None:
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f"mean and std take three numbers each, got {mean} and {std}")
        if min(std) <= 0:
            raise ValueError(f"std must be above 0, got {std}")
        self.normal = Normal(tuple(mean), tuple(std), 1.0 if inplace else 255.0)

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        return replace(clip.settled(), normal=self.normal)
