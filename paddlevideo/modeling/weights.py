"""Weight files: read without running anything in them, and loaded by name with every difference told.

A `.pdparams` file is a pickle, and a pickle is a program. The unpickler here knows the few names such files need and
refuses all others, so a hostile file ends in an error.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from paddle import nn

from paddlevideo.utils.errors import UserError

STRUCTURED_NAMES = "StructuredToParameterName@@"
BIG_PARAMETERS = "UnpackBigParamInfor@@"
HEAD_NAMES = ("head", "out", "fc")


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which protocol 2 writes bytes; no other codec is needed."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("collections", "OrderedDict"): OrderedDict,
    ("builtins", "tuple"): tuple,
    ("_codecs", "encode"): _latin1,
}
for core in ("numpy.core", "numpy._core"):  # the name before and since numpy 2
    # numpy's own builders of arrays and scalars, taken from what it pickles itself: their module has moved
    ALLOWED[f"{core}.multiarray", "_reconstruct"] = np.zeros(1).__reduce__()[0]
    ALLOWED[f"{core}.multiarray", "scalar"] = np.float32(0).__reduce__()[0]
    ALLOWED[f"{core}.numeric", "_frombuffer"] = np.zeros(1).__reduce_ex__(5)[0]


class PlainUnpickler(pickle.Unpickler):
    """Builds numbers, strings, containers and numpy arrays; anything else in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        """The object a file may call; raises UnpicklingError for every name outside the list."""
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"it asks to run {module}.{name}")
        return ALLOWED[module, name]


def read_pickle(path: str | Path) -> Any:
    """The content of a `.pdparams` or `.pdopt` file as nested dicts and lists of plain values and numpy arrays.

    Paddle's own book-keeping is taken out: tensors saved as (name, array) become the array, parameters cut into
    slices (protocol 2, above 1 GiB) are joined, and the table of parameter names is dropped.

    Raises:
        UserError: when the file is missing, damaged, or holds anything but plain data.
    """
    with _open(path) as file:
        try:
            return _plain(PlainUnpickler(file).load())
        except Exception as error:  # a damaged pickle raises nearly anything, from EOFError to MemoryError
            raise UserError(
                f"{path}: not a weight file, or a damaged or unsafe one ({error}); nothing was run"
            ) from error


def read_state(path: str | Path) -> dict[str, np.ndarray]:
    """The named arrays of a weight file, `.safetensors` by suffix and Paddle's `.pdparams` otherwise.

    bfloat16, which numpy has not, comes back as float32 of the same value.

    Raises:
        UserError: when the file is missing, damaged, unsafe or holds something other than named arrays.
    """
    if Path(path).suffix == ".safetensors":
        return _read_safetensors(path)
    state = read_pickle(path)
    if not isinstance(state, dict) or not state:
        kind = "nothing" if state == {} else f"a {type(state).__name__}"
        raise UserError(f"{path}: holds {kind}, not the named arrays of a model")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, np.ndarray):
            raise UserError(f"{path}: '{name}' is a {type(value).__name__}, not an array; is this a file of weights?")
    # Paddle writes bfloat16 as its 16 bits; no model has uint16 weights
    return {name: _from_bfloat16(value) if value.dtype == np.uint16 else value for name, value in state.items()}


def state_arrays(model: nn.Layer) -> dict[str, np.ndarray]:
    """The model's parameters and running statistics by name, floats as float32 whatever they are trained in."""
    return {
        name: (value.astype("float32") if value.is_floating_point() else value).numpy()
        for name, value in model.state_dict().items()
    }


def load_weights(model: nn.Layer, path: str | Path, *, new_head: bool = False) -> list[str]:
    """Loads a whole model by name; all of the file and all of the model must agree.

    Args:
        model: changed in place, and only when everything fits.
        path: a `.pdparams` or `.safetensors` file.
        new_head: for fine-tuning: a classifier for another number of classes keeps its initialisation.

    Returns:
        Lines for the log: what was loaded, cast, or left out.

    Raises:
        UserError: listing every key that is missing, unexpected or of another shape.
    """
    state, expected = read_state(path), model.state_dict()
    lines = []
    if new_head:
        other = [name for name in expected if name in state and _other_classes(name, state[name], expected[name])]
        for name in other:
            shapes = f"{list(state.pop(name).shape)} in {path}, {list(expected.pop(name).shape)} here"
            lines.append(f"{name} keeps its initialisation: {shapes}")
    return _assign(state, expected, path) + lines


