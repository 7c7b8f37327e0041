"""From sample indices to a batch of arrays. This is what runs in the worker processes; it never imports Paddle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from paddlevideo.loader.batch import Batch, Stack, mixed
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import mix_rng, sample_rng
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.utils.errors import UserError

SUBSTITUTE_TRIES = 20


@dataclass(frozen=True)
class Failure:
    """A sample that could not be read: why, and which line lists it; `index` is its position in the data set."""

    path: str
    reason: str
    index: int


class Job(NamedTuple):
    """A batch to be made.

    Attributes:
        epoch: counts from 0.
        indices: its samples, positions in the data set.
        stuck: samples that are not to be tried, and why: a worker hung at them.
    """

    epoch: int
    indices: list[int]
    stuck: Mapping[int, str] = {}


@dataclass(frozen=True)
class Assembler:
    """Makes batches.

    Attributes:
        dataset, pipeline: where clips come from and how they are prepared.
        seed: of all randomness.
        training: a batch of which nothing can be read gets a substitute, so that all ranks take equally many steps.
        mix: blends the clips of a batch; None leaves them alone.
    """

    dataset: ListDataset
    pipeline: Pipeline
    seed: int
    training: bool
    mix: Mix | None = None

    def batch(
        self, job: Job, begin: Callable[[int], object] = lambda index: None
    ) -> tuple[Batch | None, list[Failure]]:
        """The batch of these samples, or None when none could be read, and those that could not.

        Args:
            begin: told the index of each sample before it is opened.
        """
        stack = Stack(len(job.indices))
        attempt = Attempt(self, job.stuck, begin, stack)
        for index in job.indices:
            rng = sample_rng(self.seed, job.epoch, index)
            if not attempt.load(index, rng) and self.dataset.on_error == "substitute":
                attempt.substitute(rng)
        if not len(stack) and self.training:
            attempt.substitute(sample_rng(self.seed, job.epoch, job.indices[0]))
        if not len(stack):
            return None, attempt.failures
        batch = stack.batch()
        if self.mix is not None:
            batch = mixed(batch, self.mix, stack.layout, mix_rng(self.seed, job.epoch, job.indices[0]))
        return batch, attempt.failures


@dataclass
class Attempt:
    """The samples of one job, and what failed of them; those that did not are in `stack`."""

    assembler: Assembler
    stuck: Mapping[int, str]
    begin: Callable[[int], object]
    stack: Stack
    failures: list[Failure] = field(default_factory=list)

    def load(self, index: int, rng: np.random.Generator) -> bool:
        """Adds one prepared clip; False, with a note in `failures`, when it cannot be read and that is allowed."""
        dataset = self.assembler.dataset
        self.begin(index)
        clip = dataset.clip(index)
        try:
            if index in self.stuck:
                raise Unreadable(clip.path, self.stuck[index])
            self.stack.add(index, self.assembler.pipeline(clip, rng))
            return True
        except Unreadable as error:
            if dataset.on_error == "raise":
                advice = "mend or remove it, or set on_error: skip for this split to go on without such videos"
                raise UserError(f"{error} (listed in {dataset.where(index)}; {advice})") from error
            place = f" ({dataset.where(index)})" if dataset.records[index].line else ""
            self.failures.append(Failure(error.path, error.reason + place, index))
            return False

    def substitute(self, rng: np.random.Generator) -> None:
        """Adds another sample, drawn by the generator of the one it replaces."""
        dataset = self.assembler.dataset
        for _ in range(SUBSTITUTE_TRIES):
            index = int(rng.integers(len(dataset)))
            if self.load(index, rng):
                return
        last = self.failures[-1]
        raise UserError(
            f"{dataset.file_path}: {SUBSTITUTE_TRIES} videos drawn at random are all unreadable; the last was "
            f"{last.path}: {last.reason}"
        )
