"""PyTorch weight files, read without PyTorch and without running anything in them.

Two containers: since 1.6 a zip archive `NAME/data.pkl` with the values in `NAME/data/KEY`, uncompressed; before, a
stream of pickles (a magic number, a version, the writer's properties, the content, the keys of the values) followed by
the values. In both the content is a pickle that describes each tensor as a view of a storage of values.
"""

from __future__ import annotations

import io
import math
import os
import reprlib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from paddlevideo.modeling import plain_pickle
from paddlevideo.modeling.pickle_builders import PLAIN, Builder, Inert, Name, RefusedError
from paddlevideo.modeling.safetensors_file import from_bfloat16
from paddlevideo.utils.errors import UserError

ZIP_START = b"PK\x03\x04"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_START = b"\x80\x02\x8a\x0a" + LEGACY_MAGIC.to_bytes(10, "little")
LEGACY_VERSION = 1001
BFLOAT16 = "bfloat16"
STORAGES = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "BFloat16": BFLOAT16,
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "b1",
    "ComplexFloat": "c8",
    "ComplexDouble": "c16",
}
DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool")
# Packages whose objects stand in files beside the weights (logs, settings). They become placeholders.
INERT = ("mmengine", "mmcv", "mmaction", "argparse", "yacs", "pathlib")
STATES = ("state_dict", "model_state", "model")  # where mmaction2 and mit-han-lab, facebookresearch, others put weights


@dataclass(frozen=True)
class Storage:
    """A row of values somewhere in the file."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage; sizes, strides and offset count values."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor as an array of its own."""
        return math.prod(self.size) * _itemsize(self.storage.dtype)


@dataclass(frozen=True)
class TorchFile:
    """The named tensors of a file.

    Attributes:
        arrays: name -> array; bfloat16, which numpy has not, as float32 of the same value.
        others: names that stand among the tensors but are none.
        beside: what else the file holds, such as "meta" or "epoch".
    """

    arrays: dict[str, np.ndarray]
    others: list[str]
    beside: dict[str, Any]


def is_torch(head: bytes) -> bool:
    """Whether a file that begins with these bytes (14 or more) is one of the two containers."""
    return head.startswith((ZIP_START, LEGACY_START))


def read_torch(path: str | Path) -> TorchFile:
    """The weights of a PyTorch file.

    Raises:
        UserError: when the file is missing, damaged, unsafe, or holds no named tensors.
    """
    try:
        with Path(path).open("rb") as file:
            legacy = file.read(len(LEGACY_START)).startswith(LEGACY_START)
            file.seek(0)
            return (_read_legacy if legacy else _read_zip)(file)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # a damaged file raises nearly anything, from EOFError to MemoryError
        told = " ".join(str(error).split())[:300]
        raise UserError(f"{path}: not a weight file, or a damaged or unsafe one ({told}); nothing was run") from error


# --- the two containers -----------------------------------------------------------------------------------------------


def _read_zip(file: BinaryIO) -> TorchFile:
    total = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()):
            raise RefusedError("it names an entry twice")
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries.values()):
            raise RefusedError("it is compressed, which PyTorch's files are not")
        stored = [max(entry.file_size, entry.compress_size) for entry in entries.values()]
        if sum(stored) > total:
            raise RefusedError("its entries claim more than the file holds")
        contents = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(contents) != 1:
            raise RefusedError(f"it holds {len(contents)} data.pkl")
        folder = contents[0].removesuffix("data.pkl")
        order: Any = "<"
        if f"{folder}byteorder" in entries:
            order = {b"little": "<", b"big": ">"}[archive.read(f"{folder}byteorder")]
        tree = _content(io.BytesIO(archive.read(contents[0])), total, lambda root, view: root)

        def values(storage: Storage) -> np.ndarray:
            entry = entries[f"{folder}data/{storage.key}"]
            if entry.file_size != storage.count * _itemsize(storage.dtype):
                raise RefusedError(f"storage {storage.key} has {entry.file_size} bytes for {storage.count} values")
            return np.ndarray(storage.count, _numpy(storage.dtype).newbyteorder(order), archive.read(entry))

        return _weights(tree, values, total)


def _read_legacy(file: BinaryIO) -> TorchFile:
    total = os.fstat(file.fileno()).st_size
    magic, version, system = (plain_pickle.load(file, total, PLAIN) for _ in range(3))
    if magic != LEGACY_MAGIC or version != LEGACY_VERSION:
        raise RefusedError(f"version {reprlib.repr(version)} of the format is not {LEGACY_VERSION}")
    if not system["little_endian"]:
        raise RefusedError("it was written on a big-endian machine")
    storages: dict[str, Storage] = {}

    def root_of(root: Storage, view: Any) -> Storage:
        if view is not None:
            raise RefusedError("its storages are views of others, as before PyTorch 0.4")
        if storages.setdefault(root.key, root) != root:
            raise RefusedError(f"storage {root.key} is described in two ways")
        return root

    tree = _content(file, total, root_of)
    keys = plain_pickle.load(file, total, PLAIN)
    places: dict[str, int] = {}
    for key in keys:
        if not isinstance(key, str):
            raise RefusedError("its storages have no names")
        count = int.from_bytes(file.read(8), "little")
        size = count * _itemsize(storages[key].dtype)
        if count != storages[key].count or file.tell() + size > total or key in places:
            raise RefusedError(f"storage {key} has {count} values for {storages[key].count}, or the file ends in it")
        places[key] = file.tell()
        file.seek(size, os.SEEK_CUR)
    if file.tell() != total:
        raise RefusedError(f"{total - file.tell()} bytes are left over")

    def values(storage: Storage) -> np.ndarray:
        file.seek(places[storage.key])
        raw = file.read(storage.count * _itemsize(storage.dtype))
        return np.ndarray(storage.count, _numpy(storage.dtype), raw)

    return _weights(tree, values, total)


