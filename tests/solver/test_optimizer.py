"""One step of the optimizers, by exact values: clip first, decay after, multipliers and exceptions respected."""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import numpy as np
import paddle
import pytest
from paddle import ParamAttr, nn
from paddle.regularizer import L2Decay

from paddlevideo.registry import OPTIMIZERS
from paddlevideo.solver.lr import MultiStepDecay, Progress
from paddlevideo.solver.optimizer import FIELDS, GradClip, WeightDecay, build_optimizer


class Toy(nn.Layer):
    """Three pairs of numbers: an ordinary one, one that learns 5 times faster at its own decay, one without decay."""

    def __init__(self) -> None:
        super().__init__()
        for name, attr in {
            "plain": ParamAttr(),
            "fast": ParamAttr(learning_rate=5.0, regularizer=L2Decay(0.5)),
            "free": ParamAttr(regularizer=L2Decay(0.0)),
        }.items():
            attr.initializer = nn.initializer.Assign([2.0, -4.0])
            self.add_parameter(name, self.create_parameter([2], attr=attr))


GRADIENTS = {"plain": [3.0, 0.0], "fast": [0.0, 4.0], "free": [12.0, 0.0]}  # global norm 13


def step(name: str, model: Toy | None = None, steps: int = 1, **settings: Any) -> dict[str, list[float]]:
    """The parameters after `steps` steps with the gradients above."""
    model = model or Toy()
    optimizer = build_optimizer(OPTIMIZERS.get(name)(**{"learning_rate": 0.1, **settings}), model)
    for _ in range(steps):
        sum((getattr(model, key) * paddle.to_tensor(value)).sum() for key, value in GRADIENTS.items()).backward()
        optimizer.step()
        optimizer.clear_grad()
    return {key: getattr(model, key).numpy().tolist() for key in GRADIENTS}


def test_sgd_multiplier() -> None:
    got = step("SGD")
    assert got["plain"] == pytest.approx([2 - 0.3, -4])
    # own decay 0.5 * p: (1, -2), gradient (0, 4), rate 0.5
    assert got["fast"] == pytest.approx([2 - 0.5 * 1, -4 - 0.5 * (4 - 2)])


@pytest.mark.parametrize("decay", [0.01, WeightDecay("L2", 0.01), WeightDecay("L2Decay", 0.01)])
@pytest.mark.parametrize("clip", [6.5, GradClip("ClipGradByGlobalNorm", 6.5)])
def test_momentum_clips_first_by_one_norm_then_decays(decay: Any, clip: Any) -> None:
    got = step("Momentum", weight_decay=decay, grad_clip=clip)
    # every gradient is halved: 13 is the norm over all three, and the decay comes on top unclipped
    assert got["plain"] == pytest.approx([2 - 0.1 * (1.5 + 0.02), -4 - 0.1 * (0 - 0.04)])
    assert got["fast"] == pytest.approx([2 - 0.5 * (0 + 1.0), -4 - 0.5 * (2 - 2.0)])
    assert got["free"] == pytest.approx([2 - 0.1 * 6, -4])


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_two_steps(nesterov: bool) -> None:
    got = step("Momentum", steps=2, momentum=0.9, use_nesterov=nesterov, weight_decay=0.01)
    p, v = np.array([2.0, -4.0]), np.zeros(2)
    for _ in range(2):
        g = np.array(GRADIENTS["plain"]) + 0.01 * p
        v = 0.9 * v + g
        p = p - 0.1 * (g + 0.9 * v if nesterov else v)
    assert got["plain"] == pytest.approx(p.tolist(), rel=1e-6)


def test_l1() -> None:
    got = step("SGD", weight_decay=WeightDecay("L1", 0.01))
    assert got["plain"] == pytest.approx([2 - 0.1 * (3 + 0.01), -4 + 0.1 * 0.01])


def test_names_left_out_of_the_decay() -> None:
    assert step("SGD", weight_decay=0.1, no_weight_decay_name="lai other")["plain"] == pytest.approx([1.7, -4])
    assert step("AdamW", weight_decay=0.1, no_weight_decay_name="lai other")["plain"][1] == pytest.approx(-4)


