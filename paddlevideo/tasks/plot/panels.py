"""Which figures get axes of their own, and how these are labelled."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Panel:
    """Axes.

    Attributes:
        figures: names that one and the same figure has in logs.
        label: of the y axis, with the unit.
        scale: what values are multiplied by.
        least, most: where the axis may begin and end; None: where the curves do.
        smooth: whether training curves are averaged; a learning rate is exact as it is.
        judged: whether epochs and validations are drawn too; their speed is not what one asks for.
    """

    figures: tuple[str, ...]
    label: str
    scale: float = 1.0
    least: float | None = None
    most: float | None = None
    smooth: bool = True
    judged: bool = True


LOSS = Panel(("loss",), "loss")
OTHER_SHARES = (
    Panel(("hit1", "hit_at_one"), "hit@1 (%)", 100.0, 0.0, 100.0),
    Panel(("mean_average_precision", "mAP"), "mean average precision (%)", 100.0, 0.0, 100.0),
    Panel(("mean_class_accuracy",), "mean class accuracy (%)", 100.0, 0.0, 100.0),
)
COURSE = (
    Panel(("lr",), "learning rate", least=0.0, smooth=False, judged=False),
    Panel(("ips",), "rate (clips/s)", least=0.0, judged=False),
    Panel(("data_wait",), "waiting for data (%)", 100.0, 0.0, 100.0, judged=False),
)


def panels(of_steps: Set[str], of_epochs: Set[str]) -> list[Panel]:
    """The axes for the figures of steps and of epochs and validations, in the order they are drawn: loss, accuracies,
    learning rate, rate, waiting."""
    there = of_steps | of_epochs
    ranks = sorted(int(found[1]) for name in there if (found := re.fullmatch(r"top(\d+)", name)))
    tops = [Panel((f"top{k}",), f"top-{k} accuracy (%)", 100.0, 0.0, 100.0) for k in ranks]
    judged = [panel for panel in (LOSS, *tops, *OTHER_SHARES) if there & set(panel.figures)]
    return judged + [panel for panel in COURSE if of_steps & set(panel.figures)]
