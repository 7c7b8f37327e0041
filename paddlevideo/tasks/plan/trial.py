"""One trial: real training steps and a validation at one batch size, in a process of its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

from paddlevideo.tasks.benchmark.child import Died, ask
from paddlevideo.tasks.benchmark.memory import CLEAR
from paddlevideo.tasks.plan.wishes import Wishes
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True)
class Trial:
    """What a process measured of itself.

    Attributes:
        batch: clips it trained on at a time.
        peak: bytes that it took at most, in training and validating; those of the GPU where it used one.
        seconds: of a training step, the median.
        forward: seconds of a validation clip with all its views; None without PIPELINE.valid.
        weights: bytes of the model's arrays.
        trained: bytes of those that are trained: their gradients take as much.
        optimizer: bytes of the optimizer's state.
        clip: bytes of a clip on its way from the loader.
        shape: of a clip, as the model takes it.
        batch_norm: the model normalises over the clips of a batch.
    """

    batch: int
    peak: int
    seconds: float
    forward: float | None
    weights: int
    trained: int
    optimizer: int
    clip: int
    shape: list[int]
    batch_norm: bool

    @property
    def per_clip(self) -> float:
        """Seconds of training on a clip."""
        return self.seconds / self.batch


@dataclass(frozen=True)
class Subject:
    """What is tried, and how."""

    config: str
    overrides: list[str]
    wishes: Wishes

    def attempt(self, batch: int) -> Trial | Died:
        """A trial; how its process ended, where it did for want of memory.

        Raises:
            UserError: the system does not tell a process's memory; or the process died for another reason.
        """
        wishes = self.wishes
        if not wishes.gpu and not CLEAR.exists():
            raise UserError("without a GPU, memory can be measured on Linux only")
        count = str(wishes.threads_of_process())
        request = {"config": self.config, "overrides": self.overrides, "batch": batch, "steps": wishes.steps}
        request |= {"gpu": wishes.gpu, "options": dict(wishes.options)}
        with tempfile.TemporaryDirectory() as folder:  # here, so that it goes where the process is killed too
            changes = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count}
            found = ask("paddlevideo.tasks.plan.one_trial", {**request, "folder": folder}, changes)
        if not isinstance(found, Died):
            return Trial(**found)
        if not found.memory:
            raise UserError(f"{self.config}: training steps on batches of {batch} failed ({found})")
        return found
