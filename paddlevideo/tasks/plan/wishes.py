"""What the user says to a plan beside the config, and what follows for each process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import paddle

from paddlevideo.tasks.doctor.finding import gigabytes
from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.free_memory import free_memory

SHARE = {"gpu": 0.9, "cpu": 0.8}  # of a GPU's memory, of the free memory; the rest is for all that is not measured


@dataclass(frozen=True)
class Wishes:
    """The command line.

    Attributes:
        memory: bytes that a process may take; None for its share of what there is.
        processes: of the run.
        global_batch: clips of an optimizer step; None for the recipe's.
        steps: that a trial times.
        gpu: the run is on GPUs.
        threads: of each process on a CPU; None for its share of the cores.
        options: of the trainer, such as amp.
        flags: that the command repeats, such as --amp.
    """

    memory: int | None
    processes: int
    global_batch: int | None
    steps: int
    gpu: bool
    threads: int | None
    options: Mapping[str, Any]
    flags: Sequence[str]

    def check_gpus(self) -> None:
        """Raises UserError unless there are so many GPUs."""
        count = paddle.device.cuda.device_count() if self.gpu else 0
        if count < self.processes:
            seen = f"Paddle sees {count} here" if self.gpu else "this run is on the CPU"
            raise UserError(f"--gpus {self.processes}: {seen}, and a plan is measured; --processes plans for the CPU")

    def budget(self) -> tuple[float, str]:
        """Bytes that each process may take, and how that comes about.

        Raises:
            UserError: the system does not tell its memory.
        """
        if self.memory is not None:
            return self.memory, "--memory"
        if self.gpu:
            total = paddle.device.cuda.get_device_properties().total_memory
            return SHARE["gpu"] * total, f"{SHARE['gpu']:.0%} of the GPU's {gigabytes(total)}"
        free = free_memory()
        if free is None:
            raise UserError("this system does not tell how much memory is free; say what there is: --memory 8GB")
        shared = f", shared by {self.processes} processes" if self.processes > 1 else ""
        return SHARE[
            "cpu"
        ] * free / self.processes, f"{SHARE['cpu']:.0%} of the {gigabytes(free)} that are free{shared}"

    def threads_of_process(self) -> int:
        """Threads of each process: as a launch sets them, unless the user has."""
        threads = environment.threads()
        if self.threads is None and threads == environment.cores():  # all of them, as nobody has said otherwise
            threads = max(1, threads // self.processes)
        return threads
