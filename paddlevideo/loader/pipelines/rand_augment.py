"""RandAugment: a few random changes of a clip, all of about the same strength.

Every change takes frames [T, H, W, 3] RGB uint8 and gives new ones. `strength` runs from -1 to 1, the share of the
strongest there is; 0 changes nothing, and changes without two directions take its size.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.color import EVERY, as_rows, brightness, byte_pixels, contrast, look_up, saturation
from paddlevideo.loader.pipelines.erase import check_colour
from paddlevideo.registry import PIPELINES

Colour = tuple[int, int, int]
Change = Callable[[np.ndarray, float, Colour], np.ndarray]

MOST_DEGREES = 30
MOST_SHEAR = 0.3  # pixels sideways a row
MOST_SHIFT = 0.45  # of the frame's width or height
MOST_FACTOR = 0.9  # factors of colour lie in 0.1..1.9
MOST_BITS = 4  # taken from the 8 of a pixel


def histograms(frames: np.ndarray) -> np.ndarray:
    """How often each value occurs in each channel, over all frames: [3, 256] int64."""
    rows = as_rows(frames)
    counts = [cv2.calcHist([rows], [channel], None, [256], [0, 256]).ravel() for channel in range(3)]
    return np.stack(counts).astype(np.int64)


def autocontrast(frames: np.ndarray) -> np.ndarray:
    """Stretches each channel's values, from the lowest to the highest of the clip, to 0..255."""
    table = np.empty((256, 3))
    for channel, counts in enumerate(histograms(frames)):
        found = np.flatnonzero(counts)
        low, high = found[0], found[-1]
        table[:, channel] = EVERY if low == high else (EVERY - low) * 255 / (high - low)
    return look_up(frames, table)


def equalize(frames: np.ndarray) -> np.ndarray:
    """Makes all values of a channel equally frequent, as PIL.ImageOps.equalize does, over the clip's histogram."""
    table = np.empty((256, 3))
    for channel, counts in enumerate(histograms(frames)):
        step = (counts.sum() - counts[np.flatnonzero(counts)[-1]]) // 255
        before = np.cumsum(counts) - counts
        table[:, channel] = (step // 2 + before) // step if step else EVERY
    return look_up(frames, table)


def posterize(frames: np.ndarray, strength: float) -> np.ndarray:
    """Clears the lowest bits: none to 4."""
    return look_up(frames, EVERY & -(1 << round(MOST_BITS * abs(strength))))


def solarize(frames: np.ndarray, strength: float) -> np.ndarray:
    """Inverts values from a threshold on: none (256) to all (0)."""
    return look_up(frames, np.where(256 * (1 - abs(strength)) > EVERY, EVERY, 255 - EVERY))


def sharpness(frames: np.ndarray, factor: float) -> np.ndarray:
    """factor * x + (1 - factor) * s, s the mean of 3x3 pixels, the middle one five times; reflected at the edges."""
    kernel = np.full((3, 3), (1 - factor) / 13)
    kernel[1, 1] = factor + (1 - factor) * 5 / 13
    return np.stack([cv2.filter2D(frame, -1, kernel) for frame in np.ascontiguousarray(frames)])


def warp(frames: np.ndarray, matrix: np.ndarray, fill: Colour) -> np.ndarray:
    """Moves pixels: `matrix` [2, 2] turns a place, from the frame's middle, into the new one; bilinear."""
    height, width = frames.shape[1:3]
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    return _affine(frames, np.column_stack([matrix, middle - matrix @ middle]), fill)


def shift(frames: np.ndarray, right: float, down: float, fill: Colour) -> np.ndarray:
    """Moves the picture by shares of the frame's width and height, in whole pixels."""
    height, width = frames.shape[1:3]
    return _affine(frames, np.array([[1, 0, round(right * width)], [0, 1, round(down * height)]], float), fill)


def _affine(frames: np.ndarray, matrix: np.ndarray, fill: Colour) -> np.ndarray:
    height, width = frames.shape[1:3]
    contiguous = np.ascontiguousarray(frames)
    return np.stack([cv2.warpAffine(frame, matrix, (width, height), borderValue=fill) for frame in contiguous])


def rotate(frames: np.ndarray, strength: float, fill: Colour) -> np.ndarray:
    """Turns the picture by up to 30 degrees, clockwise for positive strengths."""
    angle = np.deg2rad(MOST_DEGREES * strength)
    return warp(frames, np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]), fill)


CHANGES: dict[str, Change] = {
    "identity": lambda frames, strength, fill: frames,
    "autocontrast": lambda frames, strength, fill: autocontrast(frames),
    "equalize": lambda frames, strength, fill: equalize(frames),
    "rotate": rotate,
    "solarize": lambda frames, strength, fill: solarize(frames, strength),
    "color": lambda frames, strength, fill: saturation(frames, 1 + MOST_FACTOR * strength),
    "posterize": lambda frames, strength, fill: posterize(frames, strength),
    "contrast": lambda frames, strength, fill: contrast(frames, 1 + MOST_FACTOR * strength),
    "brightness": lambda frames, strength, fill: brightness(frames, 1 + MOST_FACTOR * strength),
    "sharpness": lambda frames, strength, fill: sharpness(frames, 1 + MOST_FACTOR * strength),
    "shear_x": lambda frames, strength, fill: warp(frames, np.array([[1, MOST_SHEAR * strength], [0, 1]]), fill),
    "shear_y": lambda frames, strength, fill: warp(frames, np.array([[1, 0], [MOST_SHEAR * strength, 1]]), fill),
    "translate_x": lambda frames, strength, fill: shift(frames, MOST_SHIFT * strength, 0, fill),
    "translate_y": lambda frames, strength, fill: shift(frames, 0, MOST_SHIFT * strength, fill),
}


@PIPELINES.register
class RandAugment:
    """`num_layers` changes drawn from the fourteen of CHANGES, one after another (Cubuk et al., RandAugment, 2020).

    Each is the same for all frames of a clip; those that look at the picture look at the whole clip.

    Args:
        num_layers: how many changes.
        magnitude: their strength, 0..10.
        magnitude_std: spread of a normal distribution around it, drawn for each change and cut to 0..10.
        prob: how often a change drawn is made, 0..1; the paper's 1, while video recipes often take 0.5.
        fill_color: red, green and blue (0..255) of what a moved picture uncovers.
    """

    def __init__(
        self,
        num_layers: int = 2,
        magnitude: float = 9.0,
        magnitude_std: float = 0.0,
        prob: float = 1.0,
        fill_color: tuple[int, int, int] = (128, 128, 128),
    ) -> None:
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, got {num_layers}")
        if not 0 <= magnitude <= 10:
            raise ValueError(f"magnitude lies in 0..10, got {magnitude}")
        if magnitude_std < 0:
            raise ValueError(f"magnitude_std must not be below 0, got {magnitude_std}")
        if not 0 <= prob <= 1:
            raise ValueError(f"prob is a probability, from 0 to 1, got {prob}")
        check_colour(fill_color)
        self.num_layers = num_layers
        self.magnitude = magnitude
        self.magnitude_std = magnitude_std
        self.prob = prob
        self.fill_color = fill_color

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        frames = byte_pixels(clip)
        for _ in range(self.num_layers):
            change = rng.choice(list(CHANGES))
            strength = float(np.clip(rng.normal(self.magnitude, self.magnitude_std), 0, 10)) / 10
            direction = rng.choice((-1, 1))
            if rng.random() < self.prob:
                frames = CHANGES[change](frames, direction * strength, self.fill_color)
        return clip.with_frames(frames)
