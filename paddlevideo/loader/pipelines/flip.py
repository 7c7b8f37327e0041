"""Mirroring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.registry import PIPELINES


@PIPELINES.register
class RandomFlip:
    """Mirrors the whole clip left to right with probability `p`. Not for classes that differ by left and right."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, from 0 to 1, got {p}")
        self.p = p

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if rng.random() >= self.p:
            return clip
        return replace(clip, frames=clip.pixels()[:, :, ::-1])
