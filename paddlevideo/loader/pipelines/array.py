"""From frames to the numbers and the axis order a model takes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import cv2
import numpy as np

from paddlevideo.loader.clip import Clip
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

    Args:
        mean, std: three numbers each, in the scale 0..1.
        inplace: the other formula, (x - mean) / std, with mean and std in the scale 0..255.
    """

    def __init__(self, mean: list[float], std: list[float], inplace: bool = False) -> None:
        if len(mean) != 3 or len(std) != 3:
            raise ValueError(f"mean and std take three numbers each, got {mean} and {std}")
        if min(std) <= 0:
            raise ValueError(f"std must be above 0, got {std}")
        self.mean = np.array(mean, dtype=np.float32)
        self.std = np.array(std, dtype=np.float32)
        self.unit = np.float32(1 if inplace else 255)
        # What each of the 256 values of a pixel becomes, so that a clip is one look-up: [1, 256, 3]
        self.table = self.formula(np.arange(256, dtype=np.float32)[None, :, None])

    def formula(self, x: np.ndarray) -> np.ndarray:
        """[..., 3] float32 -> [..., 3] float32."""
        return (x / self.unit - self.mean) / self.std

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        frames = clip.pixels()
        if frames.dtype != np.uint8:
            return replace(clip, frames=self.formula(frames.astype(np.float32)))
        t, h, w, c = frames.shape
        rows = np.ascontiguousarray(frames).reshape(t * h, w, c)  # OpenCV knows images, not clips
        return replace(clip, frames=cv2.LUT(rows, self.table).reshape(t, h, w, c))
