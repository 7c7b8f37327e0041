"""Timing several things in turn, so that other work on the machine and a changing clock meet all of them."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter


def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round, after one round of warm-up. Every other round goes backwards."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(rounds + 1):
        for name in list(runs) if i % 2 else reversed(runs):
            started = perf_counter()
            runs[name]()
            seconds[name].append(perf_counter() - started)
    return {name: times[1:] for name, times in seconds.items()}
