"""One definition of preprocessing, for training, testing and prediction alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np

from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.registry import PIPELINES


@dataclass(frozen=True)
class Pipeline:
    """A section of PIPELINE: open the video, read some frames, change them.

    Attributes:
        decode: opens `clip.path`.
        sample: reads the wanted frames.
        transform: what is done to them, in order.
    """

    decode: Annotated[Op, PIPELINES]
    sample: Annotated[Op, PIPELINES]
    transform: list[Annotated[Op, PIPELINES]] = field(default_factory=list)

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Raises Unreadable when the video cannot be read."""
        for op in (self.decode, self.sample, *self.transform):
            clip = op(clip, rng)
        return clip

    def with_decode(self, decode: Op) -> Pipeline:
        """The same preprocessing for videos that come from elsewhere, as in prediction."""
        return replace(self, decode=decode)

    def check_labels(self, num_classes: int) -> None:
        """Raises ValueError when an operation that changes labels names a class outside [0, num_classes)."""
        for op in self.transform:
            if isinstance(op, RandomFlip):
                op.check_labels(num_classes)
