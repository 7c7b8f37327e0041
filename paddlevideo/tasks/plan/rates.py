"""The learning rates of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.solver.lr import Progress, Schedule
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.tasks.plan.batches import Choice

PLACES = 20  # in an epoch, where the rate is looked at


@dataclass(frozen=True)
class Rates:
    """What becomes of the learning rates.

    Attributes:
        factor: what they are multiplied by.
        asked: --scale-lr is needed for that.
        base: OPTIMIZER.base_batch_size to be given with it, where the config has none.
        peak: the highest rate of the run, multiplied already.
    """

    factor: float
    asked: bool
    base: int | None
    peak: float


def base_of(section: Optimizer) -> int | None:
    """The global batch that the config says its rates are for."""
    own = section.learning_rate.base_batch_size if isinstance(section.learning_rate, Schedule) else None
    return own or section.base_batch_size


def rates(section: Optimizer, choice: Choice, wanted: int, epochs: int, batches: int) -> Rates:
    """The rates in proportion to the global batch.

    Args:
        wanted: the global batch that the recipe's rates are for where the config does not say it.
        batches: of an epoch on one process.
    """
    known = base_of(section)
    factor = choice.together / (known or wanted)
    asked = factor != rate_scale(section, choice.together, asked=False).factor
    return Rates(
        factor=factor,
        asked=asked,
        base=wanted if asked and known is None else None,
        peak=factor * max(section.lr(place) for place in places(epochs, batches)),
    )


def places(epochs: int, batches: int) -> list[Progress]:
    """A few steps of each epoch, the first among them."""
    steps = range(0, batches, max(1, batches // PLACES))
    return [Progress(epoch, step, batches) for epoch in range(epochs) for step in steps]


def counts_batches(section: Optimizer, epochs: int, one: int, other: int) -> bool:
    """Whether the rate of an epoch depends on how many batches, `one` or `other`, the epochs before it had."""
    first, second = ([section.lr(Progress(epoch, 0, batches)) for epoch in range(epochs)] for batches in (one, other))
    return not all(isclose(left, right, rel_tol=1e-6) for left, right in zip(first, second))
