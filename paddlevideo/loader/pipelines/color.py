"""Colours: brightness, contrast, saturation and hue, the same change for every frame of a clip.

All functions take frames [T, H, W, 3] RGB uint8 and give new ones; results are rounded and cut to 0..255. `factor` 1
changes nothing, 0 leaves nothing (no light, one grey, no colour), above 1 exaggerates. x is a value of a pixel and
grey = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601).
"""

from __future__ import annotations

import cv2
import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.registry import PIPELINES

GREY = np.array([0.299, 0.587, 0.114])  # shares of R, G and B
EVERY = np.arange(256)  # the values a pixel may have
HUES = 180  # OpenCV's steps of a full circle


def byte_pixels(clip: Clip) -> np.ndarray:
    """The frames of a clip [T, H, W, 3] uint8. Raises ValueError when they are normalised already."""
    frames = clip.pixels()
    if frames.dtype != np.uint8:
        raise ValueError(
            "colours are those of pixels, 0..255, and these frames are normalised; put Normalization later"
        )
    return frames


def as_rows(frames: np.ndarray) -> np.ndarray:
    """The clip as one tall image, which OpenCV changes in one go: [T, H, W, 3] -> [T * H, W, 3], contiguous."""
    t, h, w, c = frames.shape
    return np.ascontiguousarray(frames).reshape(t * h, w, c)


def look_up(frames: np.ndarray, table: np.ndarray) -> np.ndarray:
    """What each value becomes: table[x]. `table` is [256], or [256, 3] for one a channel; cut to 0..255 here."""
    rounded = np.rint(table).clip(0, 255).astype(np.uint8)
    return cv2.LUT(as_rows(frames), rounded.reshape(1, 256, -1)).reshape(frames.shape)


def brightness(frames: np.ndarray, factor: float) -> np.ndarray:
    """factor * x"""
    return look_up(frames, factor * EVERY)


def contrast(frames: np.ndarray, factor: float) -> np.ndarray:
    """factor * x + (1 - factor) * m, m the mean of grey over all frames of the clip (so it does not flicker)"""
    mean = float(GREY @ cv2.mean(as_rows(frames))[:3])
    return look_up(frames, factor * EVERY + (1 - factor) * mean)


def saturation(frames: np.ndarray, factor: float) -> np.ndarray:
    """factor * x + (1 - factor) * grey of the pixel; up to 1 off, as OpenCV multiplies in whole numbers here"""
    matrix = factor * np.eye(3) + (1 - factor) * GREY  # [3, 3], every row adds up to 1
    return cv2.transform(as_rows(frames), matrix).reshape(frames.shape)


def hue(frames: np.ndarray, turn: float) -> np.ndarray:
    """Turns the hue of HSV by so many full circles, in steps of 2 degrees; 0 changes nothing."""
    steps = round(turn * HUES) % HUES
    if steps == 0:
        return frames
    hsv = cv2.cvtColor(as_rows(frames), cv2.COLOR_RGB2HSV)  # OpenCV's _FULL counts 256 hues one way and 255 back
    turned = ((EVERY + steps) % HUES).astype(np.uint8)
    cv2.insertChannel(cv2.LUT(cv2.extractChannel(hsv, 0), turned), hsv, 0)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).reshape(frames.shape)


def interval(
    name: str, value: float | tuple[float, float], centre: float, limits: tuple[float, float]
) -> tuple[float, float]:
    """(low, high) to draw from: centre -+ value, not below the limits, or the pair itself. Raises ValueError."""
    if isinstance(value, tuple):
        low, high = value
    elif value < 0:
        raise ValueError(f"{name} is how far from {centre:g} to go, not below 0, got {value}")
    else:
        low, high = max(limits[0], centre - value), centre + value
    if not limits[0] <= low <= high <= limits[1]:
        raise ValueError(f"{name} must lie in {limits[0]:g}..{limits[1]:g}, lower bound first, got {value}")
    return low, high


@PIPELINES.register
class ColorJitter:
    """Changes brightness, contrast, saturation and hue by random factors, in a random order; formulas: see the module.

    Each argument is how far from the neutral value to go, or the two bounds to draw from. 0 leaves that one alone.

    Args:
        brightness, contrast, saturation: factors are drawn from [max(0, 1 - value), 1 + value].
        hue: the turn is drawn from [-value, value], in full circles, at most 0.5.
    """

    def __init__(
        self,
        brightness: float | tuple[float, float] = 0.5,
        contrast: float | tuple[float, float] = 0.5,
        saturation: float | tuple[float, float] = 0.5,
        hue: float | tuple[float, float] = 0.1,
    ) -> None:
        factor, unlimited = 1.0, (0.0, float("inf"))
        self.bounds = [
            interval("brightness", brightness, factor, unlimited),
            interval("contrast", contrast, factor, unlimited),
            interval("saturation", saturation, factor, unlimited),
            interval("hue", hue, 0.0, (-0.5, 0.5)),
        ]

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        frames = byte_pixels(clip)
        drawn = [rng.uniform(low, high) for low, high in self.bounds]
        for i in rng.permutation(4):
            change, neutral = ((brightness, 1), (contrast, 1), (saturation, 1), (hue, 0))[i]
            if drawn[i] != neutral:
                frames = change(frames, drawn[i])
        return clip.with_frames(frames)
