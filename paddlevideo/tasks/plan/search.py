"""The search for the batch size: tries a few, each in a process of its own, and never far beyond what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from paddlevideo.tasks.benchmark.child import Died
from paddlevideo.tasks.plan.batches import Line, fit
from paddlevideo.tasks.plan.trial import Trial

GROWTH = 8  # times the largest batch tried: a line through two small ones says little about a large one
SLOWER = 1.1  # times the seconds a clip of the quickest batch; less is noise
PATIENCE = 120.0  # seconds that a trial may take
SPARE = 0.9  # of the budget, for a batch that is not tried


@dataclass(frozen=True)
class Found:
    """What the search ended with.

    Attributes:
        batch: the one to take; 0 where not even the smallest fits.
        trials: by batch size, rising, those that ran to their end.
        too_large: the smallest batch that was tried and did not fit.
        line: memory through all trials.
    """

    batch: int
    trials: dict[int, Trial]
    too_large: int | None
    line: Line

    @property
    def measured(self) -> Trial | None:
        """The trial of that batch; None where it would have taken too long."""
        return self.trials.get(self.batch)


class Search:
    """One search.

    Args:
        sizes: batch sizes to choose from, rising.
        budget: bytes that a process may take.
        need: bytes that a process with these figures takes in a run.
        attempt: makes a trial.
        steps: of a trial, to foresee how long it takes.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        budget: float,
        need: Callable[[Trial], float],
        attempt: Callable[[int], Trial | Died],
        steps: int,
    ) -> None:
        self.sizes, self.budget, self.need, self.attempt, self.steps = sizes, budget, need, attempt, steps
        self.trials: dict[int, Trial] = {}
        self.too_large: int | None = None

    def run(self) -> Found:
        """Tries batches of 1 and 2, then ever larger ones up to the largest that fits or can be tried in time; if that
        is slower a clip than a smaller one, also some in between."""
        for batch in (1, 2):
            if batch <= self.sizes[-1] and self.too_large is None:
                self._try(batch)
        while (largest := self._largest(self.budget)) and largest not in self.trials:
            step = self._step(largest)
            if not step:
                largest = self._largest(SPARE * self.budget)
                break
            self._try(step)
        fitting = self._fitting()
        if not largest or not fitting:
            return self._found(largest)
        quick = self._quick()
        return self._found(quick if largest in fitting or quick < max(fitting) else largest)

    def _quick(self) -> int:
        """The largest batch that fits and is not slower a clip, by trials of what lies between it and slower ones."""
        while True:
            seconds = {batch: trial.per_clip for batch, trial in self._fitting().items()}
            batch = max(size for size in seconds if seconds[size] <= SLOWER * min(seconds.values()))
            slow = min((size for size in seconds if size > batch), default=batch)
            between = [size for size in self.sizes if batch < size < slow]
            if not between:
                return batch
            self._try(between[len(between) // 2])

    def _fitting(self) -> dict[int, Trial]:
        """The trials of batches that may be chosen."""
        return {
            batch: trial
            for batch, trial in self.trials.items()
            if batch in self.sizes and (self.too_large is None or batch < self.too_large)
        }

    def _try(self, batch: int) -> None:
        outcome = self.attempt(batch)
        if isinstance(outcome, Died):
            self.too_large = batch
            return
        self.trials[batch] = outcome
        if self.need(outcome) > self.budget:
            self.too_large = batch

    def _largest(self, budget: float) -> int:
        """The largest batch that was tried or should fit into so many bytes; 0 where there is none."""
        if not self.trials:
            return 0
        line, fitting = self._line(), self._fitting()
        possible = [size for size in self.sizes if self.too_large is None or size < self.too_large]
        return max((size for size in possible if size in fitting or line.at(size) <= budget), default=0)

    def _step(self, largest: int) -> int:
        """What to try on the way to a batch: it, or the largest before it that is not too far off or too long; 0 where
        that is hardly more than was tried."""
        tried = max(self.trials)
        trial = self.trials[tried]
        seconds = trial.per_clip * (self.steps + 1) + 2 * (trial.forward or 0.0)  # a clip of a trial
        most = min(largest, GROWTH * tried, int(PATIENCE / seconds))
        step = max((size for size in self.sizes if tried < size <= most), default=most)
        return step if step == largest or step >= 2 * tried else 0

    def _line(self) -> Line:
        return fit((batch, self.need(trial)) for batch, trial in self.trials.items())

    def _found(self, batch: int) -> Found:
        line = self._line() if self.trials else Line(0.0, 0.0)
        return Found(batch, dict(sorted(self.trials.items())), self.too_large, line)
