"""What each parameter learns at: its learning rate, as a multiple of the optimizer's, and the factor of its decay.

Several may say so. The learning rate is that of the first of these that says one,

    its group, the policy, the layer that owns it, 1,

times the factor of its depth (`layer_decay`). The decay is that of the first of these that says one:

    its group, `no_weight_decay_name` (0), the policy, the layer that owns it, the optimizer.

So a number in a config is the number that is used, and nothing is multiplied twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import paddle
from paddle import nn

from paddlevideo.solver.groups import ParameterGroup, assign
from paddlevideo.solver.policy import Own, tsm
from paddlevideo.utils.errors import UserError


class Rate(NamedTuple):
    """A row of the table.

    Attributes:
        name: of the parameter.
        lr_mult: its learning rate, as a multiple of the optimizer's.
        decay: factor of its weight decay.
        l1: whether the decay is on absolute values.
    """

    name: str
    lr_mult: float
    decay: float
    l1: bool = False


class Decay(NamedTuple):
    """The optimizer's weight decay.

    Attributes:
        value: its factor.
        l1: whether it is on absolute values.
        decoupled: it is subtracted from the parameter, past the gradient. A factor that a layer has for its gradient
            means nothing then, unless it is 0.
        undecayed: pieces of the names of parameters without.
    """

    value: float
    l1: bool
    decoupled: bool
    undecayed: Sequence[str]


def parameter_rates(
    model: nn.Layer,
    decay: Decay,
    groups: Sequence[ParameterGroup],
    policy: str | None,
    layer_decay: float | None,
) -> list[Rate]:
    """A row for each trained parameter of `model`, in its order. The arguments are those of OPTIMIZER.

    Raises:
        UserError: a group matches nothing, or the policy or `layer_decay` are not for such a model.
    """
    trained = {name: param for name, param in model.named_parameters() if not param.stop_gradient}
    by_group = assign(groups, list(trained))
    by_policy = tsm(model) if policy else {}
    by_depth = depth_factors(model, trained, layer_decay) if layer_decay is not None else {}
    rows = []
    for name, param in trained.items():
        lr_mult, own = by_policy.get(name) or _of_layer(param, decay.decoupled)
        if any(piece in name for piece in decay.undecayed):
            own = 0.0
        if group := by_group.get(name):
            lr_mult = lr_mult if group.lr_mult is None else group.lr_mult
            own = own if group.weight_decay is None else group.weight_decay
        value, l1 = (decay.value, decay.l1) if own is None else (own, False)
        rows.append(Rate(name, lr_mult * by_depth.get(name, 1.0), value, l1))
    return rows


def _of_layer(param: paddle.Tensor, decoupled: bool) -> Own:
    """What the layer said through `ParamAttr`; remembered, for an optimizer writes its own rates over it."""
    if "of_layer" not in param.optimize_attr:
        decay = None if param.regularizer is None else param.regularizer._coeff
        param.optimize_attr["of_layer"] = Own(param.optimize_attr["learning_rate"], decay)
    own: Own = param.optimize_attr["of_layer"]
    return own._replace(decay=None) if decoupled and own.decay != 0 else own


def depth_factors(model: nn.Layer, names: Iterable[str], decay: float) -> dict[str, float]:
    """Name -> decay^(L + 1 - l) for layer l of L: the embeddings are layer 0, the blocks 1 to L, what follows L + 1.

    Clark et al., "ELECTRA", ICLR 2020, appendix B, for language (their code begins one power lower, by the author's
    account a slip); Bao et al., "BEiT", ICLR 2022, for images. The backbone knows its depth (`num_layers`) and that of
    each of its parameters (`layer_of`); the head comes after it.

    Raises:
        UserError: the backbone does not tell.
    """
    backbone: Any = getattr(model, "backbone", None)
    if not hasattr(backbone, "layer_of"):
        raise UserError(
            f"OPTIMIZER.layer_decay: {type(backbone or model).__name__} does not count its layers, as transformers do; "
            "leave it out, or set lr_mult of some layers with OPTIMIZER.groups"
        )
    top = backbone.num_layers + 1
    prefix = "backbone."
    layers = {name: backbone.layer_of(name.removeprefix(prefix)) for name in names if name.startswith(prefix)}
    return {name: decay ** (top - layers.get(name, top)) for name in names}


def describe_rates(rates: Sequence[Rate]) -> list[str]:
    """Lines for a log, one for all parameters with the same values: "62 parameters: rate x1, decay 0.0001"."""
    alike: dict[tuple[float, float, bool], list[str]] = {}
    for rate in rates:
        alike.setdefault(rate[1:], []).append(rate.name)
    return [
        f"{names[0] if len(names) == 1 else f'{len(names)} parameters'}: {rate_text(Rate(names[0], *values))}"
        for values, names in alike.items()
    ]


def rate_text(rate: Rate) -> str:
    """ "rate x5, decay 0.0001"."""
    return f"rate x{rate.lr_mult:.4g}, decay {rate.decay:g}{' (L1)' if rate.l1 else ''}"