def test_adamw_decays_apart_from_the_gradient() -> None:
    """The first step of Adam is lr * sign(g): what is left of a zero gradient is the decay alone."""
    got = step("AdamW", weight_decay=0.01)
    assert got["plain"] == pytest.approx([2 * (1 - 0.1 * 0.01) - 0.1, -4 * (1 - 0.1 * 0.01)], rel=1e-6)
    assert got["fast"] == pytest.approx([2 * (1 - 0.5 * 0.01), -4 * (1 - 0.5 * 0.01) - 0.5], rel=1e-6)
    assert got["free"] == pytest.approx([2 - 0.1, -4], rel=1e-6)


def test_lamb_leaves_the_same_ones_out() -> None:
    got = step("Lamb", weight_decay=0.5)
    # update direction r = sign(g) + 0.5 * p, scaled by |p| / |r|
    p, r = np.array([2.0, -4.0]), np.array([1 + 1.0, -2.0])
    assert got["plain"] == pytest.approx((p - 0.1 * np.linalg.norm(p) / np.linalg.norm(r) * r).tolist(), rel=1e-5)
    assert got["free"] == pytest.approx([2 - 0.1, -4], rel=1e-5)  # Paddle does not scale where nothing decays


def test_a_second_optimizer_leaves_the_same_ones_out() -> None:
    model = Toy()
    step("AdamW", model, weight_decay=0.01)
    before = model.free.numpy().copy()
    assert step("AdamW", model, weight_decay=0.01)["free"][1] == pytest.approx(before[1], rel=1e-6)
    assert step("SGD", model, weight_decay=0.01)["free"][1] == pytest.approx(before[1], rel=1e-6)


def test_frozen_parameters_stay_out_of_the_norm() -> None:
    model = Toy()
    model.free.stop_gradient = True
    got = step("SGD", model, grad_clip=2.5)  # of (3, 4): 5
    assert got["plain"] == pytest.approx([2 - 0.1 * 1.5, -4])
    assert got["free"] == [2, -4]


def test_default_decay_of_adamw_is_paddles() -> None:
    assert OPTIMIZERS.get("AdamW")(learning_rate=0.1).weight_decay == 0.01
    assert step("AdamW", weight_decay=None)["plain"][1] == -4


def test_rate() -> None:
    section = OPTIMIZERS.get("SGD")(learning_rate=MultiStepDecay(0.5, [2]))
    assert [section.lr(Progress(e, 0, 1)) for e in range(4)] == [0.5, 0.5, 0.05, 0.05]
    optimizer = build_optimizer(section, Toy())
    assert optimizer.get_lr() == 0.5
    optimizer.set_lr(section.lr(Progress(2, 0, 1)))
    assert optimizer.get_lr() == pytest.approx(0.05)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_every_optimizer_steps(name: str) -> None:
    before = {key: [2.0, -4.0] for key in GRADIENTS}
    after = step(name, grad_clip=1.0, **({} if name == "Rprop" else {"weight_decay": 1e-4}))
    assert all(np.isfinite(after[key]).all() and after[key] != before[key] for key in before)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_signatures_are_typed_and_have_paddles_defaults(name: str) -> None:
    entry = OPTIMIZERS.get(name)
    hints = get_type_hints(entry, include_extras=True)
    theirs = inspect.signature(getattr(paddle.optimizer, name)).parameters
    assert set(inspect.signature(entry).parameters) <= set(hints)
    for key, _, default in FIELDS[name]:
        their_key = "lamb_weight_decay" if (name, key) == ("Lamb", "weight_decay") else key
        assert theirs[their_key].default == default, key


def test_every_optimizer_of_paddle_is_known() -> None:
    theirs = {name for name in dir(paddle.optimizer) if inspect.isclass(getattr(paddle.optimizer, name))}
    assert theirs - {"Optimizer", "LBFGS"} == set(OPTIMIZERS)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("SGD", {"weight_decay": -0.1}, "-0.1"),
        ("SGD", {"grad_clip": 0.0}, "grad_clip=0.0"),
        ("AdamW", {"weight_decay": WeightDecay("L1", 0.1)}, "AdamW has no L1"),
        ("Rprop", {"weight_decay": 0.1}, "Rprop has no weight decay"),
    ],
)
def test_senseless_values_are_refused(name: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        OPTIMIZERS.get(name)(learning_rate=0.1, **settings)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="'L3'"):
        WeightDecay("L3", 0.1)
    with pytest.raises(ValueError, match="ClipGradByValue"):
        GradClip("ClipGradByValue", 1.0)
