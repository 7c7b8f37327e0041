"""Position and time embeddings for another grid or another number of frames than they were trained with.

Both rules are PaddleVideo's: a grid is zoomed linearly with its corners kept in place (scipy.ndimage.zoom, order 1),
times take the nearest earlier frame.
"""

from __future__ import annotations

import numpy as np


def linear_weights(old: int, new: int) -> np.ndarray:
    """[new, old] float64: row i mixes the two places around i * (old - 1) / (new - 1)."""
    places = np.arange(new) * ((old - 1) / (new - 1)) if new > 1 else np.zeros(1)
    left = np.minimum(places.astype(np.int64), max(old - 2, 0))  # the last place is reached from the one before it
    weights = np.zeros((new, old))
    weights[np.arange(new), left] = 1 - (places - left)
    weights[np.arange(new), np.minimum(left + 1, old - 1)] += places - left
    return weights


def grid_weights(old: tuple[int, int], new: tuple[int, int]) -> np.ndarray:
    """[h' * w', h * w] float64: turns the embeddings of a grid (h, w), row by row, into those of a grid (h', w')."""
    return np.kron(linear_weights(old[0], new[0]), linear_weights(old[1], new[1]))


def nearest_frames(old: int, new: int) -> np.ndarray:
    """[new] int64: the frame, of `old`, whose time embedding each of `new` frames takes."""
    return np.arange(new) * old // new
