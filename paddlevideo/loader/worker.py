"""What a worker process of the loader does."""

from __future__ import annotations

import fcntl
import os
import signal
import time
import traceback
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeAlias

import cv2

from paddlevideo.loader.assemble import Assembler, Failure
from paddlevideo.loader.batch import Batch
from paddlevideo.loader.transport import Channel

STOPS = {signal.SIGINT, signal.SIGTERM}  # the main process's to handle, even where the whole group gets them

Outcome: TypeAlias = tuple[Batch | None, list[Failure]]


class Raised(NamedTuple):
    """An error on its way out of a worker, with its traceback as text."""

    error: Exception
    trace: str


def serve(connection: Connection, lifeline: Connection, note: Any) -> None:
    """What a worker does: it receives the assembler, then jobs, and sends (ticket, outcome, seconds it took).

    Args:
        lifeline: its other end is closed by the main process, or by the end of that.
        note: [samples begun so far, the one in work or -1], shared with the main process, which reads it when this one
            is dead or hangs.
    """
    _die_with(lifeline)
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)

    def begin(index: int) -> None:
        note[:] = (note[0] + 1, index)

    channel = Channel(connection)
    assembler: Assembler = channel.receive()
    while True:
        try:
            ticket, job = channel.receive()
        except EOFError:
            return
        began = time.perf_counter()
        try:
            outcome: Outcome | Raised = assembler.batch(job, begin)
        except Exception as error:
            outcome = Raised(_sendable(error), traceback.format_exc())
        begin(-1)
        channel.send((ticket, outcome, time.perf_counter() - began))


def _die_with(lifeline: Connection) -> None:
    """The kernel ends this process when the lifeline's other end is closed, even in the midst of native code."""
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)  # SIGIO, not handled
    if lifeline.poll():
        os._exit(0)  # it was closed before


def _sendable(error: Exception) -> Exception:
    """The error as it arrives at the other end of a pipe; those that do not survive it become a RuntimeError."""
    near, far = Pipe()
    try:
        near.send(error)
        return far.recv()
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
