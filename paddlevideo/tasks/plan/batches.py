"""Which batch sizes make a global batch, and what batch size memory has room for: arithmetic alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

NEAR = 0.05  # share of the global batch that may be missed for the sake of a larger batch, where exact is impossible

LARGER = 4  # times the training batch that a validation batch may be: it keeps nothing for a backward pass


class Choice(NamedTuple):
    """`processes` take `groups` batches of `batch` clips each for one optimizer step."""

    batch: int
    groups: int
    processes: int

    @property
    def together(self) -> int:
        """The global batch: clips of one optimizer step."""
        return self.batch * self.groups * self.processes


def choices(global_batch: int, processes: int, most: int) -> list[Choice]:
    """The ways to a global batch, by rising batch size up to `most`.

    Where the number of processes does not divide it, those that miss it by less than NEAR; failing that, the nearest.
    """
    found = [nearest(global_batch, processes, batch) for batch in range(1, most + 1)]
    missed = {choice: abs(choice.together - global_batch) for choice in found}
    least = min(missed.values())
    allowed = least if global_batch % processes == 0 else max(least, NEAR * global_batch)
    return [choice for choice in found if missed[choice] <= allowed]


def nearest(global_batch: int, processes: int, batch: int) -> Choice:
    """The number of groups, 1 or more, that comes nearest with this batch size."""
    return Choice(batch, max(1, round(global_batch / (batch * processes))), processes)


def validated(given: int | None, batch: int) -> int:
    """Clips that a run validates on at a time: valid_batch_size as given, unless it is far larger than `batch`."""
    return min(given or batch, LARGER * batch)


class Line(NamedTuple):
    """Memory of a process, bytes: `fixed` + `clip` for each clip of a batch."""

    fixed: float
    clip: float

    def at(self, batch: int) -> float:
        return self.fixed + self.clip * batch


def fit(points: Iterable[tuple[int, float]]) -> Line:
    """The line of least squares through (batch, bytes); it never falls."""
    batches, sizes = (np.array(column, float) for column in zip(*points))
    if len(set(batches.tolist())) < 2:
        return Line(float(sizes.max()), 0.0)
    slope, start = np.polyfit(batches, sizes, 1)
    return Line(float(start), float(slope)) if slope > 0 else Line(float(sizes.max()), 0.0)
