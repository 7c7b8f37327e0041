"""When a training run saves, and what."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from paddlevideo.modeling import students, weights
from paddlevideo.tasks import checkpoint
from paddlevideo.tasks.checkpoint import NotFiniteError, Parts, TrainState
from paddlevideo.tasks.checkpoint_files import Checkpoints
from paddlevideo.tasks.finite import DivergedError
from paddlevideo.tasks.schema import SaveIntervalSection
from paddlevideo.utils import dist, log
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


class Saver:
    """Writes the checkpoints of a run. Rank 0 alone writes, but for errors, which only the rank that meets them knows.

    The weights are equal on all ranks after a step.

    Args:
        every: the config's save_interval.
        card: see `card.make_card`.
        settle: called before anything is written: brings `state` up to date, and raises DivergedError where the
            weights are worth nothing.
    """

    def __init__(
        self,
        every: SaveIntervalSection,
        checkpoints: Checkpoints,
        parts: Parts,
        state: TrainState,
        card: Mapping[str, Any],
        settle: Callable[[], None],
    ) -> None:
        self.every, self.checkpoints, self.parts, self.state, self.card = every, checkpoints, parts, state, card
        self._settle = settle
        self._saved = (state.epoch, state.step)  # where a resume could start from
        self._clock = time.monotonic()
        if dist.rank() == 0:
            checkpoints.sweep()
            checkpoints.forget_after(state)

    def after_step(self, iteration: int, steps: int) -> bool:
        """Saves inside the epoch where that is due, and says whether it was. `steps`: since this was last called."""
        every = self.every
        if every.iterations is not None and iteration // every.iterations != (iteration - steps) // every.iterations:
            self.inside("saved", dist.gather_objects(self._running_statistics()))
            return True
        if every.minutes is not None and dist.rank() == 0 and time.monotonic() - self._clock >= 60 * every.minutes:
            self.inside("saved")
            return True
        return False

    def times(self, epochs: range, batches: int) -> int:
        """How often these zero-based epochs of so many batches will be saved, what is due by the minute apart."""
        inside = len(epochs) * batches // self.every.iterations if self.every.iterations else 0
        return inside + sum(self.due_after(epoch, epoch == epochs[-1]) for epoch in epochs)

    def due_after(self, epoch: int, last: bool) -> bool:
        """Whether the zero-based epoch that ends is to be saved."""
        return last or (self.every.epochs is not None and epoch % self.every.epochs == 0)

    def inside(
        self, why: str, statistics: list[dict[str, np.ndarray]] | None = None, writes: bool | None = None
    ) -> None:
        """Saves inside an epoch.

        Args:
            statistics: running statistics of all ranks, where all are at hand: then a resume is exact for them too.
            writes: whether this rank does; None: if it is rank 0.
        """
        self._settle()
        prefix = self.checkpoints.inside(self.state)
        self._write(prefix, statistics, dist.rank() == 0 if writes is None else writes)
        logger.info(f"{why} in epoch {self.state.epoch + 1} after step {self.state.step}; saved {prefix}.pdparams")

    def after_epoch(self) -> None:
        """Saves between two epochs."""
        self._settle()
        self._write(self.checkpoints.epoch(self.state.epoch), None, dist.rank() == 0)

    def best(self) -> None:
        """Saves the model as the best one so far, and all a resume needs."""
        self._settle()
        if dist.rank() == 0:
            self._save(self.checkpoints.best(), None)
            if students.student_of(self.parts.model) is not self.parts.model:
                self.weights(self.checkpoints.best("student"), self.parts.model, {})

    def weights(self, prefix: Path, model: Any, figures: Mapping[str, float]) -> None:
        """Saves weights alone, of a distillation those of the student, with the validation figures they reached."""
        if dist.rank() == 0:
            arrays = weights.state_arrays(students.student_of(model))
            checkpoint.save_weights(prefix, arrays, {**self.card, "figures": dict(figures)})

    @contextlib.contextmanager
    def kept_on_error(self) -> Iterator[None]:
        """Keeps the finished steps when an error ends the run: an unreadable video, a worker that died, ..."""
        try:
            yield
        except (DivergedError, NotFiniteError):
            raise  # these weights are worth nothing
        except Exception as error:
            if dist.rank() > 0:
                said = f"error: {error}" if isinstance(error, UserError) else traceback.format_exc()
                log.tell_console(f"process {dist.rank()} ends: {said}")
            if (self.state.epoch, self.state.step) != self._saved:
                try:
                    self.inside("ended by an error", writes=True)
                    say_how_to_go_on()
                except UserError as problem:  # what ends the run is told all the same
                    logger.info(f"the finished steps could not be saved: {problem}")
                    if isinstance(problem, DivergedError) and not isinstance(error, UserError):
                        raise problem from error
            raise

    def _write(self, prefix: Path, statistics: list[dict[str, np.ndarray]] | None, writes: bool) -> None:
        if writes:
            self._save(prefix, dict(enumerate(statistics)) if statistics and dist.world_size() > 1 else None)
            self.checkpoints.rotate()
        self._saved, self._clock = (self.state.epoch, self.state.step), time.monotonic()

    def _save(self, prefix: Path, statistics: Mapping[int, Mapping[str, np.ndarray]] | None) -> None:
        checkpoint.save(prefix, self.parts, self.state, self.card, statistics)

    def _running_statistics(self) -> dict[str, np.ndarray]:
        if dist.world_size() == 1:
            return {}
        return {name: value.numpy() for name, value in checkpoint.running_statistics(self.parts)}


def say_how_to_go_on() -> None:
    """After a run has been saved before its end."""
    logger.info("continue with the same command and --resume auto")
