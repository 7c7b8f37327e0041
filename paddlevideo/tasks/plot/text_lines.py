"""Logs for people: ours (`tasks.meter`), and PaddleVideo's (its `utils/record.py`), the same but for colours."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from paddlevideo.tasks.plot.row import STEP, Row, of_epoch

COLOUR = re.compile(r"\x1b\[[0-9;]*m")
INSIDE = re.compile(r"epoch:\[ *(\d{1,9})/\d+ *\] train step:(\d{1,9})\b(.*)")
AFTER = re.compile(r"END epoch:(\d{1,9}) +(\w+) (.*)")
# Not what goes on as a time (eta: 0:01:02).
VALUE = re.compile(r"([A-Za-z_]\w*): +(nan|[-+]?inf|[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)(?![\d:.])( %)?", re.IGNORECASE)
LOADER = re.compile(r"\btrain: \d+ clips, (\d{1,9}) batches of \d+")
BEGUN = re.compile(r"Training in (fp32|amp) mode|\btrain: \d+ clips|Resume from checkpoint|epoch:\[")
NEVER = 2**31  # the end of an epoch whose length is not known yet


def parse(text: str) -> Iterator[Row]:
    """The rows of steps, epochs and validations of the last run in it: such files are appended to.

    A last line without its end is left out, for its numbers may be cut. These logs do not say how many batches an epoch
    has; that is inferred, see `_batches`.
    """
    lines = COLOUR.sub("", text).split("\n")[:-1]
    rows = [row for line in lines if (row := _row(line)) is not None]
    starts = [number for number, row in enumerate(rows) if row.kind == STEP and row.place == (1, 1)]
    rows = rows[starts[-1] if starts else 0 :]
    loaded = [int(found[1]) for line in lines if (found := LOADER.search(line))]
    batches = _batches(rows, loaded[-1] if loaded else 0)
    for row in rows:
        yield replace(row, batches=batches, step=batches if row.step == NEVER else row.step)


def is_log(text: str) -> bool:
    """Whether any line is one of a training."""
    return BEGUN.search(COLOUR.sub("", text)) is not None


def _row(line: str) -> Row | None:
    """A line's row, but for the length of its epoch."""
    if found := INSIDE.search(line):
        kind, step = STEP, int(found[2]) + 1
    elif (found := AFTER.search(line)) and of_epoch(found[2]):
        kind, step = found[2], NEVER
    else:
        return None
    epoch = int(found[1])
    return Row(kind, epoch, step, NEVER, _values(found[3])) if epoch else None


def _values(text: str) -> dict[str, float]:
    """The figures of a line under the names that metrics.jsonl has for them."""
    values = {}
    for name, number, percent in VALUE.findall(text):
        value = float(number) / (100 if percent else 1)
        values[name.removesuffix("_avg").removeprefix("avg_")] = value if math.isfinite(value) else math.nan
    if "data_wait" not in values and values.get("batch_cost", 0) > 0:  # PaddleVideo does not print it
        values["data_wait"] = values.get("reader_cost", math.nan) / values["batch_cost"]
    return values


def _batches(rows: list[Row], loaded: int) -> int:
    """Batches an epoch.

    Of an epoch that was finished: its clips, avg_ips x batch_cost_sum, by those of a batch, ips x batch_cost. Else what
    the loader said it has (`loaded`). Both can be a little off, and steps are logged at even distances: no epoch is
    shorter than the last step that was logged, and a finished one ends before the next would have been. Where nothing
    else is known, it is taken to end there.
    """
    steps = [row for row in rows if row.kind == STEP]
    last = max((row.step for row in steps), default=1)
    gaps = [b.step - a.step for a, b in pairwise(steps) if a.epoch == b.epoch and b.step > a.step]
    most = last + max(gaps, default=1) - 1
    sizes = sorted(_product(row, "ips", "batch_cost") for row in steps)
    size = sizes[len(sizes) // 2] if sizes else 0.0
    clips = [_product(row, "ips", "batch_cost_sum") for row in rows if row.kind == "train"]
    if clips and size > 0:
        counted = round(max(clips) / size)
        return max(last, min(counted, most) if gaps else counted)
    return max(last, loaded or most)


def _product(row: Row, one: str, other: str) -> float:
    found = row.values.get(one, 0.0) * row.values.get(other, 0.0)
    return found if math.isfinite(found) else 0.0
