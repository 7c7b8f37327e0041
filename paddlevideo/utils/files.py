"""Files: whole or absent under their final name; their names on one line, and the hash of what they hold."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from paddlevideo.utils.errors import UserError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside `path`; when the block ends well, what was written there becomes `path`.

    The bytes are on disk before the name appears. If the block fails, or the process dies, `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent}: cannot be made ({error.strerror})") from error
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield scratch
        with scratch.open("rb+") as handle:
            os.fsync(handle.fileno())
        scratch.replace(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror or error}); nothing was changed") from error
    finally:
        scratch.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """The hash of what a file holds, in hexadecimal digits. Raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def plain(name: str) -> str:
    """The name of a file on one line: what cannot be printed, or is no UTF-8, as Python writes it (\\n, \\udcff)."""
    if name.isprintable():
        return name
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in name)


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically, in UTF-8; what is no UTF-8 in the names of files as \\udcff, which JSON reads."""
    with atomic(path) as scratch:
        scratch.write_text(text, encoding="utf-8", errors="backslashreplace")


def append(file: FileIO, path: Path, line: bytes) -> None:
    """Appends a line to an open file, which is with the system on return. Raises UserError naming `path`."""
    try:
        written = file.write(line)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    if written != len(line):
        raise UserError(f"{path}: cannot be written (the disk is full)")


def write_with(path: Path, write: Callable[[str], object]) -> None:
    """Lets a library function that takes a file name write `path` atomically."""
    with atomic(path) as scratch:
        write(str(scratch))
