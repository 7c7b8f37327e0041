"""Boxes of a random area and shape, and the crops made of them."""

from __future__ import annotations

import math

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.crop import room_for
from paddlevideo.loader.resizing import Backend
from paddlevideo.loader.views import Box
from paddlevideo.registry import PIPELINES

TRIES = 10  # boxes drawn before giving up on one that fits

Range = tuple[float, float]


def check_box_ranges(area: Range, aspect: Range) -> None:
    """Raises ValueError when a share of the frame's area, or a width / height, is out of bounds."""
    if not 0 < area[0] <= area[1] <= 1:
        raise ValueError(f"the area is a share of the frame, 0 < lowest <= highest <= 1, got {area[0]} and {area[1]}")
    if not 0 < aspect[0] <= aspect[1]:
        raise ValueError(f"the aspect ratio (width / height) takes 0 < lowest <= highest, got {aspect[0]}, {aspect[1]}")


def random_box(height: int, width: int, area: Range, aspect: Range, rng: np.random.Generator) -> Box | None:
    """A box anywhere in a frame; None where none of ten draws fits into it.

    Its share of the frame's area is uniform in `area`, the logarithm of its width / height uniform in `aspect`.
    """
    for _ in range(TRIES):
        pixels = rng.uniform(*area) * height * width
        ratio = math.exp(rng.uniform(math.log(aspect[0]), math.log(aspect[1])))
        h, w = max(1, round(math.sqrt(pixels / ratio))), max(1, round(math.sqrt(pixels * ratio)))
        if h <= height and w <= width:
            top, left = rng.integers(0, height - h, endpoint=True), rng.integers(0, width - w, endpoint=True)
            return Box(int(top), int(left), h, w)
    return None


@PIPELINES.register
class RandomResizedCrop:
    """A box of random area and shape from anywhere, resized to a square (Szegedy et al., 2015, section 6).

    Where ten draws do not fit into the frame, its middle square. PaddleVideo's crops without resizing.

    Args:
        area_range: share of the frame that the box covers.
        aspect_ratio_range: width / height of the box.
        target_size: side of the result, pixels.
        backend: who resizes.
    """

    def __init__(
        self,
        area_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        target_size: int = 224,
        backend: Backend = "cv2",
    ) -> None:
        check_box_ranges(area_range, aspect_ratio_range)
        if target_size < 1:
            raise ValueError(f"target_size must be at least 1, got {target_size}")
        self.area_range = area_range
        self.aspect_ratio_range = aspect_ratio_range
        self.target_size = target_size
        self.backend: Backend = backend

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        height, width = clip.size
        box = random_box(height, width, self.area_range, self.aspect_ratio_range, rng)
        if box is None:
            side = min(height, width)
            box = Box((height - side) // 2, (width - side) // 2, side, side)
        return clip.settled().crop_to(box, self.target_size, self.target_size, self.backend)


@PIPELINES.register
class MultiCenterCrop:
    """Three squares of `target_size` of the middle row: centre, left and right (PaddleVideo's TokenShift): 3 views."""

    def __init__(self, target_size: int) -> None:
        if target_size < 1:
            raise ValueError(f"target_size must be at least 1, got {target_size}")
        self.target_size = target_size

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        size, (down, right) = self.target_size, room_for(clip, self.target_size)
        return clip.crops([Box(down // 2, left, size, size) for left in (right // 2, 0, right)])
