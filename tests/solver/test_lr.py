"""Schedules, by tables and against Paddle's own schedulers."""

from __future__ import annotations

import inspect
import math
from typing import Any, get_type_hints

import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.registry import SCHEDULES
from paddlevideo.solver import lr
from paddlevideo.solver.lr import Progress

ARGUMENTS: dict[str, dict[str, Any]] = {
    "PiecewiseDecay": {"boundaries": [2, 5], "values": [0.1, 0.01, 0.001]},
    "MultiStepDecay": {"learning_rate": 0.5, "milestones": [3, 6], "gamma": 0.2},
    "LinearWarmup": {"learning_rate": 0.5, "warmup_steps": 4, "start_lr": 0.1, "end_lr": 0.5},
    "CosineAnnealingDecay": {"learning_rate": 0.5, "T_max": 7, "eta_min": 0.05},
    "CosineAnnealingWarmRestarts": {"learning_rate": 0.5, "T_0": 3, "T_mult": 2},
    "CyclicLR": {"base_learning_rate": 0.1, "max_learning_rate": 0.5, "step_size_up": 3, "step_size_down": 2},
    "ExponentialDecay": {"learning_rate": 0.5, "gamma": 0.9},
    "InverseTimeDecay": {"learning_rate": 0.5, "gamma": 0.1},
    "LinearLR": {"learning_rate": 0.5, "total_steps": 6},
    "NaturalExpDecay": {"learning_rate": 0.5, "gamma": 0.1},
    "NoamDecay": {"d_model": 16, "warmup_steps": 4},
    "OneCycleLR": {"max_learning_rate": 0.5, "total_steps": 12},
    "PolynomialDecay": {"learning_rate": 0.5, "decay_steps": 8, "power": 2.0},
    "StepDecay": {"learning_rate": 0.5, "step_size": 3, "gamma": 0.5},
}


def epoch(number: int) -> Progress:
    return Progress(number, 0, 4)


def table(schedule: lr.Schedule, epochs: int, steps: int = 1) -> list[float]:
    return [schedule(Progress(e, s, steps)) for e in range(epochs) for s in range(steps)]


def test_progress() -> None:
    at = Progress(epoch=2, step=3, steps_per_epoch=4)
    assert (at.fraction, at.iteration) == (2.75, 11)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
