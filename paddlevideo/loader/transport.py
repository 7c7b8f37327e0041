"""Messages between processes. Large arrays do not go through the pipe but through memory that both sides have.

A memory file (memfd) has no name: whatever way a process ends, nothing is left behind. And it is not part of /dev/shm,
so a container's small /dev/shm (Docker: 64 MB) does not limit it.
"""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any, NamedTuple

import numpy as np

LARGE = 1 << 17  # bytes; less than this is as fast through a pipe, and fits into it while nobody reads


class Parked(NamedTuple):
    """Stands in a message for an array that comes another way."""

    shape: tuple[int, ...]
    dtype: np.dtype


class Channel:
    """One end of a pipe.

    Attributes:
        trouble: why large arrays go through the pipe all the same, which takes about four times as long; empty where
            they do not. The receiving end has that of the sending one.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.trouble = "" if hasattr(os, "memfd_create") else "this system has no memory files (memfd)"

    def send(self, value: Any) -> None:
        """Sends a value that can be pickled. Large are arrays of LARGE bytes or more, in dicts and tuples."""
        arrays: list[np.ndarray] = []
        rest = _parked(value, arrays)
        file = self._memory_file(arrays) if arrays else None
        if file is None:
            self.connection.send((value, False, self.trouble))
            return
        try:
            self.connection.send((rest, True, ""))
            send_handle(self.connection, file, os.getppid())
        finally:
            os.close(file)

    def _memory_file(self, arrays: list[np.ndarray]) -> int | None:
        """A file in memory that holds the arrays, or None, and from then on `trouble`.

        Written, not mapped: where memory runs out that is an error here, and not the end of the process.
        """
        if self.trouble:
            return None
        file = -1
        try:
            file = os.memfd_create("paddlevideo")
            for array in arrays:
                memory, written = array.data.cast("B"), 0
                while written < array.nbytes:
                    written += os.write(file, memory[written:])
            return file
        except OSError as error:
            size = sum(array.nbytes for array in arrays)
            self.trouble = f"{size / 1e6:.1f} MB of shared memory: {error.strerror}"
            if file >= 0:
                os.close(file)
            return None

    def receive(self) -> Any:
        """The next value; its arrays are the receiver's own. Raises EOFError or OSError when the other end is gone."""
        value, parked, self.trouble = self.connection.recv()
        if not parked:
            return value
        file = recv_handle(self.connection)
        try:
            os.lseek(file, 0, os.SEEK_SET)
            return _filled(value, file)
        finally:
            os.close(file)


def _parked(value: Any, arrays: list[np.ndarray]) -> Any:
    """`value` without its large arrays, which are appended to `arrays`, contiguous."""
    if isinstance(value, np.ndarray) and value.nbytes >= LARGE and not value.dtype.hasobject:
        arrays.append(np.ascontiguousarray(value))
        return Parked(value.shape, value.dtype)
    if type(value) is dict:
        return {key: _parked(item, arrays) for key, item in value.items()}
    if type(value) is tuple:
        return tuple(_parked(item, arrays) for item in value)
    return value


def _filled(value: Any, file: int) -> Any:
    """The inverse of `_parked`: the arrays are read from `file`, one after another."""
    if type(value) is Parked:
        array = np.empty(value.shape, value.dtype)
        memory, read = array.data.cast("B"), 0
        while read < array.nbytes:
            read += os.readv(file, [memory[read:]])
        return array
    if type(value) is dict:
        return {key: _filled(item, file) for key, item in value.items()}
    if type(value) is tuple:
        return tuple(_filled(item, file) for item in value)
    return value
