"""Ctrl-C and SIGTERM as a wish that the loop grants at the next safe point; and signals that wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from types import FrameType, TracebackType

from paddlevideo.utils.log import logger


class Stopped(SystemExit):
    """The run was stopped by a signal after saving; the exit code is 128 + the signal's number."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)


class AskedToStop(Exception):
    """Ends what is under way on the way to a place where the run can be saved."""


class StopRequest:
    """While active, remembers a SIGINT or SIGTERM instead of dying of it. A second SIGINT dies at once.

    A second SIGTERM does not: paddle.distributed.launch sends three of them within a second, and SIGKILL after 30.

    Outside the main thread signals cannot be caught, and nothing is changed.

    Args:
        decides: a signal makes this process leave; where it does not, `wanted` stays False and another one decides.
    """

    def __init__(self, decides: bool = True) -> None:
        self.number: int | None = None
        self._decides = decides
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._remember)
        return self

    @property
    def wanted(self) -> bool:
        """Whether this process is to leave."""
        return self._decides and self.number is not None

    def leave(self) -> None:
        """Raises AskedToStop where this process is to leave."""
        if self.wanted:
            raise AskedToStop

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            if self.number == number == signal.SIGINT:
                raise Stopped(number)
            return
        self.number = number
        again = " (again to leave without saving)" if number == signal.SIGINT else ""
        logger.info(f"{signal.Signals(number).name}: saving after this step{again}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]


@contextmanager
def deferred(signals: set[signal.Signals]) -> Iterator[None]:
    """Signals that arrive in the block are delivered after it; a process started in it never gets them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it would undo the mask
    arrived: list[int] = []
    # The mask is for the new process, which inherits it. Here another thread may get the signal, and Python then runs
    # the handler in this one all the same.
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.signal(number, lambda got, frame: arrived.append(got)) for number in signals}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for got in arrived:
            signal.raise_signal(got)
