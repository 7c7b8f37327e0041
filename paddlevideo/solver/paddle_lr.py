"""Paddle's other schedulers under their own names, as pure functions of progress like the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, ClassVar, Literal

import paddle

from paddlevideo.registry import SCHEDULES
from paddlevideo.solver.lr import Progress, Schedule
from paddlevideo.utils import compat


@dataclass(frozen=True)
class PaddleSchedule(Schedule):
    """The class of `paddle.optimizer.lr` with the same name and arguments, asked for the rate at a count.

    Raises:
        ValueError: for values that Paddle refuses.
    """

    paddle_class: ClassVar[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            self._at(0)
        except (AssertionError, TypeError, ValueError) as error:
            raise ValueError(f"{type(self).__name__}: {error}") from error

    def __call__(self, progress: Progress) -> float:
        return self._at(self.count(progress))

    def _at(self, count: int) -> float:
        shared = {item.name for item in fields(Schedule)}
        settings = {item.name: getattr(self, item.name) for item in fields(self) if item.name not in shared}
        scheduler = self.paddle_class(**settings)
        scheduler.step(count)  # a fresh one each time: its state never outlives the question
        return float(scheduler())


RATE: list[Any] = [("learning_rate", float)]
FIELDS: dict[str, list[Any]] = {
    "CosineAnnealingDecay": RATE + [("T_max", int), ("eta_min", float, 0.0)],
    "CosineAnnealingWarmRestarts": RATE + [("T_0", int), ("T_mult", int, 1), ("eta_min", float, 0.0)],
    "CyclicLR": [
        ("base_learning_rate", float),
        ("max_learning_rate", float),
        ("step_size_up", int),
        ("step_size_down", int | None, None),
        ("mode", Literal["triangular", "triangular2", "exp_range"], "triangular"),
        ("exp_gamma", float, 1.0),
    ],
    "ExponentialDecay": RATE + [("gamma", float)],
    "InverseTimeDecay": RATE + [("gamma", float)],
    "NaturalExpDecay": RATE + [("gamma", float)],
    "NoamDecay": [("d_model", int), ("warmup_steps", int), ("learning_rate", float, 1.0)],
    "OneCycleLR": [
        ("max_learning_rate", float),
        ("total_steps", int),
        ("divide_factor", float, 25.0),
        ("end_learning_rate", float, 1e-4),
        ("phase_pct", float, 0.3),
        ("anneal_strategy", Literal["cos", "linear"], "cos"),
        ("three_phase", bool, False),
    ],
    "PolynomialDecay": RATE
    + [("decay_steps", int), ("end_lr", float, 1e-4), ("power", float, 1.0), ("cycle", bool, False)],
    "StepDecay": RATE + [("step_size", int), ("gamma", float, 0.1)],
}

for name, paddle_class, own in compat.classes_with(paddle.optimizer.lr, FIELDS):
    SCHEDULES.register(
        make_dataclass(
            name,
            [(item[0], item[1], field(default=item[2])) if len(item) == 3 else item for item in own],
            bases=(PaddleSchedule,),
            namespace={
                "__module__": __name__,
                "__doc__": f"paddle.optimizer.lr.{name}, counting epochs, or steps with `iter_step`.",
                "paddle_class": paddle_class,
            },
            frozen=True,
        )
    )
