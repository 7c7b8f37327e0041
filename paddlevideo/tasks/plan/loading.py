"""What the data of a split says to a plan: how many clips there are, and how fast they are prepared."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.tasks.benchmark import data
from paddlevideo.tasks.run import build_loader
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.utils.errors import UserError

CLIPS = 16  # that are prepared, from the beginning of the list
SEED = 1234


@dataclass(frozen=True)
class Loading:
    """The data of a split.

    Attributes:
        clips: in its list; None where that cannot be read.
        rate: clips a second that one process's loader gives with its workers, nothing else running; None where the
            clips cannot be read.
        why: what is missing, where something is.
    """

    clips: int | None
    rate: float | None
    why: str = ""


def look(cfg: RootSection, config: str, split: Split) -> Loading:
    """Reads the list of a split, and prepares some of its clips."""
    try:
        with build_loader(cfg, split, SEED) as loader:
            clips = len(loader.dataset)
    except UserError as mistake:
        return Loading(None, None, str(mistake).splitlines()[0])
    try:
        with tempfile.TemporaryDirectory() as scratch:
            case = data.case_of(cfg, config, split, [], CLIPS, Path(scratch), SEED)
            return Loading(clips, rate(case, cfg.DATASET.workers_of(split)))
    except (UserError, Unreadable) as mistake:
        return Loading(clips, None, str(mistake).splitlines()[0])


def rate(case: data.Case, workers: int) -> float:
    """Clips a second, of those that can be read.

    Raises:
        UserError: none can; or one cannot, where that is an error.
    """
    with case.loader(0) as loader:
        begin = perf_counter()
        done = sum(len(batch["label"]) for batch in loader.epoch(0))
        seconds = perf_counter() - begin
        if not done:
            first = loader.failures[0]
            raise UserError(f"{first.path}: {first.reason}")
    return data.with_workers(case, workers, rounds=2) if workers else done / seconds
