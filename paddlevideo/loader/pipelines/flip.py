"""Mirroring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.registry import PIPELINES


@PIPELINES.register
class RandomFlip:
    """Mirrors the whole clip left to right with probability `p`. Classes that differ by left and right need a map.

    Args:
        p: 0..1.
        flip_label_map: class id -> that of its mirror image, both ways: {86: 87, 87: 86}; other classes keep theirs.
    """

    def __init__(self, p: float = 0.5, flip_label_map: dict[int, int] | None = None) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"p is a probability, from 0 to 1, got {p}")
        try:
            labels = {int(label): int(other) for label, other in (flip_label_map or {}).items()}  # YAML keys are text
        except ValueError:
            raise ValueError(f"flip_label_map maps class ids to class ids, got {flip_label_map}") from None
        if labels and min(*labels, *labels.values()) < 0:
            raise ValueError(f"flip_label_map holds class ids, which are not negative, got {flip_label_map}")
        for label, other in labels.items():
            if labels.get(other) != label:
                raise ValueError(f"flip_label_map says {label}: {other}, so it must say {other}: {label} too")
        self.p = p
        self.flip_label_map = labels

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if rng.random() >= self.p:
            return clip
        return replace(clip.mirrored(), label=self._mirrored(clip.label))

    def _mirrored(self, label: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(label, tuple):
            return tuple(self.flip_label_map.get(one, one) for one in label)
        return self.flip_label_map.get(label, label)

    def check_labels(self, num_classes: int) -> None:
        """Raises ValueError when the map names a class that is not in [0, num_classes)."""
        outside = [label for pair in self.flip_label_map.items() for label in pair if label >= num_classes]
        if outside:
            raise ValueError(f"RandomFlip.flip_label_map names class {outside[0]}, but num_classes is {num_classes}")
