"""The figures of a training run: `metrics.jsonl` beside its log, and VisualDL, which shows the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddlevideo.loader.batch import Batch
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks.browse import clips
from paddlevideo.tasks.checkpoint import TrainState
from paddlevideo.tasks.meter import Meter
from paddlevideo.tasks.metrics_log import NAME, MetricsLog
from paddlevideo.tasks.scalars import Scalars
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist


class Record:
    """Rank 0 writes; on other ranks it does nothing.

    Args:
        batches: of an epoch.
        state: where the run goes on; what was written beyond that, by a run that was killed later, is taken back.
            None: a new run.
    """

    def __init__(self, cfg: RootSection, batches: int, card: Mapping[str, Any], state: TrainState | None) -> None:
        path = cfg.output / NAME if dist.rank() == 0 else None
        self._log = MetricsLog(path)
        iteration = state.epoch * batches + state.step if state else -1
        self._log.rewind(iteration, state.epoch if state else 0)
        self._scalars = Scalars(cfg.log_dir if path else None, cfg.model_name, _rows(path))
        self._scalars.about(card)
        self._shown = False
        self._epochs, self.batches = cfg.epochs, batches
        self._log.add("resume" if state else "start", iteration=max(0, iteration), **card["versions"])

    def add(self, kind: str, **values: Any) -> None:
        """Adds a row of `metrics.jsonl`."""
        self._log.add(kind, **values)
        self._scalars.add({"kind": kind, **values})

    def figures(
        self, kind: str, epoch: int, batches: int, figures: Mapping[str, float], cost: Meter, **more: Any
    ) -> None:
        """Adds the figures of a zero-based epoch of which so many batches are done."""
        iteration = epoch * self.batches + batches
        places = {"epoch": epoch + 1, "epochs": self._epochs, "iteration": iteration, "batches": self.batches}
        self.add(kind, **places, **more, **figures, **cost.rates())

    def best(self, epoch: int, name: str, value: float, of: str) -> None:
        """Adds that the model, or one of its averages, is the best so far after a zero-based epoch."""
        iteration = (epoch + 1) * self.batches
        self.add("best", epoch=epoch + 1, iteration=iteration, figure=name, value=value, of=of)

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
