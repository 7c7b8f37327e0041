"""Learning rates for another global batch than the recipe's, in proportion (Goyal et al., arXiv:1706.02677, 2.1)."""

from __future__ import annotations

from typing import NamedTuple

from paddlevideo.solver.lr import Schedule
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.utils.errors import UserError


class RateScale(NamedTuple):
    """What all rates of a run are multiplied by, and the line that says or advises so; "" where all is as written."""

    factor: float
    line: str = ""


def rate_scale(section: Optimizer, global_batch: int, asked: bool) -> RateScale:
    """The factor for a run whose optimizer steps see `global_batch` clips.

    `learning_rate.base_batch_size` always scales. `base_batch_size` of the section only says what the recipe's rates
    are for; they are scaled when that is asked for.

    Raises:
        UserError: it was asked for, and the config does not say which batch its rates are for.
    """
    schedule = section.learning_rate
    always = schedule.base_batch_size if isinstance(schedule, Schedule) else None
    base = always or section.base_batch_size
    if base is None:
        if asked:
            raise UserError(
                "--scale-lr: the config does not say how many clips a step its learning rates are for; set "
                "OPTIMIZER.base_batch_size to that number"
            )
        return RateScale(1.0)
    factor = global_batch / base
    if factor == 1:
        return RateScale(1.0)
    if always or asked:
        return RateScale(
            factor, f"learning rate scaled by {factor:g}: global batch {global_batch}, the recipe's is {base}"
        )
    return RateScale(
        1.0,
        f"the learning rates are the recipe's, for a global batch of {base}; this run's is {global_batch}, for which "
        f"--scale-lr would scale them by {factor:g}",
    )
