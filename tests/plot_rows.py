"""Lines of a training for the tests of `paddlevideo plot`."""

import math
from pathlib import Path

from paddlevideo.tasks.metrics_log import MetricsLog
from paddlevideo.tasks.plot.row import STEP, Row

NAN = math.nan


def step(epoch: int, done: int, loss: float = 1.0, batches: int = 10, **values: float) -> Row:
    return Row(STEP, epoch, done, batches, {"loss": loss, **values})


def ended(kind: str, epoch: int, batches: int = 10, **values: float) -> Row:
    return Row(kind, epoch, batches, batches, values)


def json_log(path: Path, rows: list[Row]) -> Path:
    """What the trainer would have written."""
    log = MetricsLog(path)
    log.add("start", seed=1)
    for row in rows:
        place = {"epoch": row.epoch, "epochs": 9, "iteration": (row.epoch - 1) * row.batches + row.step}
        place |= {"step": row.step} if row.kind == STEP else {}
        log.add(row.kind, **place, batches=row.batches, **row.values)
    log.add("end")
    log.close()
    return path


ROWS = [
    step(1, 1, 2.0, lr=0.1),
    step(1, 6, NAN, lr=0.1),
    ended("train", 1, loss=1.5, top1=0.25),
    ended("val", 1, loss=1.25, top1=0.5),
    ended("val_ema", 1, loss=1.0, top1=0.75),
    step(2, 1, 1.0, lr=0.2),
    Row("val", 2, 5, 10, {"loss": 1.125, "top1": 0.25}),
]
