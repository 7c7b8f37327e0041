"""The same work on many files, in several processes; a file that crashes its process costs that file only."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from tqdm import tqdm

from paddlevideo.utils.log import logger, on_terminal
from paddlevideo.utils.signals import deferred

Item = TypeVar("Item")
Result = TypeVar("Result")

GRACE = 5.0  # seconds a process gets to remove what it was writing
REPORT_EVERY = 30.0  # seconds between lines where there is no terminal


def each(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, title: str
) -> Iterator[tuple[Item, Result | Exception]]:
    """Yields every item with what `work` returned or raised, in the order of completion.

    The processes end with this one, however that ends, and when the iteration is left. They ignore Ctrl-C, which is
    this process's to handle; work that is cut short is ended by SystemExit, so that its `finally` blocks run.

    Args:
        work: a function of a module, called in a process of its own where `workers` is above 0, else in this one.
        items: picklable.
        workers: how many processes.
        title: for the progress bar, or, without a terminal, for a line every half a minute.
    """
    pairs = _here(work, items) if workers == 0 else _beside(work, items, min(workers, len(items)))
    return _shown(pairs, len(items), title)


def _shown(pairs: Iterable[Any], total: int, title: str) -> Iterator[Any]:
    start = said = time.monotonic()
    with tqdm(desc=title, total=total, disable=not on_terminal(), dynamic_ncols=True) as bar:
        for done, pair in enumerate(pairs, start=1):
            bar.update()
            now = time.monotonic()
            if bar.disable and now - said > REPORT_EVERY:
                said = now
                left = (now - start) / done * (total - done) / 60
                logger.info(f"{title}: {done} of {total}, about {left:.0f} min left")
            yield pair


def _here(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result | Exception]]:
    for item in items:
        yield item, _outcome(work, item)


def _outcome(work: Callable[[Item], Result], item: Item) -> Result | Exception:
    try:
        return work(item)
    except Exception as error:
        return error


def _beside(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Iterator[tuple[Item, Result | Exception]]:
    waiting = iter(items)
    busy: dict[Any, tuple[Helper, Item]] = {}  # by the end of its pipe

    def give(helper: Helper | None) -> None:
        """The next item to a process, to a new one if need be; where there are no more, the process ends."""
        for item in waiting:
            helper = helper or Helper(work)
            helper.pipe.send(item)
            busy[helper.pipe] = helper, item
            return
        if helper is not None:
            helper.close()

    try:
        for _ in range(workers):
            give(None)
        while busy:
            for pipe in connection.wait(list(busy)):
                helper, item = busy.pop(pipe)
                result = helper.answer()
                give(helper if helper.alive else None)
                yield item, result
    finally:
        for helper, _ in busy.values():
            helper.process.terminate()
        for helper, _ in busy.values():
            helper.close()


class Helper:
    """A process that works on one item after another ("spawn": nothing of this process is inherited)."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        lifeline, self._lifeline = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(work, other, lifeline), daemon=True)
        with deferred({signal.SIGINT}):  # inherited: it hears no Ctrl-C even before it can say that it ignores it
            self.process.start()
        other.close()
        lifeline.close()
        self.alive = True

    def answer(self) -> Any:
        """What the work returned or raised; an error saying so where the process died over it."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self.close()
            code = self.process.exitcode or 0
            cause = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            cause += ": out of memory?" if code == -signal.SIGKILL else ""
            return RuntimeError(f"the process that worked on it died ({cause})")
        except Exception as error:  # an exception whose class cannot be unpickled
            return error

    def close(self) -> None:
        """Ends the process, by force where it takes too long."""
        self.alive = False
        self.pipe.close()
        self.process.join(GRACE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self._lifeline.close()


def _serve(work: Callable[[Any], Any], pipe: Connection, lifeline: Connection) -> None:
    """What a process does: answer until the pipe is closed, or until the main process dies."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    with suppress(EOFError, ConnectionError):
        while True:
            outcome = _outcome(work, pipe.recv())
            try:
                pipe.send(outcome)
            except (TypeError, AttributeError) as error:  # it cannot be pickled
                pipe.send(RuntimeError(f"{type(outcome).__name__}: {outcome} ({error})"))


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _end_with(lifeline: Connection) -> None:
    """Ends this process when the other end of the pipe goes, as it does with the death of its owner."""
    lifeline.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
