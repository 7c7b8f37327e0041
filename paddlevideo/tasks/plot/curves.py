"""Curves made fit for drawing: smoothed, and with no more points than can be seen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

POINTS = 1000  # of a smoothed curve


def smoothed(x: np.ndarray, y: np.ndarray, width: float, points: int = POINTS) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the finite values within `width` around a place, half of it on either side, so that nothing lags.

    Args:
        x: [N] ascending.
        y: [N]; what is not finite is a gap where it fills the whole width.
        width: in units of x; 0 leaves the curve as it is.
        points: places to compute it at, at most, spread evenly over the N.
    Returns:
        The places and the means there, [min(N, points)] each.
    """
    at = np.linspace(0, len(x) - 1, min(len(x), points)).round().astype(int)
    left = np.searchsorted(x, x[at] - width / 2, side="left")
    right = np.searchsorted(x, x[at] + width / 2, side="right")
    return x[at], np.array([_mean(y[begin:end]) for begin, end in zip(left, right)])


def _mean(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")


def thinned(y: np.ndarray, groups: int = POINTS) -> np.ndarray:
    """Which points to draw so that the picture stays the same: of each of `groups` equal stretches the first, lowest,
    highest and last, and the first that is not finite (Jugel et al., "M4", VLDB 2014, section 4).

    Returns: ascending indices; all N where there are no more than 4 in a group.
    """
    if len(y) <= 4 * groups:
        return np.arange(len(y))
    edges = np.linspace(0, len(y), groups + 1).round().astype(int)
    kept: set[int] = set()
    for begin, end in pairwise(edges.tolist()):
        part = y[begin:end]
        finite = np.flatnonzero(np.isfinite(part))
        kept |= {begin, end - 1}
        if len(finite):
            kept |= {begin + int(finite[part[finite].argmin()]), begin + int(finite[part[finite].argmax()])}
        if len(finite) < len(part):
            kept.add(begin + int(np.flatnonzero(~np.isfinite(part))[0]))
    return np.array(sorted(kept))
