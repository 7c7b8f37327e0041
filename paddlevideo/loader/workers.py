"""Processes that assemble batches. They end with the one that started them, however that ends."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import cv2

from paddlevideo.loader.assemble import Assembler

_assembler: Assembler  # of a worker process; set once, by _start


def _start(assembler: Assembler, lifeline: Connection) -> None:
    """Runs first in every worker."""
    global _assembler
    _assembler = assembler
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the main process's to handle
    cv2.setNumThreads(1)

    def watch() -> None:
        lifeline.poll(None)  # returns when the other end is closed: by close(), or by the death of the main process
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _batch(epoch: int, indices: list[int]) -> Any:
    return _assembler.batch(epoch, indices)


class Workers:
    """A pool of `count` processes, started as they are needed ("spawn": nothing of the main process is inherited)."""

    def __init__(self, assembler: Assembler, count: int) -> None:
        context = get_context("spawn")
        end, self._lifeline = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(count, context, initializer=_start, initargs=(assembler, end))

    def submit(self, epoch: int, indices: list[int]) -> Future:
        """Asks for a batch. Do not cancel the future: some versions of Python then hang when a worker dies."""
        return self._pool.submit(_batch, epoch, indices)

    def close(self) -> None:
        """Ends the processes at once, finished or not."""
        self._lifeline.close()
        self._pool.shutdown(wait=True)
