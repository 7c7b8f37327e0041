"""Normalisation of pixels, which is put off to the model: frames stay uint8 until then, a quarter of the bytes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Normal:
    """(x / unit - mean) / std, channel by channel, still to be done.

    Attributes:
        mean, std: of red, green and blue, in units.
        unit: 255 where mean and std are in the scale 0..1; 1 where they are in that of pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    unit: float

    @property
    def scale(self) -> np.ndarray:
        """[3] float32: the normalised values are x * scale + shift."""
        return (1 / (self.unit * np.array(self.std))).astype(np.float32)

    @property
    def shift(self) -> np.ndarray:
        """[3] float32."""
        return (-np.array(self.mean) / np.array(self.std)).astype(np.float32)

    def formula(self, x: np.ndarray, fit: Sequence[int] = (3,)) -> np.ndarray:
        """Pixels, uint8 or float32 -> float32. `fit`: the shape in which one number a channel stands beside them."""
        mean, std = (np.array(values, dtype=np.float32).reshape(fit) for values in (self.mean, self.std))
        return (x / np.float32(self.unit) - mean) / std

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """Frames [T, H, W, 3] in the scale of pixels -> float32."""
        if frames.dtype != np.uint8:
            return self.formula(frames.astype(np.float32))
        t, h, w, c = frames.shape
        rows = np.ascontiguousarray(frames).reshape(t * h, w, c)  # OpenCV knows images, not clips
        return cv2.LUT(rows, _table(self)).reshape(t, h, w, c)


@functools.lru_cache(maxsize=8)
def _table(normal: Normal) -> np.ndarray:
    """What each of the 256 values of a pixel becomes, so that a clip is one look-up: [1, 256, 3]."""
    return normal.formula(np.arange(256, dtype=np.float32)[None, :, None])
