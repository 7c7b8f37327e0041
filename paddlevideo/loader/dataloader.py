"""Batches for a model, from a data set and a pipeline, by worker processes or without.

Paddle's own loader is not used: an error in it can hang the program for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

from paddlevideo.loader.assemble import Assembler, Failure, Job
from paddlevideo.loader.batch import Batch
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import count_batches, plan_epoch, shuffle_rng
from paddlevideo.loader.worker import Outcome
from paddlevideo.loader.workers import WorkerDied, Workers

AHEAD = 2  # batches a worker may be ahead of the model


class ClipLoader:
    """Gives the batches of an epoch. Use it as a context manager, or call `close`, to end its processes.

    A batch is a dict: imgs [B, ...] as the pipeline leaves them, label [B] int64, index [B] int64 (positions in the
    data set), files (B paths); mixed batches also label_b [B] int64 and lam [] float32. The same whatever
    `num_workers`; a sample's randomness is a function of (seed, epoch, index) alone.

    Args:
        num_workers: processes; 0 works in the caller, where a decoder that hangs in native code cannot be ended.
        shuffle: another order every epoch.
        drop_last: all ranks get equally many full batches (training); without it every sample comes exactly once.
        mix: blends the clips of each batch, in the worker; its randomness is a function of (seed, epoch, batch).
        rank, world_size: this process among those that share the data set.
    Attributes:
        failures: samples that could not be read so far, each once.
    Raises:
        ValueError: a number out of range, or a data set that substitutes unreadable videos without `shuffle`: figures
            measured on other videos than listed would be wrong.
    """

    def __init__(
        self,
        dataset: ListDataset,
        pipeline: Pipeline,
        *,
        batch_size: int,
        num_workers: int = 0,
        seed: int = 0,
        shuffle: bool = False,
        drop_last: bool = False,
        mix: Mix | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        for name, value, least in (("batch_size", batch_size, 1), ("num_workers", num_workers, 0), ("seed", seed, 0)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}")
        if dataset.on_error == "substitute" and not shuffle:
            raise ValueError("on_error: substitute is for training only; evaluation takes raise or skip")
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.rank = rank
        self.world_size = world_size
        self._assembler = Assembler(dataset, pipeline, seed, training=drop_last, mix=mix)
        self._workers: Workers | None = None
        self._failures: dict[int, Failure] = {}

    @property
    def failures(self) -> list[Failure]:
        return list(self._failures.values())

    @property
    def pace(self) -> float | None:
        """Seconds that a batch takes the worker processes together, on average; None without them, or before one."""
        if self._workers is None or not self._workers.batches:
            return None
        return self._workers.seconds / self._workers.batches / self.num_workers

    def remember(self, failures: Iterable[Failure]) -> None:
        """Counts these samples as unreadable too: other ranks, or an earlier part of the run, met them."""
        for failure in failures:
            self._failures.setdefault(failure.index, failure)

    def plan(self, epoch: int) -> list[list[int]]:
        """The sample indices of each batch of an epoch on this rank."""
        plan = plan_epoch(
            len(self.dataset),
            self.batch_size,
            order=shuffle_rng(self.seed, epoch) if self.shuffle else None,
            drop_last=self.drop_last,
            rank=self.rank,
            world_size=self.world_size,
        )
        return [batch.tolist() for batch in plan]

    def __len__(self) -> int:
        """Batches an epoch on this rank."""
        return count_batches(
            len(self.dataset),
            self.batch_size,
            drop_last=self.drop_last,
            rank=self.rank,
            world_size=self.world_size,
        )

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from `start_batch` on. Batches of which nothing could be read are left out.

        Raises:
            UserError: an unreadable video where the data set says `on_error: raise`; a worker process died.
        """
        jobs = [Job(epoch, indices) for indices in self.plan(epoch)[start_batch:]]
        outcomes = self._work(jobs) if self.num_workers else (self._assembler.batch(job) for job in jobs)
        for batch, failures in outcomes:
            self.remember(failures)
            if batch is not None:
                yield batch

    def _work(self, jobs: list[Job]) -> Iterator[Outcome]:
        """The outcomes of the workers, in order."""
        if self._workers is None:
            limit = getattr(self._assembler.pipeline.decode, "time_limit", None)
            self._workers = Workers(self._assembler, self.num_workers, limit)
        workers, todo = self._workers, iter(jobs)
        pending: deque[int] = deque()
        try:
            for job in islice(todo, AHEAD * self.num_workers):
                pending.append(workers.submit(job))
            while pending:
                outcome = workers.result(pending.popleft())
                for job in islice(todo, 1):
                    pending.append(workers.submit(job))
                yield outcome
        except (WorkerDied, KeyboardInterrupt, SystemExit):  # perhaps in the midst of a message
            self.close()
            raise
        finally:
            workers.drop(pending)

    def close(self) -> None:
        """Ends the worker processes at once; a later epoch starts new ones."""
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    def __enter__(self) -> ClipLoader:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()