@pytest.mark.parametrize("iter_step", [False, True])
def test_agrees_with_paddle_stepped_one_by_one(name: str, iter_step: bool) -> None:
    scheduler = getattr(paddle.optimizer.lr, name)(**ARGUMENTS[name])
    schedule = SCHEDULES.get(name)(**ARGUMENTS[name], iter_step=iter_step)
    for count in range(12):
        progress = Progress(count // 3, count % 3, 3) if iter_step else Progress(count, 2, 3)
        assert schedule(progress) == pytest.approx(scheduler(), rel=1e-9), count
        scheduler.step()


def test_every_scheduler_of_paddle_is_known() -> None:
    theirs = {name for name, item in vars(paddle.optimizer.lr).items() if inspect.isclass(item)}
    theirs &= {item.__name__ for item in paddle.optimizer.lr.LRScheduler.__subclasses__()}
    not_by_numbers = {"LambdaDecay", "MultiplicativeDecay", "ReduceOnPlateau"}
    assert theirs - not_by_numbers == set(ARGUMENTS)


@pytest.mark.parametrize("name", sorted(ARGUMENTS))
def test_the_table_has_paddles_defaults(name: str) -> None:
    theirs = inspect.signature(getattr(paddle.optimizer.lr, name)).parameters
    for key, ours in inspect.signature(SCHEDULES.get(name)).parameters.items():
        if key not in ("iter_step", "base_batch_size"):
            assert ours.default == theirs[key].default, key


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_signatures_are_typed(name: str) -> None:
    entry = SCHEDULES.get(name)
    hints = get_type_hints(entry, include_extras=True)
    assert set(inspect.signature(entry).parameters) <= set(hints)
    assert hints["iter_step"] is bool


def test_piecewise_counts_steps_with_iter_step() -> None:
    schedule = lr.CustomPiecewiseDecay([2, 5], [3.0, 2.0, 1.0], iter_step=True)
    assert table(schedule, 2, 4) == [3, 3, 2, 2, 2, 1, 1, 1]
    assert table(lr.PiecewiseDecay([2, 5], [3.0, 2.0, 1.0]), 7) == [3, 3, 2, 2, 2, 1, 1]


def test_warmup_cosine() -> None:
    schedule = lr.CustomWarmupCosineDecay(0.005, 2, 0.01, 8, iter_step=True)
    end = 0.01 * (1 + math.cos(math.pi * 2 / 8)) / 2
    expected = [0.005 + e * (end - 0.005) / 2 for e in (0, 0.5, 1, 1.5)]
    expected += [0.01 * (1 + math.cos(math.pi * e / 8)) / 2 for e in (2, 2.5, 3, 3.5)]
    assert table(schedule, 4, 2) == pytest.approx(expected, rel=1e-12)
    assert schedule(epoch(0)) == 0.005
    assert schedule(epoch(4)) == pytest.approx(0.005)
    assert schedule(epoch(8)) == pytest.approx(0)


def test_warmup_cosine_by_epochs_stays_within_one() -> None:
    schedule = lr.CustomWarmupCosineDecay(0.005, 2, 0.01, 8)
    assert schedule(Progress(3, 3, 4)) == schedule(Progress(3, 0, 4))


def test_warmup_piecewise() -> None:
    schedule = lr.CustomWarmupPiecewiseDecay(0.1, 4, 2.0, [1, 0.1, 0.01], 0.1, [0, 6, 8], 10, iter_step=True)
    expected = [0.1, 0.575, 1.05, 1.525, 2, 2, 0.2, 0.2, 0.02, 0.02, 0.02]
    assert table(schedule, 11) == pytest.approx(expected)
    assert schedule(Progress(5, 3, 4)) == 2
    assert schedule(Progress(0, 2, 4)) == pytest.approx(0.1 + 0.5 * 1.9 / 4)


def test_warmup_cosine_step() -> None:
    schedule = lr.CustomWarmupCosineStepDecay(1.5, 0.1, 0.2, 1.0, 4, iter_step=True)
    cosine = [0.2 + 0.8 * (1 + math.cos(math.pi * e / 4)) / 2 for e in range(4)]
    expected = [0.1, 0.4, 0.7 * cosine[1], cosine[1], cosine[2], cosine[2]]
    assert table(schedule, 3, 2) == pytest.approx(expected)


def test_warmup_adjust() -> None:
    schedule = lr.CustomWarmupAdjustDecay(1.0, 2, 0.1, [3, 5], iter_step=True)
    assert table(schedule, 7) == pytest.approx([0.5, 1.0, 1, 0.1, 0.1, 0.01, 0.01])
    assert schedule(Progress(0, 1, 2)) == 0.75


def test_one_cycle() -> None:
    schedule = lr.OneCycle(1.0, 8, warmup_fraction=0.5, start_factor=0.2, end_factor=0.0, iter_step=True)
    expected = [0.2, 0.2 + 0.8 * (1 - math.cos(math.pi / 4)) / 2, 0.6]
    assert table(schedule, 3) == pytest.approx(expected)
    assert [schedule(epoch(e)) for e in (4, 6, 8, 9)] == pytest.approx([1, 0.5, 0, 0])
    assert lr.OneCycle(1.0, 4, warmup_fraction=0.0)(epoch(0)) == 1
    assert lr.OneCycle(1.0, 4, warmup_fraction=1.0)(epoch(4)) == 1


@pytest.mark.parametrize("iter_step", [False, True])
def test_nested_warmup_agrees_with_paddle(iter_step: bool) -> None:
    inner = {"boundaries": [2, 4], "values": [0.5, 0.05, 0.005]}
    warmup = {"warmup_steps": 3, "start_lr": 0.0, "end_lr": 0.5}
    scheduler = paddle.optimizer.lr.LinearWarmup(paddle.optimizer.lr.PiecewiseDecay(**inner), **warmup)
    schedule = lr.LinearWarmup(lr.PiecewiseDecay(**inner), **warmup, iter_step=iter_step)
    for count in range(10):
        progress = Progress(count // 4, count % 4, 4) if iter_step else Progress(count, 1, 4)
        assert schedule(progress) == pytest.approx(scheduler()), count
        scheduler.step()


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(sorted(set(ARGUMENTS) - {"OneCycleLR"})),
    counts=st.lists(st.integers(0, 20), min_size=2, max_size=4),
)
def test_pure(name: str, counts: list[int]) -> None:
    """The order of the questions does not matter."""
    schedule = SCHEDULES.get(name)(**ARGUMENTS[name])
    assert [schedule(epoch(c)) for c in counts] == [schedule(epoch(c)) for c in reversed(counts)][::-1]


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("PiecewiseDecay", {"boundaries": [5, 2], "values": [1, 2, 3]}, "5, 2"),
        ("PiecewiseDecay", {"boundaries": [5], "values": [1, 2, 3]}, "one more"),
        ("MultiStepDecay", {"learning_rate": 1.0, "milestones": [3, 3]}, "3, 3"),
        ("OneCycle", {"max_learning_rate": 1.0, "max_epoch": 0}, "max_epoch=0"),
        ("OneCycle", {"max_learning_rate": 1.0, "max_epoch": 1, "warmup_fraction": 2.0}, "2.0"),
        ("StepDecay", {"learning_rate": 1.0, "step_size": 3, "gamma": 2.0}, "StepDecay"),
    ],
)
def test_senseless_values_are_refused(name: str, arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        SCHEDULES.get(name)(**arguments)
