"""The weights with which the golden figures were made: every parameter filled from its own name."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Any]:
    """tests/golden/<name>.json."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def fill(params: dict[str, list[int]]) -> dict[str, np.ndarray]:
    """name -> shape to name -> float32 array, for Paddle's names and shapes."""
    return {name: _filled(name, shape) for name, shape in params.items()}


def golden_input(record: dict[str, Any]) -> np.ndarray:
    """The frames a golden record was made with."""
    return np.random.RandomState(record["input_seed"]).normal(size=record["input_shape"]).astype("float32")


def _filled(name: str, shape: list[int]) -> np.ndarray:
    rng = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    if name.endswith("_variance"):
        return rng.uniform(0.5, 1.5, shape).astype("float32")
    if name.endswith("_mean"):
        return rng.normal(0, 0.1, shape).astype("float32")
    if len(shape) == 1:
        return rng.normal(1 if name.endswith("weight") else 0, 0.1, shape).astype("float32")
    fan_in = {4: np.prod(shape[1:]), 3: 2500, 2: shape[0]}[len(shape)]
    return rng.normal(0, np.sqrt(1 / fan_in), shape).astype("float32")
