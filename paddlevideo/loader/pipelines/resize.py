"""Ops that change the size of frames."""

from __future__ import annotations

import math

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.resizing import Backend, resize_frames
from paddlevideo.registry import PIPELINES


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
        height, width = clip.size
        short, long = min(height, width), max(height, width)
        if short == self.short_size:
            return clip
        new_long = self.long_side(short, long)
        size = (new_long, self.short_size) if width <= height else (self.short_size, new_long)
        clip = clip.settled()
        if self.backend == "pillow":
            return clip.resized(*size)
        return clip.with_frames(resize_frames(clip.pixels(), *size, "cv2"))


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
        height, width = clip.size
        if min(height, width) == size:
            return clip
        if width < height:
            new = (math.floor(height / width * size), size)
        else:
            new = (size, math.floor(width / height * size))
        clip = clip.settled()
        return clip.with_frames(resize_frames(clip.pixels(), *new, "cv2"))
