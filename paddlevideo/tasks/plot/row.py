"""One line of a training's log, as a value."""

from __future__ import annotations

from dataclasses import dataclass

STEP = "step"  # the kind of the lines inside an epoch


def of_epoch(kind: str) -> bool:
    """Whether it is a kind of line that sums up an epoch or a validation."""
    return kind == "train" or kind.startswith("val")


@dataclass(frozen=True)
class Row:
    """What was measured at one place of a run.

    Attributes:
        kind: "step" inside an epoch, "train" of an epoch, "val", "val_ema" ... of a validation.
        epoch: under way, from 1.
        step: batches of it that were done.
        batches: of an epoch.
        values: loss, top1 ..., lr, ips, data_wait (0..1); NaN for what was no finite number.
    """

    kind: str
    epoch: int
    step: int
    batches: int
    values: dict[str, float]

    @property
    def place(self) -> tuple[int, int]:
        """By which rows are ordered."""
        return self.epoch, self.step

    @property
    def epochs_done(self) -> float:
        return self.epoch - 1 + min(1.0, self.step / self.batches)
