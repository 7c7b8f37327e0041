"""Learning rate schedules: pure functions of how far the run has come.

`iter_step: True` in a configuration means that the rate changes at every step, otherwise it stays for an epoch.
Schedules told in epochs then see a fraction of an epoch; those told in counts (Paddle's own) count steps, not epochs.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated

from paddlevideo.registry import SCHEDULES


@dataclass(frozen=True)
class Progress:
    """The step about to be taken.

    Attributes:
        epoch: whole epochs done, from 0.
        step: steps done in this epoch, from 0.
        steps_per_epoch: 1 or more.
    """

    epoch: int
    step: int
    steps_per_epoch: int

    @property
    def fraction(self) -> float:
        """Epochs done, with their part: 2.5 is the middle of the third epoch."""
        return self.epoch + self.step / self.steps_per_epoch

    @property
    def iteration(self) -> int:
        """Steps done since the start of the run."""
        return self.epoch * self.steps_per_epoch + self.step


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A learning rate for every step: `schedule(progress) -> float`.

    Attributes:
        iter_step: see above.
        base_batch_size: clips a step that the rates are for; training scales them all to the clips there are.
    """

    iter_step: bool = False
    base_batch_size: int | None = None

    def __post_init__(self) -> None:
        if self.base_batch_size is not None and self.base_batch_size < 1:
            raise ValueError(f"base_batch_size={self.base_batch_size} must be 1 or more")

    def __call__(self, progress: Progress) -> float:
        """The learning rate of the step at `progress`."""
        raise NotImplementedError

    def epochs(self, progress: Progress) -> float:
        """Epochs done: with their fraction if the rate changes at every step, whole ones otherwise."""
        return progress.fraction if self.iter_step else progress.epoch

    def count(self, progress: Progress) -> int:
        """Steps done if the rate changes at every step, epochs otherwise."""
        return progress.iteration if self.iter_step else progress.epoch


