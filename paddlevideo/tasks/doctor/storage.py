"""Checks of what a run needs to write and to hold: disk space, writable folders, memory for batches."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

from paddlevideo.loader.dataloader import AHEAD
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.tasks.doctor.config_checks import SPLITS
from paddlevideo.tasks.doctor.finding import Finding, Level, error, gigabytes, note, ok, warning
from paddlevideo.tasks.doctor.machine import Machine
from paddlevideo.tasks.run import blank_clip
from paddlevideo.tasks.schema import RootSection, due

SLOTS = {"Momentum": 1, "SGD": 0}  # numbers an optimizer keeps for every trained one; the others (Adam ...) keep two


def check(cfg: RootSection, model: Any) -> Iterator[Finding]:
    """Where the run writes."""
    for where, folder in (("output_dir", cfg.output), ("log_dir", Path(cfg.log_dir) if cfg.log_dir else None)):
        if folder is not None:
            yield from writable(where, folder)
    if model is not None and cfg.OPTIMIZER is not None:
        trained = sum(prod(item.shape) for item in model.parameters() if not item.stop_gradient)
        held = sum(prod(item.shape) for item in model.state_dict().values())
        one = 4 * (held + SLOTS.get(type(cfg.OPTIMIZER).__name__, 2) * trained)
        yield from disk(cfg.output, one, checkpoints(cfg))


def checkpoints(cfg: RootSection) -> int:
    """How many a whole run keeps: after epochs, inside an epoch, the best, one being written."""
    every = cfg.saves
    after = sum(due(epoch, cfg.epochs, every.epochs) for epoch in range(cfg.epochs))
    inside = 2 if every.iterations or every.minutes else 0
    return min(after, cfg.keep_checkpoints or after) + inside + 2


def writable(where: str, folder: Path) -> Iterator[Finding]:
    """Whether files can be made in a folder, or it can be made itself. Nothing is written to find out."""
    there = existing(folder)
    if not there.is_dir():
        yield error(where, f"{folder}: {there} is a file, not a folder", f"-o {where}=ANOTHER_FOLDER")
    elif not os.access(there, os.W_OK | os.X_OK):
        yield error(where, f"{folder}: {there} cannot be written to", f"-o {where}=ANOTHER_FOLDER")


def disk(folder: Path, checkpoint: int, count: int) -> Iterator[Finding]:
    """Whether `count` checkpoints of so many bytes have room on the disk of a folder."""
    free, need = shutil.disk_usage(existing(folder)).free, checkpoint * count
    said = f"a run keeps {count} checkpoints of {gigabytes(checkpoint)}, {gigabytes(need)} in all"
    if need > free:
        fix = "-o save_interval=N or keep_checkpoints=N keeps fewer, output_dir another disk"
        level: Level = "error" if checkpoint > free else "warning"
        yield Finding(level, "output_dir", f"{folder}: {said}, but {gigabytes(free)} are free", fix)
    else:
        yield ok("output_dir", f"{folder}: {said}; {gigabytes(free)} are free")


def existing(folder: Path) -> Path:
    """A folder, or the nearest above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def waiting(cfg: RootSection, here: Machine) -> Iterator[Finding]:
    """Whether the batches that wait for the model have room: in memory files, which /dev/shm does not limit."""
    need = waiting_bytes(cfg)
    if need == 0:
        return
    said = f"the batches of all workers take up to {gigabytes(need)}"
    if here.memory is not None and need > here.memory / 2:
        fix = "fewer num_workers, or a smaller batch_size"
        yield warning("loader memory", f"{said}, of {gigabytes(here.memory)} that are free", fix)
    else:
        yield ok("loader memory", said)
    if not here.memory_files:
        yield note("loader memory", "this system has no memory files (memfd), so batches go through pipes, slowly")


def waiting_bytes(cfg: RootSection) -> int:
    """Bytes of the batches under way between the workers and the model, of the split where it is most."""
    sizes = [0]
    for split in SPLITS:
        pipeline: Pipeline | None = getattr(cfg.PIPELINE, split)
        if pipeline is None or getattr(cfg.DATASET, split) is None:
            continue
        try:
            array = blank_clip(pipeline).array()
        except ValueError:
            continue  # told by the check of the config
        sizes.append(array.nbytes * cfg.DATASET.batch_of(split) * AHEAD * cfg.DATASET.workers_of(split))
    return max(sizes)
