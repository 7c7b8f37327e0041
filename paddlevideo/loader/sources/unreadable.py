"""The one error of opening and decoding, whatever the library that reported it."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from paddlevideo.utils.errors import UserError
from paddlevideo.utils.files import plain


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
        return f"{plain(self.path)}: {self.reason}"


# Of our own program, not of a file: these are not to be hidden behind a video that "cannot be read".
OURS = (Unreadable, AssertionError, AttributeError, LookupError, MemoryError, NameError, TypeError, UserError)


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turns whatever a decoding library raises inside the block into Unreadable."""
    try:
        yield
    except Exception as error:
        if isinstance(error, OURS) and not isinstance(error, av.FFmpegError):
            raise
        raise Unreadable(path, f"decoding it failed: {_words(error)}") from error


def open_video(path: str, timeout: float | None = None) -> av.container.InputContainer:
    """A file opened by PyAV. Raises Unreadable, which says what it is instead, where that can be told."""
    require_file(path)
    try:
        container = av.open(path, timeout=timeout)
    except av.error.ExitError as error:
        raise Unreadable(path, f"opening it took more than {timeout:g} s (time_limit)") from error
    except av.FFmpegError as error:
        raise Unreadable(path, f"{_what_it_is(path)} ({_words(error)})") from error
    form = container.format.name
    if form == "image2" or form.endswith("_pipe"):  # for FFmpeg, a video of one frame
        raise Unreadable(path, f"this is an image ({form.removesuffix('_pipe')}), not a video")
    return container


def _words(error: Exception) -> str:
    """The first line of an error, without the time and the source line that decord puts before it."""
    text = getattr(error, "strerror", None) or str(error).strip() or type(error).__name__
    return re.sub(r"\[\d\d:\d\d:\d\d\] \S+:\d+: ", "", text.splitlines()[0])


def _what_it_is(path: str) -> str:
    """In words, of a file that FFmpeg does not open."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(1024)
    except OSError:
        return "it cannot be opened"
    if head[4:8] == b"ftyp":
        return "an mp4 file that is cut off: its index (moov) is missing"
    if not re.search(rb"[\x00-\x08\x0e-\x1f]", head):
        return "this is text, not a video"
    return "this is not a video, or its beginning is damaged"


KINDS: dict[int, str] = {
    stat.S_IFDIR: "this is a folder, not a video; folders of frames are read by FrameDecoder",
    stat.S_IFIFO: "this is a named pipe, not a video",
    stat.S_IFSOCK: "this is a socket, not a video",
    stat.S_IFCHR: "this is a device, not a video",
    stat.S_IFBLK: "this is a device, not a video",
}


def require_file(path: str) -> None:
    """Raises Unreadable with a plain reason where a library would only say that opening failed, or wait for ever."""
    try:
        status = os.stat(path)  # noqa: PTH116 - Path.stat is twice as slow
    except FileNotFoundError:
        link = os.path.islink(path)  # noqa: PTH114
        raise Unreadable(path, "this is a link to a file that is not there" if link else "no such file") from None
    except (OSError, ValueError) as error:
        raise Unreadable(path, getattr(error, "strerror", None) or str(error)) from None
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise Unreadable(path, KINDS.get(kind, "this is not a regular file"))
    if status.st_size == 0:
        raise Unreadable(path, "the file is empty")


def read_regular(path: str) -> bytes:
    """What a file holds. Pipes and devices, which may never end, are refused. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would have us wait for somebody who writes to it
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        data = os.read(file, status.st_size)
        while len(data) < status.st_size and (more := os.read(file, status.st_size - len(data))):
            data += more
        return data
    finally:
        os.close(file)
