"""The averages of a training run's weights, EMA and SWA: when they take the model in, and what they are good for."""

from __future__ import annotations

from typing import Any

from paddlevideo.solver.averaging import Average, EqualAverage, ExponentialAverage
from paddlevideo.solver.lr import Progress
from paddlevideo.tasks.schema import RootSection


class Averages:
    """The averages that a config asks for.

    Attributes:
        ema, swa: each None where the config has no such section.
    """

    def __init__(self, cfg: RootSection) -> None:
        self._cfg = cfg
        self.ema: ExponentialAverage | None = cfg.EMA.build() if cfg.EMA else None
        self.swa: EqualAverage | None = cfg.SWA.build() if cfg.SWA else None

    def by_kind(self) -> dict[str, Average]:
        """ "ema" and "swa", those there are."""
        pairs: dict[str, Average | None] = {"ema": self.ema, "swa": self.swa}
        return {kind: average for kind, average in pairs.items() if average is not None}

    def lr(self, progress: Progress) -> float | None:
        """The learning rate in SWA's epochs, where it has one of its own."""
        return None if self._cfg.SWA is None else self._cfg.SWA.lr(progress, self._cfg.epochs)

    def after_step(self, epoch: int, model: Any) -> None:
        """Takes in the weights of an optimizer step, `epoch` counting from 0."""
        if self._cfg.EMA is not None and self.ema is not None and self._cfg.EMA.active(epoch):
            self.ema.update(model)

    def after_epoch(self, epoch: int, model: Any) -> None:
        """Takes in the weights of an epoch, zero-based."""
        if self._cfg.SWA is not None and self.swa is not None and self._cfg.SWA.samples(epoch, self._cfg.epochs):
            self.swa.update(model)
