"""Checkpoints: `NAME.pdparams` (the weights, as PaddleVideo writes them) and `NAME.pdopt` (all else a resume needs)."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddlevideo.modeling import weights
from paddlevideo.utils import compat, files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


@dataclass
class TrainState:
    """Where a training run stands, apart from weights and optimizer. Randomness needs no state: it is a function.

    Attributes:
        epoch: zero-based epoch under way.
        step: batches of that epoch already trained on.
        best_top1: highest validation figure so far, 0..1; -1 before the first. Top-1 accuracy, or what METRIC has in
            its place: mean average precision.
        best_epoch: one-based epoch it came from; 0 before the first.
        seed: the run's seed; a resume must use the same.
        lr_scale: what the learning rates are multiplied by; a resume keeps it. None until the run has begun.
    """

    epoch: int = 0
    step: int = 0
    best_top1: float = -1.0
    best_epoch: int = 0
    seed: int = 1234
    lr_scale: float | None = None


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run: `directory/name_*`."""

    directory: Path
    name: str

    def epoch(self, epoch: int) -> Path:
        """Prefix of the files written after the one-based `epoch`."""
        return self.directory / f"{self.name}_epoch_{epoch:05d}"

    def best(self) -> Path:
        """Prefix of the best model's files."""
        return self.directory / f"{self.name}_best"

    def inside(self, state: TrainState) -> Path:
        """Prefix of the files written when a run is stopped inside an epoch."""
        return self.directory / f"{self.name}_epoch_{state.epoch + 1:05d}_step_{state.step:06d}"

    def newest_first(self) -> list[Path]:
        """Prefixes of all resumable checkpoints, the furthest one first."""
        found = []
        for file in self.directory.glob(f"{self.name}_epoch_*.pdopt"):
            match = re.fullmatch(re.escape(self.name) + r"_epoch_(\d+)(?:_step_(\d+))?", file.stem)
            if match:
                epoch, step = int(match[1]), match[2]
                found.append(((epoch, 0) if step is None else (epoch - 1, int(step)), file.with_suffix("")))
        return [prefix for _, prefix in sorted(found, reverse=True)]

    def remove_inside(self, keep: Path | None = None) -> None:
        """Deletes the mid-epoch checkpoints, which a later one has made useless."""
        for file in self.directory.glob(f"{self.name}_epoch_*_step_*.pd*"):
            if keep is None or file.with_suffix("") != keep:
                file.unlink(missing_ok=True)


def save(
    prefix: Path,
    model: nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
    state: TrainState,
    config: Mapping[str, Any],
) -> None:
    """Writes `prefix`.pdopt and `prefix`.pdparams, each whole or not at all."""
    arrays = weights.state_arrays(model)
    rest = {
        "optimizer": _by_structured_name(compat.optimizer_state(optimizer), model),
        "scaler": {key: _array(value) for key, value in scaler.state_dict().items()},
        "state": asdict(state),
        "weights_crc": checksum(arrays),
        "config": json.dumps(config),
    }
    files.write_with(Path(f"{prefix}.pdopt"), lambda name: paddle.save(rest, name))
    files.write_with(Path(f"{prefix}.pdparams"), lambda name: paddle.save(arrays, name))


def resume(
    prefix: Path,
    model: nn.Layer,
    optimizer: paddle.optimizer.Optimizer,
    scaler: paddle.amp.GradScaler,
) -> TrainState:
    """Restores a checkpoint into the model, the optimizer and the scaler, and returns the state.

    Raises:
        UserError: a file is missing, damaged, of another run than its partner, or of another model.
    """
    rest = weights.read_pickle(Path(f"{prefix}.pdopt"))
    if not {"optimizer", "scaler", "state", "weights_crc"} <= set(rest):
        raise UserError(
            f"{prefix}.pdopt: not written by this program, so it cannot be resumed; start from its weights: "
            f"--weights {prefix}.pdparams"
        )
    arrays = weights.read_state(Path(f"{prefix}.pdparams"))
    if checksum(arrays) != rest["weights_crc"]:
        raise UserError(f"{prefix}: .pdparams and .pdopt do not belong together; one of them was replaced or damaged")
    for line in weights.load_weights(model, Path(f"{prefix}.pdparams")):
        logger.info(line)
    optimizer.set_state_dict(_by_parameter_name(rest["optimizer"], model, prefix))
    if rest["scaler"]:
        scaler.load_state_dict(rest["scaler"])
    known = {item.name for item in fields(TrainState)}
    return TrainState(**{key: value for key, value in rest["state"].items() if key in known})


def checksum(arrays: Mapping[str, np.ndarray]) -> int:
    """CRC-32 over names and bytes, in name order."""
    crc = 0
    for name in sorted(arrays):
        crc = zlib.crc32(np.ascontiguousarray(arrays[name]).tobytes(), zlib.crc32(name.encode(), crc))
    return crc


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
