"""The OPTIMIZER section: any optimizer of Paddle by name, with its schedule, weight decay and gradient clipping.

All parameters are in one group of Paddle's, which clips each group by a norm of its own. What differs from parameter to
parameter (a learning rate multiplier, another decay) is in the table that `rates` makes, and goes into the parameters.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Annotated, Any, ClassVar, Literal

import paddle
from paddle import nn
from paddle.regularizer import L1Decay, L2Decay

from paddlevideo.registry import OPTIMIZERS, SCHEDULES
from paddlevideo.solver import decoupled
from paddlevideo.solver.groups import ParameterGroup
from paddlevideo.solver.lr import Progress, Schedule
from paddlevideo.solver.rates import Decay, Rate, parameter_rates
from paddlevideo.utils import compat

# Classes that subtract the decay from the parameter itself, past the gradient, and their arguments for it
DECOUPLED = {"AdamW": "weight_decay", "Lamb": "lamb_weight_decay"}


@dataclass(frozen=True)
class WeightDecay:
    """`{name: L2, value: 1e-4}`: the penalty (L2 or L1, also spelt L2Decay and L1Decay) and its factor, 0 or more."""

    name: str
    value: float

    def __post_init__(self) -> None:
        if self.name.upper().removesuffix("DECAY") not in ("L1", "L2"):
            raise ValueError(f"weight_decay.name={self.name!r} is neither 'L2' nor 'L1'")
        if self.value < 0:
            raise ValueError(f"weight_decay.value={self.value} is negative")

    @property
    def is_l1(self) -> bool:
        """Whether the penalty is on absolute values."""
        return self.name.upper().startswith("L1")


@dataclass(frozen=True)
class GradClip:
    """`{name: ClipGradByGlobalNorm, value: 40.0}`: the largest L2 norm of all gradients together, above 0."""

    name: str
    value: float

    def __post_init__(self) -> None:
        if "global" not in self.name.lower():
            raise ValueError(f"grad_clip.name={self.name!r}: only ClipGradByGlobalNorm is known")
        if self.value <= 0:
            raise ValueError(f"grad_clip.value={self.value} must be above 0")


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What every optimizer can be told; a subclass adds the numbers of its Paddle class.

    Attributes:
        learning_rate: a constant, or a schedule.
        base_batch_size: clips a step that the recipe's rates are for; `batch_scale` says what it is good for.
        weight_decay: a factor (L2) or a `WeightDecay`; parameters with a decay of their own keep it.
        grad_clip: the largest global norm of the gradients, or a `GradClip`.
        no_weight_decay_name: pieces of parameter names, separated by spaces, that are left out of the decay.
        groups: parameters by name, with a rate and a decay of their own; the first that matches counts.
        policy: a recipe for all parameters of a network, see `policy`.
        layer_decay: the learning rate of each layer of a transformer, relative to the next, above 0 and up to 1.

    What they say of one parameter comes together as `rates` describes.
    """

    paddle_class: ClassVar[Any]

    learning_rate: float | Annotated[Schedule, SCHEDULES]
    weight_decay: float | WeightDecay | None = None
    grad_clip: GradClip | float | None = None
    no_weight_decay_name: str | None = None
    base_batch_size: int | None = None
    groups: list[ParameterGroup] = field(default_factory=list)
    policy: Literal["TSM"] | None = None
    layer_decay: float | None = None

    def __post_init__(self) -> None:
        if self.base_batch_size is not None and self.base_batch_size < 1:
            raise ValueError(f"base_batch_size={self.base_batch_size} must be 1 or more")
        own = self.learning_rate.base_batch_size if isinstance(self.learning_rate, Schedule) else None
        if None not in (own, self.base_batch_size) and own != self.base_batch_size:
            raise ValueError(f"base_batch_size={self.base_batch_size}, but learning_rate.base_batch_size={own}")
        if isinstance(self.weight_decay, (int, float)) and self.weight_decay < 0:
            raise ValueError(f"weight_decay={self.weight_decay} is negative")
        if isinstance(self.grad_clip, (int, float)) and self.grad_clip <= 0:
            raise ValueError(f"grad_clip={self.grad_clip} must be above 0")
        name = type(self).__name__
        if name in DECOUPLED and isinstance(self.weight_decay, WeightDecay) and self.weight_decay.is_l1:
            raise ValueError(f"{name} has no L1 decay; weight_decay may be a number or L2")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ValueError(f"layer_decay={self.layer_decay} must be above 0 and at most 1")
        if name == "Rprop" and self.weight_decay:
            raise ValueError("Rprop has no weight decay: it uses only the signs of the gradients")
        if name == "Rprop" and (self.groups or self.policy or self.layer_decay):
            raise ValueError("Rprop finds the size of its steps itself: it takes no groups, policy or layer_decay")

    def lr(self, progress: Progress) -> float:
        """The learning rate of the step at `progress`, to be given to `set_lr`."""
        return self.learning_rate(progress) if isinstance(self.learning_rate, Schedule) else float(self.learning_rate)


def rates(section: Optimizer, model: nn.Layer) -> list[Rate]:
    """Learning rate multiplier and decay of every trained parameter of `model`, before or after an optimizer is built.

    Raises:
        UserError: `groups`, `policy` or `layer_decay` do not fit the model.
    """
    return parameter_rates(model, _decay(section), section.groups, section.policy, section.layer_decay)


