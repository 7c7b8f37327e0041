"""Weight files: read without running anything in them, and loaded by name with every difference told.

A `.pdparams` file is a pickle, and a pickle is a program. `plain_pickle` knows the few names such files need and
refuses all others, so a hostile file ends in an error.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import paddle
from paddle import nn

from paddlevideo.modeling import plain_pickle, safetensors_file
from paddlevideo.modeling.kinds import advice, describe
from paddlevideo.modeling.pickle_builders import PLAIN
from paddlevideo.modeling.safetensors_file import from_bfloat16, is_safetensors
from paddlevideo.modeling.students import student_arrays
from paddlevideo.modeling.torch_file import is_torch
from paddlevideo.utils.errors import UserError

STRUCTURED_NAMES = "StructuredToParameterName@@"
CARD = "paddlevideo@@"  # text in a weight file: what made it
BIG_PARAMETERS = "UnpackBigParamInfor@@"
HEAD_NAMES = ("head", "out", "fc")
_UNFINISHED = object()


def read_pickle(path: str | Path) -> Any:
    """The content of a `.pdparams` or `.pdopt` file as nested dicts and lists of plain values and numpy arrays.

    Paddle's own book-keeping is taken out: tensors saved as (name, array) become the array, parameters cut into
    slices (protocol 2, above 1 GiB) are joined, and the table of parameter names is dropped.

    Raises:
        UserError: when the file is missing, damaged, or holds anything but plain data.
    """
    with _open(path) as file:
        try:
            return _plain(plain_pickle.load(file, os.fstat(file.fileno()).st_size, PLAIN), {})
        except Exception as error:  # a damaged pickle raises nearly anything, from EOFError to MemoryError
            told = " ".join(str(error).split())[:300]
            raise UserError(
                f"{path}: not a weight file, or a damaged or unsafe one ({told}); nothing was run"
            ) from error


def read_state(path: str | Path) -> dict[str, np.ndarray]:
    """The named arrays of a weight file, Paddle's `.pdparams` or `.safetensors`, told apart by their first bytes.

    bfloat16, which numpy has not, comes back as float32 of the same value.

    Raises:
        UserError: when the file is missing, damaged, unsafe or holds something other than named arrays.
    """
    with _open(path) as file:
        head = file.read(16)
    if is_torch(head):
        target = Path(path).with_suffix(".pdparams")
        raise UserError(f"{path}: a PyTorch file; convert it first: paddlevideo convert {path} {target}")
    if is_safetensors(head) or Path(path).suffix == ".safetensors":
        return _read_safetensors(path)
    state = read_pickle(path)
    if isinstance(state, dict):
        state.pop(CARD, None)
    if not isinstance(state, dict) or not state:
        kind = "nothing" if state == {} else f"a {type(state).__name__}"
        raise UserError(f"{path}: holds {kind}, not the named arrays of a model")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise UserError(f"{path}: '{name}' is a {type(value).__name__}, not an array; is this a file of weights?")
    # Paddle writes bfloat16 as its 16 bits; no model has uint16 weights
    return {name: from_bfloat16(value) if value.dtype == np.uint16 else value for name, value in state.items()}


def read_card(path: str | Path) -> str | None:
    """The text under CARD in a `.pdparams` file; None where there is none, or the file is of another form.

    Raises:
        UserError: as `read_pickle`.
    """
    with _open(path) as file:
        head = file.read(16)
    if is_torch(head) or is_safetensors(head):
        return None
    state = read_pickle(path)
    text = state.get(CARD) if isinstance(state, dict) else None
    return text if isinstance(text, str) else None


def save_state(arrays: Mapping[str, np.ndarray], path: Path, suffix: str) -> None:
    """Writes named arrays to `path` in the form that `suffix` names, ".pdparams" or ".safetensors"."""
    if suffix == ".safetensors":
        with path.open("wb") as file:
            safetensors_file.write(file, arrays)
    else:
        paddle.save(dict(arrays), str(path), protocol=4)


def state_arrays(model: nn.Layer) -> dict[str, np.ndarray]:
    """The model's parameters and running statistics by name, floats as float32 whatever they are trained in."""
    return {
        name: (value.astype("float32") if value.is_floating_point() else value).numpy()
        for name, value in model.state_dict().items()
    }


def load_weights(model: nn.Layer, path: str | Path, *, new_head: bool = False) -> list[str]:
    """Loads a whole model by name; all of the file and all of the model must agree.

    Args:
        model: changed in place, and only when everything fits. Of a distillation's file an ordinary model takes the
            student.
        path: a `.pdparams` or `.safetensors` file.
        new_head: for fine-tuning: a classifier for another number of classes keeps its initialisation, unless it is
            not trained.

    Returns:
        Lines for the log: what was loaded, cast, or left out.

    Raises:
        UserError: listing every key that is missing, unexpected or of another shape.
    """
    state, expected = read_state(path), model.state_dict()
    lines: list[str] = []
    if not student_arrays(expected):
        state, lines = _of_one_model(state, path)
    for prefix, backbone in _backbones(model):
        state, said = _adapted(state, backbone, "adapt_embeddings", prefix)
        lines += said
    if new_head:
        other = [name for name in expected if name in state and _other_classes(name, state[name], expected[name])]
        for name in other:
            shapes = f"{list(state.pop(name).shape)} in {path}, {list(expected.pop(name).shape)} here"
            lines.append(f"{name} keeps its initialisation: {shapes}")
    return _assign(state, expected, path) + lines