def load_pretrained(backbone: nn.Layer, path: str | Path) -> list[str]:
    """Loads a backbone from a file of its own or of a whole model ("backbone." before each name).

    The file's classifier (head.*, out.*, fc.*) is left out, which the returned lines say. Everything else must agree.

    Raises:
        UserError: listing every key that is missing, unexpected or of another shape.
    """
    state, left_out = {}, []
    for name, value in read_state(path).items():
        if name.split(".")[0] in HEAD_NAMES:
            left_out.append(name)
        else:
            state[name.removeprefix("backbone.")] = value
    lines = [f"left out of {path}: {_listed(left_out)}"] if left_out else []
    return _assign(state, backbone.state_dict(), path) + lines


def _assign(state: Mapping[str, np.ndarray], expected: Mapping[str, Any], path: str | Path) -> list[str]:
    """Puts the arrays into the tensors of the same names, or raises UserError before touching any."""
    if not any(name in expected for name in state):
        raise UserError(
            f"{path}: none of its {len(state)} arrays belongs to this model: it holds {_listed(state)}; "
            f"the model wants {_listed(expected)}"
        )
    faults = [f"missing: {name}" for name in expected if name not in state]
    faults += [f"unexpected: {name}" for name in state if name not in expected]
    faults += [
        f"{name} is {list(value.shape)} in the file, {list(expected[name].shape)} in the model"
        for name, value in state.items()
        if name in expected and list(value.shape) != list(expected[name].shape)
    ]
    if faults:
        raise UserError(f"{path} does not fit the model, {len(faults)} differences: {_listed(faults, 10, '; ')}")
    casts: dict[str, int] = {}
    for name, tensor in expected.items():
        wanted = str(tensor.dtype).removeprefix("paddle.")
        if state[name].dtype != wanted:
            casts[f"from {state[name].dtype} to {wanted}"] = casts.get(f"from {state[name].dtype} to {wanted}", 0) + 1
        tensor.set_value(state[name].astype(wanted))
    return [f"loaded {len(expected)} arrays from {path}"] + [f"cast {n} arrays {cast}" for cast, n in casts.items()]


def _other_classes(name: str, value: np.ndarray, tensor: Any) -> bool:
    """Whether a head's array differs from the model's in the last axis, the classes, and in that alone."""
    ours = list(tensor.shape)
    return name.startswith("head.") and list(value.shape[:-1]) == ours[:-1] and list(value.shape) != ours


def _listed(names: Iterable[str], limit: int = 3, separator: str = ", ") -> str:
    names = list(names)
    more = f"{separator}and {len(names) - limit} more" if len(names) > limit else ""
    return (separator.join(names[:limit]) + more) or "nothing"


def _open(path: str | Path) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error


def _plain(value: Any) -> Any:
    """`value` without Paddle's book-keeping, checked to be plain all the way down."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in _join_slices(value).items() if name != STRUCTURED_NAMES}
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], np.ndarray):
        value = value[1]  # a tensor, saved as its name and its values
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    if isinstance(value, np.ndarray) and value.dtype.hasobject:
        raise ValueError("an array of Python objects")
    if not isinstance(value, (np.ndarray, np.generic, str, bytes, int, float, bool, type(None))):
        raise ValueError(f"an object of type {type(value).__name__}")
    return value


def _join_slices(state: dict[Any, Any]) -> dict[Any, Any]:
    """Puts parameters that Paddle cut into flat slices 'w@@.0', 'w@@.1' ... back together."""
    if BIG_PARAMETERS not in state:
        return state
    state = dict(state)
    for name, info in state.pop(BIG_PARAMETERS).items():
        flat = np.concatenate([state.pop(part) for part in info["slices"]])
        state[name] = flat.reshape(info["OriginShape"])
    return state


def _from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """bfloat16 is the upper half of a float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def _read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    try:
        import safetensors
    except ImportError as error:
        raise UserError(f"{path}: reading it needs the extra: pip install 'paddlevideo[safetensors]'") from error
    dtypes = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8", "I32": "i4", "U8": "u1", "BOOL": "?"}
    with _open(path) as file:
        try:
            arrays = {}
            for name, entry in safetensors.deserialize(file.read()):
                array = np.frombuffer(entry["data"], f"<{dtypes[entry['dtype']]}").reshape(entry["shape"])
                arrays[name] = _from_bfloat16(array) if entry["dtype"] == "BF16" else array
            return arrays
        except (safetensors.SafetensorError, KeyError, ValueError) as error:
            raise UserError(f"{path}: not a safetensors file, or a damaged one ({error})") from error