def build_optimizer(
    section: Optimizer, model: nn.Layer, *, multi_precision: bool = False
) -> paddle.optimizer.Optimizer:
    """The Paddle optimizer of all parameters of `model` that are trained.

    Its learning rate is that of the first step; the training loop sets it before each step. The order within a step:
    clip all gradients by their global norm, add the decay, update.

    Args:
        section: a checked OPTIMIZER section.
        model: its parameters get the learning rate and the `regularizer` that `rates` has for them.
        multi_precision: keep float32 copies of float16 parameters, where the class can.

    Raises:
        UserError: as `rates`.
    """
    shared = {item.name for item in fields(Optimizer)}
    settings = {item.name: getattr(section, item.name) for item in fields(section) if item.name not in shared}
    decay, table = _decay(section), rates(section, model)
    parameters = dict(model.named_parameters())
    for rate in table:
        param, common = parameters[rate.name], (rate.decay, rate.l1) == (decay.value, decay.l1)
        param.optimize_attr["learning_rate"] = rate.lr_mult
        # A regularizer acts on the gradient: it replaces the optimizer's, and would add to a decoupled decay.
        param.regularizer = None if common or decay.decoupled else L2Decay(rate.decay)
    if section.grad_clip is not None:
        clip = section.grad_clip.value if isinstance(section.grad_clip, GradClip) else float(section.grad_clip)
        settings["grad_clip"] = nn.ClipGradByGlobalNorm(clip)
    if multi_precision and "multi_precision" in inspect.signature(section.paddle_class).parameters:
        settings["multi_precision"] = True
    settings |= {
        "learning_rate": section.lr(Progress(0, 0, 1)),
        "parameters": [parameters[rate.name] for rate in table],
    }
    if decay.decoupled:
        return _build_decoupled(section, {parameters[rate.name].name: rate.decay for rate in table}, settings)
    if section.weight_decay is not None:
        settings["weight_decay"] = L1Decay(decay.value) if decay.l1 else L2Decay(decay.value)
    return section.paddle_class(**settings)


def _build_decoupled(
    section: Optimizer, decays: dict[str, float], settings: dict[str, Any]
) -> paddle.optimizer.Optimizer:
    """AdamW or Lamb; `decays` are by Paddle's names. Where they are 0 or the optimizer's, Paddle's own means do."""
    name, value = type(section).__name__, _decay(section).value
    settings[DECOUPLED[name]] = value
    if not set(decays.values()) <= {0.0, value}:
        optimizer = decoupled.CLASSES[name](**settings)
        optimizer.decays = decays
        return optimizer
    if name == "AdamW":
        settings["apply_decay_param_fun"] = lambda param_name: decays[param_name] != 0
    else:
        settings["exclude_from_weight_decay_fn"] = lambda param: decays[param.name] == 0
    return section.paddle_class(**settings)


def _decay(section: Optimizer) -> Decay:
    decay = section.weight_decay
    value = decay.value if isinstance(decay, WeightDecay) else float(decay or 0.0)
    l1 = isinstance(decay, WeightDecay) and decay.is_l1
    pieces = (section.no_weight_decay_name or "").split()
    return Decay(value, l1, type(section).__name__ in DECOUPLED, pieces)


BETAS: list[Any] = [("beta1", float, 0.9), ("beta2", float, 0.999)]
ADAM: list[Any] = BETAS + [("epsilon", float, 1e-8)]
FIELDS: dict[str, list[Any]] = {  # LBFGS is not here: it evaluates the loss several times a step
    "ASGD": [("batch_num", int, 1)],
    "Adadelta": [("epsilon", float, 1e-6), ("rho", float, 0.95)],
    "Adagrad": [("epsilon", float, 1e-6), ("initial_accumulator_value", float, 0.0)],
    "Adam": ADAM + [("lazy_mode", bool, False), ("amsgrad", bool, False)],
    "AdamW": ADAM
    + [("weight_decay", float | WeightDecay | None, 0.01), ("lazy_mode", bool, False), ("amsgrad", bool, False)],
    "Adamax": ADAM,
    "Lamb": BETAS
    + [("epsilon", float, 1e-6), ("always_adapt", bool, False), ("weight_decay", float | WeightDecay | None, 0.01)],
    "Momentum": [("momentum", float, 0.9), ("use_nesterov", bool, False), ("rescale_grad", float, 1.0)],
    "NAdam": ADAM + [("momentum_decay", float, 0.004)],
    "RAdam": ADAM,
    "RMSProp": [("rho", float, 0.95), ("epsilon", float, 1e-6), ("momentum", float, 0.0), ("centered", bool, False)],
    "Rprop": [("learning_rate_range", tuple[float, float], (1e-5, 50.0)), ("etas", tuple[float, float], (0.5, 1.2))],
    "SGD": [],
}

for class_name, paddle_class, own in compat.classes_with(paddle.optimizer, FIELDS, ours=["weight_decay"]):
    OPTIMIZERS.register(
        make_dataclass(
            class_name,
            [(item, kind, field(default=default)) for item, kind, default in own],
            bases=(Optimizer,),
            namespace={
                "__module__": __name__,
                "__doc__": f"paddle.optimizer.{class_name} and what every optimizer can be told.",
                "paddle_class": paddle_class,
            },
            frozen=True,
            kw_only=True,
        )
    )
