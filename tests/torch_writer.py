"""Writes the two containers of PyTorch byte by byte, so that the reader is tested without PyTorch."""

from __future__ import annotations

import struct
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {
    "f8": "DoubleStorage",
    "f4": "FloatStorage",
    "f2": "HalfStorage",
    "i8": "LongStorage",
    "i4": "IntStorage",
    "i2": "ShortStorage",
    "i1": "CharStorage",
    "u1": "ByteStorage",
    "b1": "BoolStorage",
    "c8": "ComplexFloatStorage",
}


@dataclass(frozen=True)
class Global:
    """A name: `c module name`."""

    module: str
    name: str


@dataclass(frozen=True)
class Call:
    """A call of a name; `state` is set afterwards, `new` uses NEWOBJ."""

    function: Global
    arguments: tuple
    state: Any = None
    new: bool = False


@dataclass(eq=False)
class Storage:
    """Values that tensors look at. `count` overrides what the file claims."""

    values: np.ndarray
    kind: str = ""
    count: int | None = None
    key: str = ""

    def type_name(self) -> str:
        return self.kind or STORAGES[self.values.dtype.str[1:]]

    def persistent(self) -> tuple:
        count = len(self.values) if self.count is None else self.count
        return ("storage", Global("torch", self.type_name()), self.key, "cpu", count)


@dataclass(eq=False)
class View:
    """A tensor: a view of a storage."""

    storage: Storage
    size: tuple
    stride: tuple
    offset: int = 0
    parameter: bool = False


def tensor(array: np.ndarray, **options: Any) -> View:
    """A contiguous tensor with a storage of its own."""
    array = np.asarray(array)
    stride = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides) if array.ndim else ()
    return View(Storage(np.ascontiguousarray(array).ravel()), array.shape, stride, **options)


def bfloat16(array: np.ndarray) -> View:
    """A tensor of the upper halves of float32 values."""
    bits = (np.asarray(array, "<f4").view("<u4") >> 16).astype("<u2")
    whole = tensor(bits)
    whole.storage.kind = "BFloat16Storage"
    return whole


@dataclass
class Pickler:
    """Protocol 2, as torch.save writes it. Storages are collected in the order they are met."""

    legacy: bool = False
    storages: list[Storage] = field(default_factory=list)
    memo: dict[Any, int] = field(default_factory=dict)

    def dump(self, value: Any) -> bytes:
        return b"\x80\x02" + self.emit(value) + b"."

    def emit(self, value: Any) -> bytes:
        if isinstance(value, View):
            return self.view(value)
        if isinstance(value, Storage):
            return self.storage(value)
        if isinstance(value, Global):
            return self.once(value, f"c{value.module}\n{value.name}\n".encode())
        if isinstance(value, Call):
            code = self.emit(value.function) + self.emit(value.arguments) + (b"\x81" if value.new else b"R")
            return code + (self.emit(value.state) + b"b" if value.state is not None else b"")
        if isinstance(value, OrderedDict):
            return self.emit(Global("collections", "OrderedDict")) + b")R" + self.items(value)
        if isinstance(value, dict):
            return b"}" + self.items(value)
        if isinstance(value, list):
            return b"](" + b"".join(map(self.emit, value)) + b"e"
        if isinstance(value, tuple):
            return b"(" + b"".join(map(self.emit, value)) + b"t"
        return self.plain(value)

    def plain(self, value: Any) -> bytes:
        if value is None or isinstance(value, bool):
            return {None: b"N", True: b"\x88", False: b"\x89"}[value]
        if isinstance(value, int):
            size = (value.bit_length() + 8) // 8
            return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)
        if isinstance(value, float):
            return b"G" + struct.pack(">d", value)
        text = value.encode()
        return self.once(value, b"X" + struct.pack("<I", len(text)) + text)

    def items(self, value: dict) -> bytes:
        return b"(" + b"".join(self.emit(key) + self.emit(item) for key, item in value.items()) + b"u"

    def once(self, value: Any, code: bytes) -> bytes:
        """The value, put into the memo; the next time taken from there."""
        if value in self.memo:
            return b"j" + struct.pack("<I", self.memo[value])
        self.memo[value] = len(self.memo)
        return code + b"r" + struct.pack("<I", self.memo[value])

    def storage(self, storage: Storage) -> bytes:
        if all(storage is not known for known in self.storages):
            storage.key = storage.key or str(len(self.storages))
            self.storages.append(storage)
        return self.emit(storage.persistent() + ((None,) if self.legacy else ())) + b"Q"

    def view(self, view: View) -> bytes:
        arguments = (view.storage, view.offset, view.size, view.stride, False, OrderedDict())
        made = Call(Global("torch._utils", "_rebuild_tensor_v2"), arguments)
        if view.parameter:
            made = Call(Global("torch._utils", "_rebuild_parameter"), (made, True, OrderedDict()))
        return self.emit(made)


def write_zip(path: Path, tree: Any, name: str = "archive", order: str = "little", **extra: bytes) -> Path:
    """The container since PyTorch 1.6."""
    pickler = Pickler()
    content = pickler.dump(tree)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{name}/data.pkl", content)
        archive.writestr(f"{name}/byteorder", order)
        for storage in pickler.storages:
            archive.writestr(f"{name}/data/{storage.key}", raw(storage, order))
        archive.writestr(f"{name}/version", "3\n")
        for entry, data in extra.items():
            archive.writestr(f"{name}/{entry}", data)
    return path


def write_legacy(path: Path, tree: Any, little_endian: bool = True) -> Path:
    """The container before: five pickles and the values."""
    pickler = Pickler(legacy=True)
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    code = Pickler().dump(0x1950A86A20F9469CFC6C) + Pickler().dump(1001) + Pickler().dump(system)
    code += pickler.dump(tree)
    code += Pickler().dump([storage.key for storage in pickler.storages])
    for storage in pickler.storages:
        code += struct.pack("<q", len(storage.values)) + raw(storage)
    path.write_bytes(code)
    return path


def raw(storage: Storage, order: str = "little") -> bytes:
    kind = storage.values.dtype.newbyteorder("<" if order == "little" else ">")
    return storage.values.astype(kind).tobytes()


WRITERS = {"zip": write_zip, "legacy": write_legacy}
