"""Ops that change the size of frames."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from paddlevideo.loader.clip import Clip
from paddlevideo.registry import PIPELINES

Backend: TypeAlias = Literal["pillow", "cv2"]


def resize_frames(frames: np.ndarray, height: int, width: int, backend: Backend) -> np.ndarray:
    """[T, H, W, 3] -> [T, height, width, 3], bilinear. Pillow averages when it shrinks, OpenCV does not.

    Raises:
        ValueError: frames that are normalised already, by Pillow, which takes uint8 only.
    """
    if backend == "pillow" and frames.dtype != np.uint8:
        raise ValueError("Pillow cannot resize normalised frames; put Normalization after it, or set backend: cv2")
    if frames.shape[1:3] == (height, width):
        return frames
    resized = np.empty((len(frames), height, width, 3), dtype=frames.dtype)
    for frame, out in zip(frames, resized):
        if backend == "cv2":
            cv2.resize(np.ascontiguousarray(frame), (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
        else:
            out[:] = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
    return resized


@PIPELINES.register
class Scale:
    """Resizes so that the short side is `short_size`; frames whose short side already is are left alone.

    Args:
        short_size: pixels.
        fixed_ratio: the long side becomes 4/3 of the short one, whatever the video's shape.
        keep_ratio: the video's shape is kept; False makes a square. Only without fixed_ratio.
        do_round: round the long side instead of cutting it (with keep_ratio).
        backend: who resizes.
    """

    def __init__(
        self,
        short_size: int,
        fixed_ratio: bool = True,
        keep_ratio: bool | None = None,
        do_round: bool = False,
        backend: Backend = "pillow",
    ) -> None:
        if short_size < 1:
            raise ValueError(f"short_size must be at least 1, got {short_size}")
        if fixed_ratio and keep_ratio:
            raise ValueError("fixed_ratio (4:3) and keep_ratio exclude each other; set fixed_ratio: False")
        self.short_size = short_size
        self.fixed_ratio = fixed_ratio
        self.keep_ratio = keep_ratio
        self.do_round = do_round
        self.backend: Backend = backend

    def long_side(self, short: int, long: int) -> int:
        """The new long side of a frame whose sides are `short` and `long`."""
        if self.fixed_ratio:
            return int(self.short_size * 4.0 / 3.0)
        if self.keep_ratio is False:
            return self.short_size
        if self.do_round:
            return int(long * (self.short_size / short) + 0.5)
        return int(long * self.short_size / short)

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        frames = clip.pixels()
        height, width = frames.shape[1:3]
        short, long = min(height, width), max(height, width)
        if short == self.short_size:
            return clip
        new_long = self.long_side(short, long)
        size = (new_long, self.short_size) if width <= height else (self.short_size, new_long)
        return replace(clip, frames=resize_frames(frames, *size, self.backend))


@PIPELINES.register
class JitterScale:
    """Resizes so that the short side is a random whole number of pixels from `min_size` to `max_size`, by OpenCV.

    The video's shape is kept, the long side rounded down. Frames may be normalised before.
    """

    def __init__(self, min_size: int, max_size: int) -> None:
        if not 1 <= min_size <= max_size:
            raise ValueError(f"min_size and max_size must satisfy 1 <= min <= max, got {min_size} and {max_size}")
        self.min_size = min_size
        self.max_size = max_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size = round(rng.uniform(self.min_size, self.max_size))
        frames = clip.pixels()
        height, width = frames.shape[1:3]
        if min(height, width) == size:
            return clip
        if width < height:
            new = (math.floor(height / width * size), size)
        else:
            new = (size, math.floor(width / height * size))
        return replace(clip, frames=resize_frames(frames, *new, "cv2"))
