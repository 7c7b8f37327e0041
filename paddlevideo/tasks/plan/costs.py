"""How long a run takes and what it writes: arithmetic on what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from paddlevideo.loader.plan import count_batches
from paddlevideo.tasks.plan.batches import Choice
from paddlevideo.tasks.plan.loading import Loading
from paddlevideo.tasks.schema import RootSection, due


@dataclass(frozen=True)
class Machine:
    """Where the run is to work.

    Attributes:
        cores: of the processor, for the loaders of all processes, and for the models where there is no GPU.
        processes: that share them.
        gpu: each has a GPU of its own.
    """

    cores: int
    processes: int
    gpu: bool


@dataclass(frozen=True)
class Times:
    """Seconds.

    Attributes:
        batches: an epoch of a process.
        epoch: of training, in all batches of it.
        waiting: the part of it that is spent on data.
        validation: once; None where none is made, or it is not known.
        precise_bn: once; None likewise.
        run: all epochs with their validations.
    """

    batches: int
    epoch: float
    waiting: float
    validation: float | None
    precise_bn: float | None
    run: float


def with_loading(compute: float, clips: float, rate: float | None, workers: int, machine: Machine) -> float:
    """Seconds of computing so long on `clips` clips that a loader prepares at `rate` clips a second.

    Without workers one comes after the other. With them both go on at once: on a GPU the longer counts; a CPU spends
    its cores on both. The rate is that of one process's loader with the whole machine for itself.
    """
    if rate is None:
        return compute
    if workers == 0:
        return compute + clips / rate
    spent = clips / rate * min(workers, machine.cores)  # seconds of one core
    busy = spent / max(1, machine.cores // machine.processes)  # of all that are this process's share
    loading = max(clips / rate, busy)
    return max(compute, loading) if machine.gpu else max(loading, compute + busy)


def times(
    cfg: RootSection,
    choice: Choice,
    seconds: float,
    forward: float | None,
    loading: dict[str, Loading],
    machine: Machine,
) -> Times | None:
    """The times of a run; None where the number of clips is not known.

    Args:
        seconds: of a training step.
        forward: of a validation clip, with all its views.
        loading: by split; "valid" only where the run validates.
    """
    data = loading["train"]
    if data.clips is None:
        return None
    workers = {split: cfg.DATASET.workers_of(split) for split in ("train", "valid")}
    batches = count_batches(data.clips, choice.batch, drop_last=True, world_size=choice.processes)
    step = with_loading(seconds, choice.batch, data.rate, workers["train"], machine)
    validation = precise = None
    valid = loading.get("valid")
    if valid is not None and valid.clips is not None and forward is not None:
        mine = valid.clips / choice.processes
        validation = with_loading(forward * mine, mine, valid.rate, workers["valid"], machine)
    if cfg.PRECISEBN is not None and forward is not None:
        clean = with_loading(forward * choice.batch, choice.batch, data.rate, workers["train"], machine)
        precise = clean * min(cfg.PRECISEBN.num_iters_preciseBN, batches)
    run = (
        cfg.epochs * batches * step
        + times_due(cfg.epochs, cfg.val_interval) * (validation or 0.0)
        + times_due(cfg.epochs, cfg.PRECISEBN.preciseBN_interval if cfg.PRECISEBN else 1) * (precise or 0.0)
    )
    return Times(batches, batches * step, batches * (step - seconds), validation, precise, run)


def times_due(epochs: int, interval: int) -> int:
    """How often a whole run does what comes every `interval` epochs, see `due`."""
    return sum(due(epoch, epochs, interval) for epoch in range(epochs))
