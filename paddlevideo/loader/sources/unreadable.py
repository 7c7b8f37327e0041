"""The one error of opening and decoding, whatever the library that reported it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av


class Unreadable(Exception):
    """A video or frame that cannot be read. The data set's `on_error` decides what becomes of it.

    Attributes:
        path: the file.
        reason: why, in words.
    """

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)  # both, so that it can be pickled on its way out of a worker
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns whatever a decoding library raises inside the block into Unreadable."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, EOFError, av.FFmpegError) as error:
        text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
        raise Unreadable(path, text.splitlines()[0]) from error


def require_file(path: str) -> None:
    """Raises Unreadable with a plain reason where the libraries would only report that opening failed."""
    if Path(path).is_dir():
        raise Unreadable(path, "this is a folder, not a video; folders of frames are read by FrameDecoder")
    if not Path(path).is_file():
        raise Unreadable(path, "no such file")
    if Path(path).stat().st_size == 0:
        raise Unreadable(path, "the file is empty")
