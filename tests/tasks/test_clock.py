"""The time left: the arithmetic, and how well it holds in simulated runs whose truth is known."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from paddlevideo.tasks.clock import FORWARD, WINDOW, Clock, Work


def begun(clock: Clock, *seconds: float, waited: float = 0.0, pace: float | None = None) -> Clock:
    """The clock after a first step, which does not count, and these."""
    clock.step(100.0, first=True)
    for one in seconds:
        clock.step(one, waited, pace)
    return clock


def test_before_anything_was_seen_there_is_no_estimate() -> None:
    clock = Clock(10)
    clock.plan("validation", 2, Work(reads=4, forwards=4))
    assert clock.seconds_left() == 0.0 and clock.eta() == "0:00:00"


def test_the_first_step_tells_nothing() -> None:
    clock = Clock(10)
    clock.step(100.0, first=True)
    assert clock.seconds_left() == 0.0
    clock.step(2.0)
    assert clock.seconds_left() == 8 * 2.0


def test_the_mean_is_over_the_later_two_thirds() -> None:
    assert begun(Clock(10), 9.0, 9.0, 1.0, 2.0, 3.0, 4.0).seconds_left() == 3 * (1 + 2 + 3 + 4) / 4
    assert begun(Clock(10), 9.0, 9.0, 2.0, 3.0).seconds_left() == 5 * (2 + 3) / 2
    assert begun(Clock(10), 9.0, 3.0).seconds_left() == 7 * 3.0


def test_the_mean_is_over_a_window() -> None:
    """Of 500 steps, or of an epoch where it has more."""
    short, long = Clock(10 * WINDOW, epochs=20), Clock(10 * WINDOW, epochs=5)
    for clock, slow, fast in ((short, 4 * WINDOW, WINDOW), (long, 3 * WINDOW, 2 * WINDOW)):
        begun(clock, *[9.0] * slow, *[1.0] * fast)
        assert clock.seconds_left() == 5 * WINDOW - 1


def test_first_steps_of_epochs_are_counted_apart() -> None:
    clock = begun(Clock(40, epochs=4), *[1.0] * 9)
    assert clock.seconds_left() == 30 * 1.0
    clock.step(6.0, first=True)
    assert clock.seconds_left() == 27 * 1.0 + 2 * 6.0
    clock.step(1.0)
    clock.step(8.0, first=True)
    assert clock.seconds_left() == 26 * 1.0 + 1 * 8.0


def test_validations_are_guessed_and_then_measured() -> None:
    clock = Clock(11)
    clock.plan("validation", 3, Work(reads=4, forwards=12))
    begun(clock, *[3.0] * 4, waited=1.5)
    assert clock.seconds_left() == pytest.approx(6 * 3.0 + 3 * (4 * 1.5 + 12 * FORWARD * 1.5))
    clock.extra("validation", 10.0, times=2)
    assert clock.seconds_left() == 6 * 3.0 + 5.0
    clock.extra("validation", 7.0)
    assert clock.seconds_left() == 6 * 3.0


@pytest.mark.parametrize(
    ("pace", "forwards", "expected"),
    [
        (0.2, 2.0, 4 * 0.2),  # reading takes longer than computing
        (0.2, 12.0, 12 * FORWARD * 0.9),  # three views: computing takes longer than reading
        (0.9, 12.0, 4 * 0.9),
        (None, 12.0, 4 * 0.1 + 12 * FORWARD * 0.9),  # without processes
    ],
)
def test_the_guess_with_loader_processes(pace: float | None, forwards: float, expected: float) -> None:
    """With them the slower of reading and computing sets the pace, without them they add up."""
    clock = Clock(3)
    clock.plan("validation", 1, Work(reads=4, forwards=forwards))
    assert begun(clock, 1.0, 1.0, waited=0.1, pace=pace).seconds_left() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("pace", "launch", "first"),
    [(0.5, 4.0, 5.0 + 4.0), (0.5, 20.0, 2 * 5.0), (None, 4.0, 5.0)],
    ids=["as long as for training", "half of it at least stays", "no processes"],
)
def test_the_first_time_starts_processes(pace: float | None, launch: float, first: float) -> None:
    clock = Clock(3)
    clock.plan("validation", 3, starts=True)
    clock.step(launch + 1.0, launch, pace, first=True)
    clock.step(1.0, 0.0, pace)
    clock.extra("validation", first)
    assert clock.seconds_left() == 1.0 + 2 * 5.0
    clock.extra("validation", 7.0)
    assert clock.seconds_left() == 1.0 + 7.0


def test_other_work_counts_once_it_was_seen() -> None:
    clock = Clock(3)
    clock.plan("save", 4)
    clock.plan("precise_bn", 2, Work(forwards=30))
    begun(clock, 1.0, 1.0)
    assert clock.seconds_left() == 2 * 30 * FORWARD
    clock.extra("save", 0.5)
    clock.extra("precise_bn", 12.0)
    assert clock.seconds_left() == 3 * 0.5 + 1 * 12.0


def test_more_than_was_planned_is_not_time_gained() -> None:
    clock = begun(Clock(3), 1.0, 1.0)
    clock.plan("validation", 0)
    clock.extra("validation", 5.0)
    clock.step(1.0)
    assert clock.seconds_left() == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.9, "0:00:59"), (61.0, "0:01:01"), (3599.0, "0:59:59"), (93784.0, "26:03:04")]
)
def test_how_it_is_written(seconds: float, text: str) -> None:
    assert begun(Clock(3), seconds).eta() == text


# --- simulated runs ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """A machine and a training on it. Times are in seconds; a batch takes `decode` to read and 0.2 to train on."""

    epochs: int
    batches: int
    decode: float
    workers: int
    valid: float  # validation clips / training clips
    views: int
    forward: float  # seconds of a forward pass / of a training step
    precise_every: int  # epochs; 0: no precise BN
    noise: float = 0.1  # of each step
    compute: float = 0.2
    launch: float = 3.0  # until the first batch of all is there, beside
    fill: float = 0.3  # until the first batch of an epoch is there
    save: float = 0.2
    cold: float = 1.1  # the first validation / others
    begin: float = 1.0  # until its processes are there, beside


def simulate(run: Run, seed: int) -> list[tuple[float, float]]:
    """(time now, estimate of the time left) after each step, then (time of the end, 0)."""
    rng = np.random.default_rng(seed)
    size = run.valid * run.batches
    clock = Clock(run.epochs * run.batches, run.epochs)
    clock.plan("validation", run.epochs, Work(size, size * run.views), starts=True)
    precise = [run.precise_every > 0 and epoch % run.precise_every == 0 for epoch in range(run.epochs)]
    part = 0.2 * run.batches
    clock.plan("precise_bn", sum(precise), Work(part, part))
    clock.plan("save", run.epochs)

    def noisy(seconds: float, noise: float = run.noise) -> float:
        return seconds * rng.lognormal(-(noise**2) / 2, noise)

    def passes(reads: float, forwards: float) -> float:
        read, compute = reads * run.decode, forwards * run.compute * run.forward
        return noisy(max(read, compute) if run.workers else read + compute, 0.03)

    now, found = 0.0, []
    for epoch in range(run.epochs):
        for batch in range(run.batches):
            warm = (
                1 + 3 * max(0.0, 1 - batch / 5) if epoch == 0 else 1.0
            )  # the first steps take up to four times as long
            read, compute = noisy(run.decode), noisy(run.compute) * warm
            wait = max(0.0, read - compute) if run.workers else read
            if batch == 0:
                wait += run.fill + (run.launch if epoch == 0 else 0.0)
            now += wait + compute
            clock.step(wait + compute, wait, read if run.workers else None, first=batch == 0)
            found.append((now, clock.seconds_left()))
        if precise[epoch]:
            seconds = passes(part, part)
            now += seconds
            clock.extra("precise_bn", seconds)
        seconds = passes(size, size * run.views)
        if epoch == 0:
            seconds = seconds * run.cold + (run.begin if run.workers else 0.0)
        now += seconds
        clock.extra("validation", seconds)
        seconds = noisy(run.save)
        now += seconds
        clock.extra("save", seconds)
    return [*found, (now, 0.0)]


def worst(run: Run, seed: int) -> float:
    """The largest |estimate - truth| / truth from 5 % of the steps and of the time on.

    In the last 2 % of the run the error is measured against these 2 %: what one step takes nobody can foretell.
    """
    found = np.array(simulate(run, seed))
    end = found[-1, 0]
    done = np.arange(1, len(found)) / (len(found) - 1)
    now, estimate = found[:-1].T
    error = np.abs(estimate - (end - now)) / np.maximum(end - now, 0.02 * end)
    return float(error[(done >= 0.05) & (now >= 0.05 * end)].max())


LOADERS = {
    "no workers": (0.1, 0),
    "never waits": (0.02, 4),
    "half as slow as the model": (0.1, 4),
    "as slow as the model": (0.19, 4),
    "twice as slow as the model": (0.4, 4),
}


@pytest.mark.parametrize("size", [(3, 200), (10, 60), (60, 30)], ids=["3 epochs", "10 epochs", "60 epochs"])
@pytest.mark.parametrize("loader", LOADERS)
def test_the_estimate_holds_within_15_percent_from_5_percent_on(loader: str, size: tuple[int, int]) -> None:
    """Validation sets of 5 and 30 % of the training set, one view and three, with precise BN and without, and forward
    passes of 0.28 and 0.36 of a step (measured: TSM 0.29 to 0.34, TimeSformer 0.32 and 0.33)."""
    for valid, views, forward, precise in product((0.05, 0.3), (1, 3), (0.28, 0.36), (0, 2)):
        run = Run(*size, *LOADERS[loader], valid, views, forward, precise)
        assert worst(run, seed=0) <= 0.15, run
