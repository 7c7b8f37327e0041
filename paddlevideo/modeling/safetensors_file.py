"""The safetensors container: a table of names, then the values, nothing that could be run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import safetensors
import safetensors.numpy

BFLOAT16 = "BF16"
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    BFLOAT16: "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
LONGEST_TABLE = 100_000_000  # the format's own limit


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins with these 9 bytes or more is one."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= LONGEST_TABLE


def from_bfloat16(bits: np.ndarray) -> np.ndarray:
    """16 bits of each value -> float32, whose upper half bfloat16 is."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def read(file: BinaryIO) -> dict[str, np.ndarray]:
    """The named arrays; bfloat16, which numpy has not, as float32 of the same value.

    Raises:
        ValueError: the file is damaged, or holds a type of number that numpy has not.
    """
    try:
        entries = safetensors.deserialize(file.read())
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from None
    arrays = {}
    for name, entry in entries:
        kind = entry["dtype"]
        if kind not in DTYPES:
            raise ValueError(f"'{name}' is of type {kind}")
        array = np.frombuffer(entry["data"], DTYPES[kind]).reshape(entry["shape"])
        arrays[name] = from_bfloat16(array) if kind == BFLOAT16 else array
    return arrays


def write(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the named arrays."""
    file.write(safetensors.numpy.save({name: np.asarray(array, order="C") for name, array in arrays.items()}))
