"""Running figures of an epoch, the log lines made from them, and the time that is left."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import paddle

from paddlevideo.tasks.checkpoint import TrainState

LONG_WAIT = 0.2  # share of the time


def over_clips(values: Mapping[str, paddle.Tensor], clips: int) -> dict[str, paddle.Tensor]:
    """Mean values of a batch -> their sums over its clips, float32, without gradients."""
    return {name: value.detach().astype("float32") * clips for name, value in values.items()}


class Meter:
    """Averages over the clips of an epoch. Values stay on the device until a line is wanted, so steps do not wait.

    Args:
        sums: of an earlier part of the epoch, to go on from.
    """

    def __init__(self, sums: Mapping[str, float] | None = None) -> None:
        sums = dict(sums or {})
        self.clips = int(sums.pop("clips", 0))
        self.batches = int(sums.pop("batches", 0))
        self.batch_seconds = sums.pop("batch_seconds", 0.0)
        self.reader_seconds = sums.pop("reader_seconds", 0.0)
        self._sums = {name: paddle.to_tensor(value, "float32") for name, value in sums.items()}

    def sums(self) -> dict[str, float]:
        """All there is to know, for a meter that goes on from here."""
        counts = {"clips": self.clips, "batches": self.batches}
        seconds = {"batch_seconds": self.batch_seconds, "reader_seconds": self.reader_seconds}
        return {**counts, **seconds, **{name: float(total) for name, total in self._sums.items()}}

    def add(self, sums: Mapping[str, paddle.Tensor], clips: int) -> None:
        """Adds what `over_clips` makes of one batch of `clips` clips."""
        for name, value in sums.items():
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self.clips += clips

    def add_time(self, batch: float, reader: float, batches: int = 1) -> None:
        """Adds the seconds of a batch, or of some, and the part of them spent waiting for data."""
        self.batches += batches
        self.batch_seconds += batch
        self.reader_seconds += reader

    @property
    def waiting(self) -> float:
        """Share of the time spent waiting for data, 0..1."""
        return self.reader_seconds / max(1e-9, self.batch_seconds)

    def rates(self) -> dict[str, float]:
        """Seconds a batch, of that for its data, clips a second, and the share of the time spent waiting for data."""
        batches, seconds = max(1, self.batches), max(1e-9, self.batch_seconds)
        return {
            "batch_cost": self.batch_seconds / batches,
            "reader_cost": self.reader_seconds / batches,
            "ips": self.clips / seconds,
            "data_wait": self.waiting,
        }

    def averages(self) -> dict[str, float]:
        """Means over the clips so far."""
        return {name: float(total) / max(1, self.clips) for name, total in self._sums.items()}


def train_line(
    epoch: int, epochs: int, step: int, figures: Mapping[str, float], lr: float, cost: Meter, eta: str
) -> str:
    """The line PaddleVideo prints every log_interval steps. `epoch` counts from 1."""
    return (
        f"epoch:[{epoch:>3d}/{epochs:<3d}] train step:{step:<4d} {_values(figures, lr)} "
        f"{_costs(cost)}, eta: {eta}{memory()}, {_waiting(cost)}"
    )


def valid_line(epoch: int, epochs: int, step: int, figures: Mapping[str, float], cost: Meter) -> str:
    """The same for a batch of a validation."""
    return f"epoch:[{epoch:>3d}/{epochs:<3d}] val step:{step:<4d} {_values(figures)} {_costs(cost)}."


def _values(figures: Mapping[str, float], lr: float | None = None) -> str:
    rate = "" if lr is None else f" lr: {lr:.6f}"
    rest = " ".join(f"{name}: {value:.5f}" for name, value in figures.items() if name != "loss")
    return f"loss: {figures['loss']:7.5f}{rate} {rest}"


def _costs(cost: Meter) -> str:
    rates = cost.rates()
    return (
        f"batch_cost: {rates['batch_cost']:.5f} sec, reader_cost: {rates['reader_cost']:.5f} sec, "
        f"ips: {rates['ips']:.5f} instance/sec"
    )


def epoch_line(epoch: int, phase: str, figures: Mapping[str, float], cost: Meter) -> str:
    """The line at the end of an epoch or a validation. `epoch` counts from 1."""
    averages = " ".join(f"{name}_avg: {value:.5f}" for name, value in figures.items())
    rates = cost.rates()
    return (
        f"END epoch:{epoch:<3d} {phase} {averages} avg_batch_cost: {rates['batch_cost']:.5f} sec, "
        f"avg_reader_cost: {rates['reader_cost']:.5f} sec, batch_cost_sum: {cost.batch_seconds:.5f} sec, "
        f"avg_ips: {rates['ips']:.5f} instance/sec. {_waiting(cost)}"
    )


def _waiting(cost: Meter) -> str:
    return f"data_wait: {100 * cost.waiting:.1f} %"


def advice(cost: Meter, workers: int, cores: int) -> str:
    """What to do about an epoch of training that waited long for its data; empty where it did not.

    Args:
        workers: of the loader.
        cores: that this rank may use.
    """
    if cost.waiting < LONG_WAIT:
        return ""
    said = f"{100 * cost.waiting:.0f} % of this epoch was spent waiting for data: "
    if workers < cores:
        return f"{said}raise DATASET.num_workers ({workers}; this process may use {cores} cores)"
    return (
        f"{said}all {cores} cores decode already; smaller videos (paddlevideo prepare transcode) or frames are faster"
    )


def memory() -> str:
    """Device memory, where the device counts it."""
    if not paddle.is_compiled_with_cuda():
        return ""
    reserved, allocated = paddle.device.cuda.max_memory_reserved(), paddle.device.cuda.max_memory_allocated()
    return f", max_mem_reserved: {reserved / 2**20:.2f} MB max_mem_allocated: {allocated / 2**20:.2f} MB"


def closing_lines(state: TrainState, best: Path) -> Iterator[str]:
    """What a run has come to: the best score and where, how long it took, steps that were skipped."""
    if state.best_epoch:
        yield f"best: {state.best_top1:.5f} after epoch {state.best_epoch}, in {best}.pdparams"
    took = datetime.timedelta(seconds=int(state.seconds))
    share = 100 * state.waited / max(1e-9, state.seconds)
    yield f"trained for {took}, {share:.1f} % of it waiting for data"
    if state.skipped:
        yield f"{state.skipped} steps were skipped, because their gradients were not finite"


class Stopwatch:
    """Seconds since it was last asked."""

    def __init__(self) -> None:
        self._begin = self._at = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        seconds, self._at = now - self._at, now
        return seconds

    def total(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._begin
