"""Checkpoints: `NAME.pdparams` (the weights, as PaddleVideo writes them) and `NAME.pdopt` (all else a resume needs)."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddlevideo.modeling import weights
from paddlevideo.solver.averaging import Average
from paddlevideo.utils import compat, dist, files
from paddlevideo.utils.checksum import array_crc
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


@dataclass
class TrainState:
    """Where a training run stands, apart from weights and optimizer. Randomness needs no state: it is a function.

    Attributes:
        epoch: zero-based epoch under way.
        step: batches of that epoch already trained on.
        together: clips of a batch on all processes.
        best_top1: highest validation figure so far, 0..1; -1 before the first. Top-1 accuracy, or what METRIC has in
            its place: mean average precision.
        best_epoch: one-based epoch it came from; 0 before the first.
        best_ema: the highest figure of the averaged weights of EMA, likewise.
        stopping_best, stopping_waited: see `EarlyStopping.judge`.
        seed: the run's seed; a resume must use the same.
        lr_scale: what the learning rates are multiplied by; a resume keeps it. None until the run has begun.
        skipped: steps left out so far, because a loss or gradient was not finite.
        seconds, waited: of training so far, all parts of the run together, and the part of it spent waiting for data.
        sums: of the epoch under way, see `Meter.sums`.
    """

    epoch: int = 0
    step: int = 0
    together: int = 0
    best_top1: float = -1.0
    best_epoch: int = 0
    best_ema: float = -1.0
    stopping_best: float = -math.inf
    stopping_waited: int = 0
    seed: int = 1234
    lr_scale: float | None = None
    skipped: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    sums: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def unless_it_fails(self) -> Iterator[None]:
        """Where the block ends in an exception, all is as it was before it."""
        before = asdict(self)
        try:
            yield
        except BaseException:
            for name, value in before.items():
                setattr(self, name, value)
            raise


@dataclass(frozen=True)
class Parts:
    """What a checkpoint is made of, and what a resume restores.

    Attributes:
        averages: averaged weights by kind, "ema" and "swa".
    """

    model: nn.Layer
    optimizer: paddle.optimizer.Optimizer
    scaler: paddle.amp.GradScaler
    averages: Mapping[str, Average] = field(default_factory=dict)


def save(
    prefix: Path,
    parts: Parts,
    state: TrainState,
    card: Mapping[str, Any],
    batch_norm: Mapping[int, Mapping[str, np.ndarray]] | None = None,
) -> None:
    """Writes `prefix`.pdopt and `prefix`.pdparams, each whole or not at all.

    Args:
        card: see `card.make_card`.
        batch_norm: of each rank, where they differ: its `running_statistics`.
    Raises:
        NotFiniteError: a weight is not a finite number; nothing is written.
        UserError: the disk is full, say.
    """
    arrays = full_precision(parts)
    rest = {
        "optimizer": _by_structured_name(compat.optimizer_state(parts.optimizer), parts.model),
        "scaler": {key: _array(value) for key, value in parts.scaler.state_dict().items()},
        "averages": {kind: average.state_dict() for kind, average in parts.averages.items()},
        "batch_norm": {str(rank): dict(statistics) for rank, statistics in (batch_norm or {}).items()},
        "state": asdict(state),
        "weights_crc": checksum(arrays),
    }
    rest["crc"] = checksum(rest)
    files.write_with(Path(f"{prefix}.pdopt"), lambda name: paddle.save(rest, name))
    save_weights(prefix, arrays, {**card, "state": {"epoch": state.epoch, "step": state.step}})


def save_weights(prefix: Path, arrays: Mapping[str, np.ndarray], card: Mapping[str, Any]) -> None:
    """Writes `prefix`.pdparams alone. Raises NotFiniteError before that where a weight is not a finite number."""
    broken = [name for name, value in arrays.items() if not np.isfinite(value).all()]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise NotFiniteError(f"{prefix}.pdparams: not written, {broken[0]}{more} holds numbers that are not finite")
    content = {**arrays, weights.CARD: json.dumps(card, ensure_ascii=False)}
    files.write_with(Path(f"{prefix}.pdparams"), lambda name: paddle.save(content, name))


class NotFiniteError(UserError):
    """Weights that are worth nothing."""


def full_precision(parts: Parts) -> dict[str, np.ndarray]:
    """The model's arrays as float32: of weights trained in float16 or bfloat16 (O2), the optimizer's float32 copies."""
    arrays = weights.state_arrays(parts.model)
    masters = parts.optimizer.state_dict().get("master_weights") or {}
    for name, parameter in parts.model.named_parameters():
        if parameter.name in masters:
            arrays[name] = _array(masters[parameter.name]).reshape(arrays[name].shape)
    return arrays


def resume(prefix: Path, parts: Parts, rank: int = 0) -> TrainState:
    """Restores a checkpoint into the model, the optimizer, the scaler and the averages, and returns the state.

    Raises:
        UserError: a file is missing, damaged, of another run than its partner, or of another model.
    """
    rest = weights.read_pickle(Path(f"{prefix}.pdopt"))
    if not isinstance(rest, dict) or not {"optimizer", "scaler", "state", "weights_crc", "crc"} <= set(rest):
        raise UserError(
            f"{prefix}.pdopt: not written by this program, so it cannot be resumed; start from its weights: "
            f"--weights {prefix}.pdparams"
        )
    if rest.pop("crc") != checksum(rest):
        raise UserError(f"{prefix}.pdopt: damaged: its checksum is not that of what it holds")
    arrays = weights.read_state(Path(f"{prefix}.pdparams"))
    if checksum(arrays) != rest["weights_crc"]:
        raise UserError(f"{prefix}: .pdparams and .pdopt do not belong together; one of them was replaced or damaged")
    for line in weights.load_weights(parts.model, Path(f"{prefix}.pdparams")):
        logger.info(line)
    parts.optimizer.set_state_dict(_by_parameter_name(rest["optimizer"], parts.model, prefix))
    if rest["scaler"]:
        parts.scaler.load_state_dict(rest["scaler"])
    for kind, average in parts.averages.items():
        if kind in rest["averages"]:
            average.load_state_dict(rest["averages"][kind])
        else:
            logger.info(f"{prefix}: holds no {kind.upper()} average; it begins with the weights as they are")
    own = rest["batch_norm"].get(str(rank), {})
    for name, value in running_statistics(parts):
        if name in own:
            value.set_value(own[name])
    known = {item.name for item in fields(TrainState)}
    return TrainState(**{key: value for key, value in rest["state"].items() if key in known})


def running_statistics(parts: Parts) -> Iterator[tuple[str, Any]]:
    """The statistics of batch normalisation by name, of the model and of its averages: each rank has its own."""
    yield from dist.batch_norm_statistics(parts.model.state_dict())
    for kind, average in parts.averages.items():
        for name, value in dist.batch_norm_statistics(average.values):
            yield f"{kind}/{name}", value


def checksum(tree: Any, crc: int = 0) -> int:
    """CRC-32 over names, values and bytes of nested dicts, lists and arrays, in name order."""
    if isinstance(tree, Mapping):
        for name in sorted(tree):
            crc = checksum(tree[name], zlib.crc32(str(name).encode(), crc))
        return crc
    if isinstance(tree, list | tuple):
        for item in tree:
            crc = checksum(item, crc)
        return crc
    if isinstance(tree, np.ndarray):
        return array_crc(tree, crc)
    return zlib.crc32(repr(tree).encode(), crc)


def _array(value: Any) -> Any:
    return value.numpy() if isinstance(value, paddle.Tensor) else value


def _by_structured_name(state: Mapping[str, Any], model: nn.Layer) -> dict[str, Any]:
    """Optimizer state under `structured name|accumulator` keys.

    Paddle keys it by automatic parameter names (linear_0.w_0_moment1_0), which differ in the next process as soon as
    anything else is built first.
    """
    owners = {parameter.name: name for name, parameter in model.named_parameters()}
    renamed: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, Mapping):
            renamed[key] = _by_structured_name(value, model)
            continue
        owner = max((name for name in owners if key.startswith(name)), key=len, default=None)
        assert owner is not None, f"optimizer state {key} belongs to no parameter"
        renamed[f"{owners[owner]}|{key[len(owner) :]}"] = _array(value)
    return renamed


def _by_parameter_name(state: Mapping[str, Any], model: nn.Layer, prefix: Path) -> dict[str, Any]:
    """The inverse of `_by_structured_name`, for the parameters of `model`."""
    names = {name: parameter.name for name, parameter in model.named_parameters()}
    renamed: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, Mapping):
            renamed[key] = _by_parameter_name(value, model, prefix)
            continue
        owner, _, suffix = key.partition("|")
        if owner not in names:
            raise UserError(f"{prefix}.pdopt: holds optimizer state of '{owner}', which this model does not have")
        renamed[names[owner] + suffix] = paddle.to_tensor(value) if isinstance(value, np.ndarray) else value
    return renamed
