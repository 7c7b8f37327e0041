"""Boxes of a clip that are painted over."""

from __future__ import annotations

from typing import Literal

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.color import byte_pixels
from paddlevideo.loader.pipelines.crop_random import check_box_ranges, random_box
from paddlevideo.registry import PIPELINES


def check_colour(colour: tuple[int, int, int]) -> None:
    """Raises ValueError unless red, green and blue lie in 0..255."""
    if not all(0 <= value <= 255 for value in colour):
        raise ValueError(f"fill_color is red, green and blue, each 0..255, got {list(colour)}")


@PIPELINES.register
class RandomErasing:
    """Paints over a random box, the same in every frame (Zhong et al., "Random Erasing Data Augmentation", 2020).

    Colours are those of pixels, 0..255. After Normalization they still are, unless a resize has come in between.

    Args:
        erase_prob: how often, 0..1.
        min_area_ratio, max_area_ratio: share of the frame that the box covers.
        aspect_range: width / height of the box.
        mode: "const" paints `fill_color`; "rand" random pixels, the same in every frame.
        fill_color: red, green and blue.
    """

    def __init__(
        self,
        erase_prob: float = 0.5,
        min_area_ratio: float = 0.02,
        max_area_ratio: float = 0.4,
        aspect_range: tuple[float, float] = (0.3, 1 / 0.3),
        mode: Literal["const", "rand"] = "const",
        fill_color: tuple[int, int, int] = (128, 128, 128),
    ) -> None:
        if not 0 <= erase_prob <= 1:
            raise ValueError(f"erase_prob is a probability, from 0 to 1, got {erase_prob}")
        check_box_ranges((min_area_ratio, max_area_ratio), aspect_range)
        check_colour(fill_color)
        self.erase_prob = erase_prob
        self.area_range = min_area_ratio, max_area_ratio
        self.aspect_range = aspect_range
        self.mode = mode
        self.fill_color = fill_color

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        frames = byte_pixels(clip)
        height, width = frames.shape[1:3]
        box = random_box(height, width, self.area_range, self.aspect_range, rng)
        if box is not None and rng.random() < self.erase_prob:
            noise = (box.height, box.width, 3)
            fill = self.fill_color if self.mode == "const" else rng.integers(0, 256, noise, dtype=np.uint8)
            frames = frames.copy()
            box.of(frames)[...] = fill
        return clip.with_frames(frames)
