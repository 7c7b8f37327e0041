"""The figures of a training run: `metrics.jsonl` beside its log, and VisualDL, which shows the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddlevideo.loader.batch import Batch
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks.browse import clips
from paddlevideo.tasks.metrics_log import NAME, MetricsLog
from paddlevideo.tasks.scalars import Scalars
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist


class Record:
    """Rank 0 writes; on other ranks it does nothing.

    Args:
        iteration: batches that the run has been trained on, where it goes on; what was written beyond that, by a run
            that was killed later, is taken back. None: a new run.
    """

    def __init__(self, cfg: RootSection, card: Mapping[str, Any], iteration: int | None) -> None:
        path = cfg.output / NAME if dist.rank() == 0 else None
        self._log = MetricsLog(path)
        self._log.rewind(-1 if iteration is None else iteration)
        self._scalars = Scalars(cfg.log_dir if path else None, cfg.model_name, _rows(path))
        self._scalars.about(card)
        self._shown = False
        self._log.add("start" if iteration is None else "resume", iteration=iteration or 0, **card["versions"])

    def add(self, kind: str, **values: Any) -> None:
        """Adds a row of `metrics.jsonl`."""
        self._log.add(kind, **values)
        self._scalars.add({"kind": kind, **values})

    def first_batch(self, batch: Batch, pipeline: Pipeline) -> None:
        """Shows what the first clips look like to the model, once."""
        if self._shown or not self._scalars.active:
            return
        self._shown = True
        shown = list(clips.rows(batch, pipeline))
        names = [f"{Path(one.path).name} {' '.join(map(str, one.labels))}" for one in shown]
        self._scalars.clips([one.frames[0] for one in shown], names)  # of the first view

    def close(self) -> None:
        """Writes out what is pending."""
        self._log.close()
        self._scalars.close()


def _rows(path: Path | None) -> Iterator[dict[str, Any]]:
    if path is not None and path.exists():
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
