"""How long one video may take."""

from __future__ import annotations

import time
from types import TracebackType

import av

from paddlevideo.loader.sources.unreadable import Unreadable


class TimeLimit:
    """Ends `with limit:` blocks that take too long, wherever they call `check`.

    Args:
        path: the file, for the message.
        seconds: that each block may take; None: as long as it likes.
    """

    def __init__(self, path: str, seconds: float | None) -> None:
        self.path = path
        self.seconds = seconds
        self._end = float("inf")

    def __enter__(self) -> TimeLimit:
        if self.seconds is not None:
            self._end = time.monotonic() + self.seconds
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end = float("inf")
        if isinstance(error, av.error.ExitError):  # FFmpeg itself has given up
            raise self._too_long() from error

    def check(self) -> None:
        """Raises Unreadable when the time is up."""
        if time.monotonic() > self._end:
            raise self._too_long()

    def _too_long(self) -> Unreadable:
        return Unreadable(self.path, f"reading took more than {self.seconds:g} s (time_limit)")