@SCHEDULES.register
@dataclass(frozen=True)
class PiecewiseDecay(Schedule):
    """`values[i]` from `boundaries[i - 1]` on; one value more than there are boundaries, which increase."""

    boundaries: list[int]
    values: list[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_increasing("boundaries", self.boundaries)
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(f"values={self.values} must be one more than boundaries={self.boundaries}")

    def __call__(self, progress: Progress) -> float:
        return self.values[bisect_right(self.boundaries, self.count(progress))]


@SCHEDULES.register
@dataclass(frozen=True)
class CustomPiecewiseDecay(PiecewiseDecay):
    """PaddleVideo's name for a `PiecewiseDecay` that may be used with `iter_step`."""


@SCHEDULES.register
@dataclass(frozen=True)
class MultiStepDecay(Schedule):
    """`learning_rate` times `gamma` for every milestone passed."""

    learning_rate: float
    milestones: list[int]
    gamma: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_increasing("milestones", self.milestones)

    def __call__(self, progress: Progress) -> float:
        return self.learning_rate * self.gamma ** bisect_right(self.milestones, self.count(progress))


@SCHEDULES.register
@dataclass(frozen=True)
class CustomWarmupCosineDecay(Schedule):
    """A linear rise over `warmup_epochs` into a cosine from `cosine_base_lr` at epoch 0 to 0 at `max_epoch`.

    The cosine is not moved by the warm-up: the rise ends on it (as in SlowFast's `lr_policy.py`).
    """

    warmup_start_lr: float
    warmup_epochs: float
    cosine_base_lr: float
    max_epoch: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_max_epoch(self.max_epoch)

    def __call__(self, progress: Progress) -> float:
        epochs = self.epochs(progress)
        if epochs < self.warmup_epochs:
            end = self._cosine(self.warmup_epochs)
            return self.warmup_start_lr + epochs * (end - self.warmup_start_lr) / self.warmup_epochs
        return self._cosine(epochs)

    def _cosine(self, epochs: float) -> float:
        return self.cosine_base_lr * (1 + math.cos(math.pi * epochs / self.max_epoch)) / 2


@SCHEDULES.register
@dataclass(frozen=True)
class CustomWarmupPiecewiseDecay(Schedule):
    """`lrs[i] * step_base_lr` from epoch `steps[i]` on, after a linear rise over `warmup_epochs`.

    `steps` begins with 0. `gamma` and `max_epoch` are in PaddleVideo's files and change nothing.
    """

    warmup_start_lr: float
    warmup_epochs: float
    step_base_lr: float
    lrs: list[float]
    gamma: float
    steps: list[int]
    max_epoch: int

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_increasing("steps", self.steps)
        if not self.steps or self.steps[0] != 0:
            raise ValueError(f"steps={self.steps} must begin with 0")
        if len(self.lrs) < len(self.steps):
            raise ValueError(f"lrs={self.lrs} must have one value for each of steps={self.steps}")

    def __call__(self, progress: Progress) -> float:
        epochs = self.epochs(progress)
        if epochs < self.warmup_epochs:
            end = self._piece(self.warmup_epochs)
            return self.warmup_start_lr + epochs * (end - self.warmup_start_lr) / self.warmup_epochs
        return self._piece(epochs)

    def _piece(self, epochs: float) -> float:
        return self.lrs[bisect_right(self.steps, epochs) - 1] * self.step_base_lr


@SCHEDULES.register
@dataclass(frozen=True)
class CustomWarmupCosineStepDecay(Schedule):
    """A cosine from `base_lr` to `min_lr` by whole epochs, times a linear factor `warmup_ratio` .. 1 in the warm-up.

    `warmup_iters` is in epochs, whatever its name says.
    """

    warmup_iters: float
    warmup_ratio: float = 0.1
    min_lr: float = 0.0
    base_lr: float = 3e-5
    max_epoch: int = 30

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_max_epoch(self.max_epoch)

    def __call__(self, progress: Progress) -> float:
        cosine = (1 + math.cos(math.pi * progress.epoch / self.max_epoch)) / 2
        lr = self.min_lr + (self.base_lr - self.min_lr) * cosine
        epochs = self.epochs(progress)
        if epochs < self.warmup_iters:
            lr *= 1 - (1 - epochs / self.warmup_iters) * (1 - self.warmup_ratio)
        return lr


@SCHEDULES.register
@dataclass(frozen=True)
class CustomWarmupAdjustDecay(Schedule):
    """`step_base_lr * (e + 1) / warmup_epochs` in the warm-up, then times `lr_decay_rate` for every boundary passed."""

    step_base_lr: float
    warmup_epochs: float
    lr_decay_rate: float
    boundaries: list[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_increasing("boundaries", self.boundaries)

    def __call__(self, progress: Progress) -> float:
        epochs = self.epochs(progress)
        if epochs < self.warmup_epochs:
            return self.step_base_lr * (epochs + 1) / self.warmup_epochs
        return self.step_base_lr * self.lr_decay_rate ** bisect_right(self.boundaries, epochs)


@SCHEDULES.register
@dataclass(frozen=True)
class OneCycle(Schedule):
    """One rise and one fall, both half a cosine (Smith, Topin, "Super-Convergence", 2018).

    Attributes:
        max_learning_rate: the peak.
        max_epoch: length of the run.
        warmup_fraction: share of the run spent rising, 0..1.
        start_factor, end_factor: first and last rate, relative to the peak.
    """

    max_learning_rate: float
    max_epoch: int
    warmup_fraction: float = 0.3
    start_factor: float = 0.04
    end_factor: float = 1e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_max_epoch(self.max_epoch)
        if not 0 <= self.warmup_fraction <= 1:
            raise ValueError(f"warmup_fraction={self.warmup_fraction} is outside 0..1")

    def __call__(self, progress: Progress) -> float:
        done = min(self.epochs(progress) / self.max_epoch, 1.0)
        if done < self.warmup_fraction:
            factor = _half_cosine(self.start_factor, 1.0, done / self.warmup_fraction)
        elif self.warmup_fraction == 1:
            factor = 1.0
        else:
            factor = _half_cosine(1.0, self.end_factor, (done - self.warmup_fraction) / (1 - self.warmup_fraction))
        return self.max_learning_rate * factor


@SCHEDULES.register
@dataclass(frozen=True)
class LinearLR(Schedule):
    """`learning_rate` times a factor that goes from `start_factor` to `end_factor` in `total_steps` and stays there."""

    learning_rate: float
    total_steps: int
    start_factor: float = 1 / 3
    end_factor: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.total_steps < 1:
            raise ValueError(f"total_steps={self.total_steps} must be 1 or more")

    def __call__(self, progress: Progress) -> float:
        done = min(self.count(progress) / self.total_steps, 1.0)
        return self.learning_rate * (self.start_factor + (self.end_factor - self.start_factor) * done)


@SCHEDULES.register
@dataclass(frozen=True)
class LinearWarmup(Schedule):
    """From `start_lr` to `end_lr` in `warmup_steps`, then `learning_rate`: a number, or a schedule that starts there.

    Both count the same thing: epochs, or steps with `iter_step`.
    """

    learning_rate: float | Annotated[Schedule, SCHEDULES]
    warmup_steps: int
    start_lr: float
    end_lr: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.learning_rate, Schedule) and self.learning_rate.base_batch_size is not None:
            raise ValueError("base_batch_size belongs to LinearWarmup itself, whose rates it scales too")

    def __call__(self, progress: Progress) -> float:
        count = self.count(progress)
        if count < self.warmup_steps:
            return self.start_lr + (self.end_lr - self.start_lr) * count / self.warmup_steps
        if not isinstance(self.learning_rate, Schedule):
            return self.learning_rate
        later = count - self.warmup_steps
        epoch, step = divmod(later, progress.steps_per_epoch) if self.iter_step else (later, 0)
        schedule = replace(self.learning_rate, iter_step=self.iter_step)
        return schedule(Progress(epoch, step, progress.steps_per_epoch))


def _half_cosine(start: float, end: float, done: float) -> float:
    """From `start` to `end` as `done` goes from 0 to 1, level at both ends."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def _check_increasing(name: str, values: list[int]) -> None:
    if any(a >= b for a, b in pairwise(values)):
        raise ValueError(f"{name}={values} must increase")


def _check_max_epoch(max_epoch: int) -> None:
    if max_epoch < 1:
        raise ValueError(f"max_epoch={max_epoch} must be 1 or more")
