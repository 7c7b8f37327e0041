"""The worker processes as the main one sees them: it deals out jobs, and notices when one dies or hangs.

They end with the main process, however that ends. Python's own pools are not used: they cannot replace a worker that
hangs, nor say which one died, and of what.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing import get_context, util
from multiprocessing.connection import Connection, wait
from typing import Any

from paddlevideo.loader.assemble import Assembler, Job
from paddlevideo.loader.transport import Channel
from paddlevideo.loader.worker import STOPS, Outcome, Raised, serve
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger
from paddlevideo.utils.signals import deferred

GRACE = 20.0  # seconds that a sample may take beyond the time limits of its decoder
LOOK = 0.5  # seconds between two looks at what the workers are at


class WorkerDied(UserError):
    """A worker was killed, or crashed."""


@dataclass
class Worker:
    """One process as the main one sees it.

    Attributes:
        lifeline: closing it ends the process.
        tickets: of the jobs it has been given and has not done, oldest first.
        begun, index, seconds: `note` when last looked at, and how long the main process has waited since it changed.
    """

    process: Any
    channel: Channel
    lifeline: Connection
    note: Any
    tickets: list[int] = field(default_factory=list)
    begun: int = 0
    index: int = -1
    seconds: float = 0.0


class Workers:
    """`count` processes ("spawn": nothing of the main process is inherited). Jobs are dealt out as they are submitted.

    Args:
        time_limit: of the decoder, which may take so many seconds for opening a video and again for reading it. One
            that takes GRACE more hangs in native code, where nothing in the worker can interrupt it, and counts as
            unreadable. Only time that the main process spends waiting counts. None: no limit.

    Attributes:
        batches, seconds: how many were made so far, and how long the workers took for them, added up.
    """

    def __init__(self, assembler: Assembler, count: int, time_limit: float | None) -> None:
        self._assembler = assembler
        self._limit = None if time_limit is None else 2 * time_limit + GRACE
        self._context = get_context("spawn")
        self._workers: list[Worker] = []
        self._jobs: dict[int, Job] = {}  # ticket -> what is not yet done
        self._done: dict[int, Outcome | Raised] = {}
        self._stuck: dict[int, str] = {}  # sample -> why it is not tried again
        self._next_ticket = 0
        self.batches, self.seconds = 0, 0.0
        self._trouble = ""
        # Runs when this is collected, or at the end of the program, before multiprocessing waits for its processes.
        self._finish = util.Finalize(self, _end, (self._workers,), exitpriority=100)
        for _ in range(count):
            self._start()
        for worker in self._workers:
            self._equip(worker)

    def _start(self) -> Worker:
        """A new worker at the end of the list, importing what it needs; it has to be equipped next."""
        here, there = self._context.Pipe()
        far_end, lifeline = self._context.Pipe(duplex=False)
        note = self._context.RawArray("q", [0, -1])
        process = self._context.Process(target=serve, args=(there, far_end, note), daemon=True)
        self._workers.append(Worker(process, Channel(here), lifeline, note))
        with deferred(STOPS):  # the worker inherits that: a Ctrl-C must not end it before it can ignore it
            process.start()
        there.close()
        far_end.close()
        return self._workers[-1]

    def _equip(self, worker: Worker) -> None:
        try:
            worker.channel.send(self._assembler)
        except OSError:
            raise self._obituary(worker) from None

    def submit(self, job: Job) -> int:
        """Gives a job to the worker with the fewest; returns its ticket."""
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._jobs[ticket] = job
        self._give(min(self._workers, key=lambda worker: len(worker.tickets)), ticket)
        return ticket

    def _give(self, worker: Worker, ticket: int) -> None:
        worker.tickets.append(ticket)
        try:
            worker.channel.send((ticket, self._jobs[ticket]._replace(stuck=dict(self._stuck))))
        except OSError:
            raise self._obituary(worker) from None

    def result(self, ticket: int) -> Outcome:
        """Waits for a job to be done.

        Raises:
            WorkerDied: what its name says.
            Exception: whatever was raised in the job, with the worker's traceback as its cause.
        """
        while ticket not in self._done:
            began = time.monotonic()
            wait([worker.channel.connection for worker in self._workers], LOOK)
            for worker in self._workers:
                self._collect(worker)
            waited = min(time.monotonic() - began, 2 * LOOK)  # more: this process was stopped, and they with it
            for worker in [worker for worker in self._workers if self._hangs(worker, waited)]:
                self._replace(worker)
        outcome = self._done.pop(ticket)
        if isinstance(outcome, Raised):
            raise outcome.error from RuntimeError(f"in a worker process\n\n{outcome.trace}")
        return outcome

    def drop(self, tickets: Iterable[int]) -> None:
        """Forgets jobs whose results nobody will ask for. Those that a worker has already are done all the same."""
        for ticket in tickets:
            self._jobs.pop(ticket, None)
            self._done.pop(ticket, None)

    def _collect(self, worker: Worker) -> None:
        """Takes what a worker has done. Raises WorkerDied when it is dead."""
        try:
            while worker.channel.connection.poll():
                ticket, outcome, seconds = worker.channel.receive()
                self.batches, self.seconds = self.batches + 1, self.seconds + seconds
                worker.tickets.remove(ticket)
                if self._jobs.pop(ticket, None) is not None:
                    self._done[ticket] = outcome
                if worker.channel.trouble and not self._trouble:
                    self._trouble = worker.channel.trouble
                    logger.info(
                        f"loader: {self._trouble}; batches go through pipes instead, which is slower. Fewer "
                        "num_workers or a smaller batch_size need less memory"
                    )
        except (EOFError, OSError):  # also in the midst of a message
            raise self._obituary(worker) from None

    def _hangs(self, worker: Worker, waited: float) -> bool:
        """Whether a worker has been at one sample for longer than the limit; `waited` seconds have passed."""
        begun, index = worker.note
        same = begun == worker.begun == worker.note[0] and index >= 0  # read twice: the worker may be changing it
        worker.seconds = worker.seconds + waited if same else 0.0
        worker.begun, worker.index = begun, index
        return self._limit is not None and worker.seconds > self._limit

    def _replace(self, old: Worker) -> None:
        """Kills a worker; another does its jobs, without the sample that it hung at."""
        self._stuck[old.index] = f"reading it took more than {self._limit:g} s and had to be ended by force"
        logger.info(f"loader: {self._assembler.dataset.clip(old.index).path}: {self._stuck[old.index]}")
        self._workers.remove(old)
        _end([old])
        new = self._start()
        self._equip(new)
        for ticket in [ticket for ticket in old.tickets if ticket in self._jobs]:
            self._give(new, ticket)

    def _obituary(self, worker: Worker) -> WorkerDied:
        """How a worker died, at what, and what to do."""
        worker.process.join(5)
        index, data = worker.note[1], self._assembler.dataset
        where = f" while reading {data.clip(index).path} (listed in {data.where(index)})" if index >= 0 else ""
        return WorkerDied(f"a worker process of the loader {_cause(worker.process.exitcode)}{where}")

    def close(self) -> None:
        """Ends the processes at once, finished or not."""
        self._finish()


def _end(workers: list[Worker]) -> None:
    """Kills workers and waits for their end."""
    for worker in workers:
        worker.lifeline.close()
    started = [worker for worker in workers if worker.process.pid is not None]
    for worker in started:
        worker.process.kill()
    for worker in started:
        worker.process.join()
        worker.process.close()
        worker.channel.connection.close()


def _cause(code: int | None) -> str:
    """`code` as Process.exitcode: negative is the signal that ended it."""
    memory = "use fewer num_workers or a smaller batch_size"
    if code == -signal.SIGKILL:
        return f"was killed (SIGKILL; most often by the system, for want of memory: {memory})"
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        return f"crashed ({name}: a fault inside a native library; mend or remove the video, or try another backend)"
    return f"ended by itself (exit code {code}; what it printed before may say why)"
