"""Rates for another global batch: who asks, what is said, and every schedule in proportion."""

import pytest

from paddlevideo.registry import OPTIMIZERS, SCHEDULES
from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.solver.lr import MultiStepDecay
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.utils.errors import UserError


def section(base: int | None = None, own: int | None = None) -> Optimizer:
    return OPTIMIZERS.get("Momentum")(
        learning_rate=MultiStepDecay(0.02, [20], base_batch_size=own), base_batch_size=base
    )


SCALED = "learning rate scaled by 0.125: global batch 16, the recipe's is 128"
ADVICE = (
    "the learning rates are the recipe's, for a global batch of 128; this run's is 16, for which --scale-lr would "
    "scale them by 0.125"
)


@pytest.mark.parametrize(
    ("base", "own", "asked", "expected"),
    [
        (128, None, True, (0.125, SCALED)),
        (128, None, False, (1.0, ADVICE)),
        (None, 128, False, (0.125, SCALED)),
        (None, 128, True, (0.125, SCALED)),
        (128, 128, False, (0.125, SCALED)),
        (16, None, True, (1.0, "")),
        (16, None, False, (1.0, "")),
        (None, None, False, (1.0, "")),
    ],
)
def test_factor_and_line(base: int | None, own: int | None, asked: bool, expected: tuple[float, str]) -> None:
    assert rate_scale(section(base, own), 16, asked) == expected


def test_a_constant_rate_scales_too() -> None:
    constant = OPTIMIZERS.get("SGD")(learning_rate=0.1, base_batch_size=64)
    assert rate_scale(constant, 256, True) == (4.0, "learning rate scaled by 4: global batch 256, the recipe's is 64")


def test_nothing_to_scale_from_is_a_mistake() -> None:
    with pytest.raises(
        UserError, match=r"--scale-lr: the config does not say how many clips a step .* OPTIMIZER\.base_b"
    ):
        rate_scale(section(), 16, asked=True)


def test_senseless_bases_are_refused() -> None:
    with pytest.raises(ValueError, match="base_batch_size=0 must be 1 or more"):
        section(base=0)
    with pytest.raises(ValueError, match="base_batch_size=-1 must be 1 or more"):
        section(own=-1)
    with pytest.raises(ValueError, match=r"base_batch_size=64, but learning_rate\.base_batch_size=128"):
        section(64, 128)
    with pytest.raises(ValueError, match="belongs to LinearWarmup itself"):
        SCHEDULES.get("LinearWarmup")(section(own=8).learning_rate, 2, 0.0, 0.1)
