"""The sections EMA and SWA: which models are averaged, and at which learning rate those of SWA are trained."""

from __future__ import annotations

from dataclasses import dataclass

from paddlevideo.solver.averaging import EqualAverage, ExponentialAverage
from paddlevideo.solver.lr import Progress


@dataclass(frozen=True)
class EMASection:
    """EMA: an exponential average of the model after every optimizer step, see `ExponentialAverage`.

    Attributes:
        decay: 0.9999 averages over about the last 10,000 steps; shorter trainings want less.
        warmup: a smaller decay at first.
        start_epoch: epochs trained before it begins.
    """

    decay: float = 0.9999
    warmup: bool = True
    start_epoch: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay={self.decay} is outside 0 <= decay < 1")
        if self.start_epoch < 0:
            raise ValueError(f"start_epoch={self.start_epoch} is negative")

    def build(self) -> ExponentialAverage:
        """The average, still empty."""
        return ExponentialAverage(self.decay, self.warmup)

    def check(self, epochs: int) -> None:
        """Raises ValueError when it would never begin in a training of so many epochs."""
        if self.start_epoch >= epochs:
            raise ValueError(f"EMA.start_epoch={self.start_epoch}, but there are only {epochs} epochs")

    def active(self, epoch: int) -> bool:
        """Whether the steps of this zero-based epoch are averaged."""
        return epoch >= self.start_epoch


@dataclass(frozen=True)
class CyclicRate:
    """`{high: 0.05, low: 0.0005}`: from high to low in a line, again and again; each cycle ends with a sample."""

    high: float
    low: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise ValueError(f"high={self.high} and low={self.low} must be 0 <= low <= high")


@dataclass(frozen=True)
class SWASection:
    """SWA: the mean of models from the last epochs, `interval` epochs apart, the last model among them.

    Izmailov et al., 2018, algorithm 1, but for one thing: the model that the phase begins with is not among those
    averaged, so that every one has been trained at the phase's rate.

    Attributes:
        epochs: length of the phase at the end of the training, a multiple of `interval`.
        learning_rate: in these epochs; a number, a `CyclicRate` with cycles of `interval` epochs, or null for what
            OPTIMIZER's schedule says.
        interval: epochs from one averaged model to the next.
    """

    epochs: int
    learning_rate: float | CyclicRate | None = None
    interval: int = 1

    def __post_init__(self) -> None:
        if self.interval < 1 or self.epochs < 1 or self.epochs % self.interval:
            raise ValueError(f"epochs={self.epochs} must be a multiple of interval={self.interval}, both 1 or more")
        if isinstance(self.learning_rate, (int, float)) and self.learning_rate < 0:
            raise ValueError(f"learning_rate={self.learning_rate} is negative")

    def build(self) -> EqualAverage:
        """The average, still empty."""
        return EqualAverage()

    def check(self, epochs: int) -> None:
        """Raises ValueError when a training of so many epochs is shorter than the phase."""
        if self.epochs > epochs:
            raise ValueError(f"SWA.epochs={self.epochs}, but there are only {epochs} epochs")

    def samples(self, epoch: int, epochs: int) -> bool:
        """Whether the model after this zero-based epoch, of `epochs`, is one of those averaged."""
        done = epoch + 1 - (epochs - self.epochs)
        return done > 0 and done % self.interval == 0

    def lr(self, progress: Progress, epochs: int) -> float | None:
        """The learning rate of the step at `progress` in a training of `epochs`; None: OPTIMIZER's.

        Cyclic (the paper's section 3.1, i counting the phase's steps from 1, c those of a cycle): (1 - t) high + t low
        with t = (mod(i - 1, c) + 1) / c. Neither end is left out: the last step of a cycle is at `low`.
        """
        if self.learning_rate is None or progress.epoch < epochs - self.epochs:
            return None
        if not isinstance(self.learning_rate, CyclicRate):
            return self.learning_rate
        steps = progress.iteration - (epochs - self.epochs) * progress.steps_per_epoch  # i - 1
        cycle = self.interval * progress.steps_per_epoch
        t = (steps % cycle + 1) / cycle
        return (1 - t) * self.learning_rate.high + t * self.learning_rate.low
