"""The time that is left of a training run.

Held against simulated runs of three epochs and more (tests/tasks/test_clock.py): from 5 % of the steps on, the estimate
is within 15 % of what then passes, validations and all. Other work that comes to the machine later, or a change of its
speed, nobody can foretell: real runs are in docs/train.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

FORWARD = 1 / 3  # of the computing time of a training step: a backward pass costs about two forward passes
WINDOW = 500  # steps that are averaged at most, or those of an epoch where it has more


@dataclass(frozen=True)
class Work:
    """What a validation, or measuring batch normalisation, does, in batches of training; the guess before the first.

    Attributes:
        reads: clips that are read / clips of a training batch.
        forwards: clips x views that pass through the model / clips of a training batch.
    """

    reads: float = 0.0
    forwards: float = 0.0


class Clock:
    """Time left, from what this process has measured so far, each kind of work apart.

    The time of a kind is the mean over the later two thirds of what was seen of it: a slow beginning is soon forgotten.
    From the first validation, which starts processes, what that took for the first step is taken off. What has not been
    seen yet (validations, in the first epoch) is guessed from its `Work` and the training steps. The first step of an
    epoch, which waits for the loader to begin, is a kind of its own; the very first of all, which also starts processes
    and libraries, tells nothing and is left out.

    Args:
        steps: batches of training that this process has to do.
        epochs: that this process begins, among them one that it resumes in the middle.
    """

    def __init__(self, steps: int, epochs: int = 1) -> None:
        window = max(WINDOW, -(-steps // max(1, epochs)))
        self._pace: float | None = None
        self._step, self._wait = _Kind(steps - epochs, window), _Kind(0, window)
        self._first = _Kind(epochs, window)
        self._begun = False
        self._others: dict[str, tuple[_Kind, Work]] = {}
        self._starting: set[str] = set()  # kinds whose processes are still to be started
        self._launch = 0.0  # seconds that starting those of training took

    def plan(self, kind: str, times: int, work: Work = Work(), starts: bool = False) -> None:
        """Announces work between the steps: how many times it will be done. Unseen, it counts as its `work` says.

        Args:
            starts: the first time starts loader processes that stay, where training has such.
        """
        self._others[kind] = (_Kind(times, WINDOW), work)
        if starts:
            self._starting.add(kind)

    def step(self, seconds: float, waited: float = 0.0, pace: float | None = None, first: bool = False) -> None:
        """A batch of training is done.

        Args:
            seconds: from the end of the one before it.
            waited: those of them spent waiting for data.
            pace: seconds that a batch takes the loader's processes on average, which read while the model computes;
                None without them.
            first: of an epoch in this process.
        """
        self._pace = pace
        if not first:
            self._step.add(seconds)
            self._wait.add(waited)
        elif self._begun:
            self._first.add(seconds)
        else:
            self._first.left -= 1
            self._begun, self._launch = True, waited if pace is not None else 0.0

    def extra(self, kind: str, seconds: float, times: int = 1) -> None:
        """Work that was planned is done so many times, which took so long together."""
        if kind in self._starting:  # what will not come again is left out
            self._starting.remove(kind)
            seconds = max(seconds / 2, seconds - self._launch)
        for _ in range(times):
            self._others[kind][0].add(seconds / times)

    def seconds_left(self) -> float:
        """For the rest of the run. 0 before the second step."""
        step = self._step.mean(0.0)
        others = sum(kind.total_left(self._guess(work)) for kind, work in self._others.values())
        return self._step.total_left(step) + self._first.total_left(step) + others

    def eta(self) -> str:
        """`seconds_left` as H:MM:SS."""
        minutes, seconds = divmod(int(self.seconds_left()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

    def _guess(self, work: Work) -> float:
        """Seconds of work that was never seen, from the steps.

        Without loader processes reading and computing add up. With them the slower of the two sets the pace.
        """
        step, wait = self._step.mean(0.0), self._wait.mean(0.0)
        forwards = work.forwards * FORWARD * (step - wait)
        return work.reads * wait + forwards if self._pace is None else max(work.reads * self._pace, forwards)


class _Kind:
    """Times of one kind of work, and how often it is still to be done."""

    def __init__(self, left: int, window: int) -> None:
        self.left, self._seen = left, 0
        self._totals = deque([0.0], maxlen=window + 1)  # seconds of all so far, after each

    def add(self, seconds: float) -> None:
        self.left, self._seen = self.left - 1, self._seen + 1
        self._totals.append(self._totals[-1] + seconds)

    def mean(self, otherwise: float) -> float:
        """Over the later two thirds of what was seen, at most the window; `otherwise` before anything was."""
        if not self._seen:
            return otherwise
        count = min(len(self._totals) - 1, max(1, 2 * self._seen // 3))
        return (self._totals[-1] - self._totals[-1 - count]) / count

    def total_left(self, otherwise: float) -> float:
        """Seconds of all that is still to be done; each takes `otherwise` before any was seen."""
        return max(0, self.left) * self.mean(otherwise)
