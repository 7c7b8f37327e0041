"""The weighted mean of weight files, taken in one after another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class StateMean:
    """Sums in float64, however many there are; the mean is float32. Holds no more than the sums."""

    def __init__(self) -> None:
        self._sums: dict[str, np.ndarray] = {}
        self._weight = 0.0

    def add(self, state: Mapping[str, np.ndarray], weight: float) -> None:
        """Adds named arrays with a weight above 0.

        Raises:
            ValueError: listing every array that is not floating-point or not finite, or that differs from those added
                first in name or shape. Nothing was added then.
        """
        if kinds := [f"{name} is {value.dtype}" for name, value in state.items() if value.dtype.kind != "f"]:
            raise ValueError(f"only floating-point arrays have a mean: {_listed(kinds)}")
        if wild := [name for name, value in state.items() if not np.isfinite(value).all()]:
            raise ValueError(f"the training that made it had diverged: values that are no numbers in {_listed(wild)}")
        if self._sums and (faults := self._differences(state)):
            raise ValueError(f"its arrays are not those of the files before it: {_listed(faults)}")
        for name, value in state.items():
            if name not in self._sums:
                self._sums[name] = np.zeros(value.shape, np.float64)
            self._sums[name] += weight * value.astype(np.float64)
        self._weight += weight

    def result(self) -> dict[str, np.ndarray]:
        """The mean of what was added, by name."""
        return {name: (total / self._weight).astype(np.float32) for name, total in self._sums.items()}

    def _differences(self, state: Mapping[str, np.ndarray]) -> list[str]:
        faults = [f"missing: {name}" for name in self._sums if name not in state]
        faults += [f"unexpected: {name}" for name in state if name not in self._sums]
        return faults + [
            f"{name} is {list(value.shape)} instead of {list(self._sums[name].shape)}"
            for name, value in state.items()
            if name in self._sums and value.shape != self._sums[name].shape
        ]


def _listed(faults: list[str]) -> str:
    more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
    return "; ".join(faults[:10]) + more