def _weights(tree: Any, values: Callable[[Storage], np.ndarray], total: int) -> TorchFile:
    """The tensors of the content's state dict, read from their storages; the rest of the file is left unread."""
    if not isinstance(tree, dict):
        raise RefusedError(f"it holds a {type(tree).__name__}, not named tensors")
    within = next((key for key in STATES if isinstance(tree.get(key), dict)), None)
    state = tree if within is None else tree[within]
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise RefusedError(f"it holds no named tensors, but {', '.join(map(str, list(state)[:5])) or 'nothing'}")
    if sum(tensor.nbytes for tensor in tensors.values()) > 16 * total + 2**26:
        raise RefusedError("its tensors repeat their values to many times the size of the file")
    read: dict[Storage, np.ndarray] = {}
    arrays = {}
    for name, tensor in tensors.items():
        if tensor.storage not in read:
            read[tensor.storage] = values(tensor.storage)
        arrays[name] = _view(read[tensor.storage], tensor)
    beside = {} if within is None else {str(key): value for key, value in tree.items() if key != within}
    return TorchFile(arrays, [str(name) for name in state if name not in tensors], beside)


def _view(values: np.ndarray, tensor: Tensor) -> np.ndarray:
    item = values.itemsize
    strides = tuple(step * item for step in tensor.stride)
    view = np.ndarray(tensor.size, values.dtype, values, tensor.offset * item, strides)  # checks the bounds once more
    array = np.ascontiguousarray(view, view.dtype.newbyteorder("=")).reshape(tensor.size)
    return from_bfloat16(array) if tensor.storage.dtype == BFLOAT16 else array


def _itemsize(dtype: str) -> int:
    return _numpy(dtype).itemsize


def _numpy(dtype: str) -> np.dtype:
    return np.dtype("<u2" if dtype == BFLOAT16 else f"<{dtype}")


# --- the content ------------------------------------------------------------------------------------------------------


def _content(file: Any, total: int, root_of: Callable[[Storage, Any], Storage]) -> Any:
    def persistent(identity: Any) -> Storage:
        kind, dtype, key, _, count, *view = identity
        sound = isinstance(dtype, StorageType) and isinstance(key, str) and type(count) is int and count >= 0
        if kind != "storage" or not sound:
            raise RefusedError(f"a persistent id that is no storage: {reprlib.repr(identity)}")
        return root_of(Storage(key, dtype.dtype, count), view[0] if view else None)

    return plain_pickle.load(file, total, BUILDERS, persistent, INERT)


@dataclass(frozen=True)
class StorageType:
    """What `torch.FloatStorage` and the like stand for."""

    dtype: str


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
    """Stands for torch._utils._rebuild_tensor_v2; what follows the stride concerns gradients."""
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or any(type(number) is not int or number < 0 for number in numbers):
        raise RefusedError(f"a tensor of {reprlib.repr((size, stride, offset))}")
    if len(size) != len(stride) or len(size) > 32:
        raise RefusedError(f"a tensor of size {reprlib.repr(size)} and stride {reprlib.repr(stride)}")
    last = offset + sum((length - 1) * step for length, step in zip(size, stride))
    if math.prod(size) and last >= storage.count:
        raise RefusedError(f"a tensor reaches value {last} of a storage of {storage.count}")
    return Tensor(storage, offset if math.prod(size) else 0, tuple(size), tuple(stride))


def _parameter(data: Any, *_: Any) -> Any:
    if not isinstance(data, Tensor):
        raise RefusedError(f"a parameter that is a {type(data).__name__}")
    return data


def _size(sizes: Any = ()) -> tuple[Any, ...]:
    return tuple(sizes)


def _device(*where: Any) -> Inert:
    return Inert("torch.device")


BUILDERS: dict[Name, Any] = {
    **PLAIN,
    ("torch._utils", "_rebuild_tensor"): Builder(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Builder(_tensor),
    ("torch._utils", "_rebuild_parameter"): Builder(_parameter),
    ("torch.nn.parameter", "Parameter"): Builder(_parameter),
    ("torch", "Size"): Builder(_size),
    ("torch", "device"): Builder(_device),
    **{
        (module, f"{name}Storage"): StorageType(dtype)
        for name, dtype in STORAGES.items()
        for module in ("torch", "torch.cuda")  # the latter in old files
    },
    **{("torch", name): Inert(f"torch.{name}") for name in DTYPES},
}
