"""metrics.jsonl, as `tasks.metrics_log` writes it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from paddlevideo.tasks.plot.row import STEP, Row, of_epoch

PLACE = {"epoch", "epochs", "step", "iteration", "batches"}


def parse(text: str) -> Iterator[Row]:
    """The rows of steps, epochs and validations. Other kinds, other values than numbers, damaged lines are left out."""
    for line in text.split("\n"):
        found = _object(line)
        kind = found.get("kind")
        if not isinstance(kind, str) or not (kind == STEP or of_epoch(kind)):
            continue
        epoch, batches = _count(found, "epoch"), _count(found, "batches")
        step = _count(found, "step") if kind == STEP else _inside(_count(found, "iteration"), batches)
        if epoch and batches and step:
            yield Row(kind, epoch, step, batches, _values(found))


def is_log(text: str) -> bool:
    """Whether any line is one of ours."""
    return any(isinstance(_object(line).get("kind"), str) for line in text.split("\n"))


def _object(line: str) -> dict[str, Any]:
    """The object of a line; an empty one where there is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _count(found: dict[str, Any], key: str) -> int:
    """A number of at least 1; 0 where there is none."""
    value = found.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _inside(iteration: int, batches: int) -> int:
    """Batches of the epoch done after so many of the run: all of them at its end, or where it does not say."""
    return (iteration - 1) % batches + 1 if iteration and batches else batches


def _values(found: dict[str, Any]) -> dict[str, float]:
    """The numbers of a line but for its place; null stands for one that is not finite."""
    values = {}
    for key, value in found.items():
        if key in PLACE:
            continue
        if value is None:
            values[key] = math.nan
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            values[key] = float(value) if abs(value) < 1e300 else math.nan
    return values
