"""What the names in a pickle stand for: builders of plain data that check what they are given."""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Name = tuple[str, str]  # module, name
KEYS = (str, int, float, bytes, type(None))  # tuples as keys could be made to take for ever to hash


class RefusedError(ValueError):
    """The pickle asks for something that plain data does not need."""


@dataclass(frozen=True)
class Builder:
    """What a name in the file stands for: a function of ours that checks its arguments."""

    build: Callable[..., Any]


@dataclass(frozen=True)
class Inert:
    """Stands for an object of a class that was neither imported nor made."""

    name: str


@dataclass
class Dtype:
    """A numpy dtype in the making: its byte order comes in a second instruction."""

    dtype: np.dtype


def checked_items(items: Any) -> dict[Any, Any]:
    """A dict of pairs whose keys are plain values."""
    pairs = [(key, value) for key, value in items]
    for key, _ in pairs:
        if not isinstance(key, KEYS):
            raise RefusedError(f"it uses a {type(key).__name__} as a key")
    return dict(pairs)


def set_state(target: Any, state: Any) -> None:
    """What follows an object's making: only arrays and dtypes have a state that matters."""
    if isinstance(target, np.ndarray):
        _set_array(target, *state)
    elif isinstance(target, Dtype):
        _set_dtype(target, *state)
    elif not isinstance(target, dict | Inert):  # an OrderedDict's attributes, such as torch's _metadata
        raise RefusedError(f"it sets the state of a {type(target).__name__}")


_NDARRAY = object()


def _latin1(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, by which protocol 2 writes bytes; no other codec is needed."""
    if encoding != "latin1":
        raise RefusedError(f"it asks for the codec {reprlib.repr(encoding)}")
    return text.encode("latin1")


def _reconstruct(kind: Any, shape: Any, code: Any) -> np.ndarray:
    """An empty array, to be given its shape and values by its state."""
    if kind is not _NDARRAY:
        raise RefusedError("it asks for an array that is not numpy's own")
    return np.empty(0, np.uint8)


def _dtype(code: Any, align: Any = False, copy: Any = False) -> Dtype:
    code = code.decode("ascii") if isinstance(code, bytes) else code
    if isinstance(code, str) and code[:1] == "O":
        raise RefusedError("an array of Python objects")
    if not isinstance(code, str) or not re.fullmatch(r"[<>=|]?([biufc]\d{1,2}|\?)", code):
        raise RefusedError(f"an array of {reprlib.repr(code)}")
    return Dtype(np.dtype(code))


def _set_dtype(target: Dtype, version: Any, order: Any, subdtype: Any, names: Any, fields: Any, *_: Any) -> None:
    order = order.decode("ascii") if isinstance(order, bytes) else order
    if order not in ("<", ">", "|", "=") or not subdtype is names is fields is None:
        raise RefusedError("an array of records")
    target.dtype = target.dtype.newbyteorder(order)


def _sized(shape: Any, dtype: Any, raw: Any) -> tuple[tuple[int, ...], np.dtype, bytes]:
    """An array's parts, checked to belong together."""
    if not isinstance(dtype, Dtype):
        raise RefusedError(f"an array of a {type(dtype).__name__}")
    if isinstance(raw, str):
        raw = raw.encode("latin1")  # from Python 2
    if not isinstance(raw, bytes | bytearray):
        raise RefusedError("an array of Python objects")
    sizes = tuple(shape)
    if len(sizes) > 32 or any(type(size) is not int or size < 0 for size in sizes):
        raise RefusedError(f"an array of shape {reprlib.repr(sizes)}")
    if math.prod(sizes) * dtype.dtype.itemsize != len(raw):
        raise RefusedError(f"an array of shape {reprlib.repr(sizes)} with {len(raw)} bytes of values")
    return sizes, dtype.dtype, bytes(raw)


def _set_array(target: np.ndarray, *state: Any) -> None:
    shape, dtype, fortran, raw = state[-4:]
    sizes, kind, data = _sized(shape, dtype, raw)
    target.__setstate__((1, sizes, kind, bool(fortran), data))  # type: ignore[arg-type]


def _scalar(dtype: Any, raw: Any) -> np.generic:
    _, kind, data = _sized((), dtype, raw)
    return np.frombuffer(data, kind)[0]


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    sizes, kind, data = _sized(shape, dtype, raw)
    return np.ndarray(sizes, kind, data, order="F" if order == "F" else "C").copy()


def _ordered(items: Any = ()) -> dict[Any, Any]:
    return checked_items(items)


def _tuple(items: Any = ()) -> tuple[Any, ...]:
    if not isinstance(items, list | tuple):
        raise RefusedError(f"a tuple of a {type(items).__name__}")
    return tuple(items)


def _no_bytes() -> bytes:
    """Stands for `bytes`, by which protocol 2 writes an empty one."""
    return b""


PLAIN: dict[Name, Any] = {
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): Builder(_dtype),
    ("collections", "OrderedDict"): Builder(_ordered),
    ("_codecs", "encode"): Builder(_latin1),
}
for _module in ("builtins", "__builtin__"):  # the name in Python 3 and 2
    PLAIN[_module, "tuple"] = Builder(_tuple)
    PLAIN[_module, "bytes"] = Builder(_no_bytes)
for _core in ("numpy.core", "numpy._core"):  # the name before and since numpy 2
    PLAIN[f"{_core}.multiarray", "_reconstruct"] = Builder(_reconstruct)
    PLAIN[f"{_core}.multiarray", "scalar"] = Builder(_scalar)
    PLAIN[f"{_core}.numeric", "_frombuffer"] = Builder(_from_buffer)