def load_pretrained(backbone: nn.Layer, path: str | Path) -> list[str]:
    """Loads a backbone from a file of its own or of a whole model ("backbone." before each name); of a distillation's
    file it takes the student.

    The file's classifier (head.*, out.*, fc.*) is left out, and a backbone with `adapt_pretrained` makes the rest fit
    where it can, which the returned lines say. Everything else must agree.

    Raises:
        UserError: listing every key that is missing, unexpected or of another shape.
    """
    whole, taken = _of_one_model(read_state(path), path)
    state, left_out = {}, []
    for name, value in whole.items():
        if name.split(".")[0] in HEAD_NAMES:
            left_out.append(name)
        else:
            state[name.removeprefix("backbone.")] = value
    state, lines = _adapted(state, backbone, "adapt_pretrained")
    lines += [f"left out of {path}: {_listed(left_out)}"] if left_out else []
    return _assign(state, backbone.state_dict(), path) + taken + lines


def _of_one_model(state: dict[str, np.ndarray], path: str | Path) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of a file, of a whole distillation's those of its student."""
    own = student_arrays(state)
    return (own, [f"{path} is of a distillation: its student was taken"]) if own else (state, [])


def _backbones(model: nn.Layer) -> list[tuple[str, Any]]:
    """The model's backbones, each with how the names of its arrays begin: several in a distillation."""
    if models := getattr(model, "models", None):
        return [(f"{name}.backbone.", part.backbone) for name, part in models.items()]
    return [("backbone.", getattr(model, "backbone", None))]


def _adapted(
    state: dict[str, np.ndarray], backbone: Any, method: str, prefix: str = ""
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The arrays of a file with those of the backbone, which begin with `prefix`, as its `method` makes them fit."""
    if not hasattr(backbone, method):
        return dict(state), []
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    others = {name: value for name, value in state.items() if not name.startswith(prefix)}
    own, lines = getattr(backbone, method)(own)
    return {prefix + name: value for name, value in own.items()} | others, lines


def _assign(state: Mapping[str, np.ndarray], expected: Mapping[str, Any], path: str | Path) -> list[str]:
    """Puts the arrays into the tensors of the same names, or raises UserError before touching any."""
    ours, theirs = describe(expected), describe(state)
    if not any(name in expected for name in state):
        raise UserError(
            f"{path}: none of its {len(state)} arrays belongs to this model, {ours}; the file looks like {theirs}: "
            f"it holds {_listed(state)}; the model wants {_listed(expected)}{advice(state, expected)}"
        )
    faults = [f"missing: {name}" for name in expected if name not in state]
    faults += [f"unexpected: {name}" for name in state if name not in expected]
    faults += [
        f"{name} is {list(value.shape)} in the file, {list(expected[name].shape)} in the model"
        for name, value in state.items()
        if name in expected and list(value.shape) != list(expected[name].shape)
    ]
    if faults:
        kinds = f" (the file looks like {theirs}, the model is {ours})" if theirs != ours else ""
        raise UserError(
            f"{path} does not fit the model{kinds}, {len(faults)} differences: {_listed(faults, 10, '; ')}"
            f"{advice(state, expected)}"
        )
    casts: dict[str, int] = {}
    for name, tensor in expected.items():
        wanted = str(tensor.dtype).removeprefix("paddle.")
        if state[name].dtype != wanted:
            casts[f"from {state[name].dtype} to {wanted}"] = casts.get(f"from {state[name].dtype} to {wanted}", 0) + 1
        tensor.set_value(state[name].astype(wanted))
    return [f"loaded {len(expected)} arrays from {path}"] + [f"cast {n} arrays {cast}" for cast, n in casts.items()]


def _other_classes(name: str, value: np.ndarray, tensor: Any) -> bool:
    """Whether a head's array differs from the model's in the last axis, the classes, and in that alone."""
    ours, of_head = list(tensor.shape), "head" in name.split(".")[:2]  # "head.fc.bias", "Student.head.fc.bias"
    return of_head and not tensor.stop_gradient and list(value.shape[:-1]) == ours[:-1] and list(value.shape) != ours


def _listed(names: Iterable[str], limit: int = 3, separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}and {len(names) - limit} more" if len(names) > limit else ""
    return (separator.join(names[:limit]) + more) or "nothing"


def _open(path: str | Path) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """`value` without Paddle's book-keeping, checked to be plain all the way down.

    `done` holds the containers met before by identity: one that is referred to many times is gone through once.
    """
    if isinstance(value, (dict, list, tuple)):
        if id(value) not in done:
            done[id(value)] = _UNFINISHED
            done[id(value)] = _plain_container(value, done)
        if done[id(value)] is _UNFINISHED:
            raise ValueError("a container that holds itself")
        return done[id(value)]
    if not isinstance(value, (np.ndarray, np.generic, str, bytes, int, float, bool, type(None))):
        raise ValueError(f"an object of type {type(value).__name__}")
    return value


def _plain_container(value: Any, done: dict[int, Any]) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item, done) for name, item in _join_slices(value).items() if name != STRUCTURED_NAMES}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], np.ndarray):
        return value[1]  # a tensor, saved as its name and its values
    return type(value)(_plain(item, done) for item in value)


def _join_slices(state: dict[Any, Any]) -> dict[Any, Any]:
    """Puts parameters that Paddle cut into flat slices 'w@@.0', 'w@@.1' ... back together."""
    if BIG_PARAMETERS not in state:
        return state
    state = dict(state)
    for name, info in state.pop(BIG_PARAMETERS).items():
        flat = np.concatenate([state.pop(part) for part in info["slices"]])
        state[name] = flat.reshape(info["OriginShape"])
    return state


def _read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    with _open(path) as file:
        try:
            return safetensors_file.read(file)
        except Exception as error:  # whatever a damaged file leads the library to
            told = " ".join(str(error).split())[:300]
            raise UserError(f"{path}: not a safetensors file, or a damaged one ({told})") from error
