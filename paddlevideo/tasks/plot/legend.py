"""The legend above the axes: runs with their best validation, and what the kinds of lines are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from paddlevideo.tasks.plot.drawing import COLOURS, CROSS, HOLLOW, PLAIN, STAR, colour, validation_style
from paddlevideo.tasks.plot.panels import Panel
from paddlevideo.tasks.plot.read_log import Best, RunLog
from paddlevideo.tasks.plot.row import STEP

NAMES = {"val": "validation", "val_ema": "validation of the EMA", "val_swa": "validation of the SWA"}
GREY = "#606060"
LONGEST = 60  # letters of a run's name
ROOM = 15.5  # letters that fit into an inch, roughly


def add_legend(picture: Any, title: str, runs: Sequence[RunLog], shown: Sequence[Panel], width: float) -> None:
    """Adds it to a matplotlib Figure, below the title, for which there would be no room apart from it."""
    from matplotlib.lines import Line2D

    several = len(runs) > 1
    entries: list[tuple[Any, str]] = []
    for number, run in enumerate(runs if several else ()):
        label = shortened(run.name) + best_of(run.best(), shown, ": ")
        entries.append((Line2D([], [], color=COLOURS[number], linewidth=2.5), label))

    def line(style: dict[str, Any], role: str) -> Any:
        return Line2D([], [], color=GREY if several else colour(None, role), **style)

    if any(STEP in run.rows for run in runs):
        said = f"training, mean over {epochs(width)} (thin: as logged)" if width else "training"
        entries.append((line(PLAIN, "train"), said))
    if any("train" in run.rows for run in runs):
        entries.append((line(HOLLOW, "train"), "training, mean over the epoch"))
    for kind in sorted({kind for run in runs for kind in run.kinds()}):
        entries.append((line(validation_style(kind), kind), NAMES.get(kind, kind)))
    bests = [best for run in runs if (best := run.best()) is not None]
    if bests:
        said = "best validation" if several else f"best: {best_of(bests[0], shown, '')}"
        entries.append((line({**STAR, "linestyle": ""}, bests[0].kind), said))
    if any(math.isnan(value) for run in runs for value in run.curve(STEP, "loss")[1]):
        entries.append((line(CROSS, "train"), "first loss that is no finite number"))
    handles, labels = zip(*entries)
    columns = fitting([len(label) for label in labels], picture.get_figwidth() * ROOM)
    picture.legend(handles, labels, title=title or None, loc="outside upper center", ncols=columns)


def best_of(best: Best | None, shown: Sequence[Panel], before: str) -> str:
    """A validation in words: "71.2 % after 34 epochs"."""
    if best is None:
        return ""
    panel = next(panel for panel in shown if best.figure in panel.figures)
    value = f"{best.value * panel.scale:.1f} %" if panel.most else f"{best.value:.3f}"
    return f"{before}{panel.label.removesuffix(' (%)')} {value} after {epochs(best.epochs_done)}"


def epochs(count: float) -> str:
    """In words."""
    return f"{count:.3g} epoch{'' if count == 1 else 's'}"


def shortened(name: str) -> str:
    """The name, without its middle where it is too long."""
    half = (LONGEST - 1) // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[-half:]}"


def fitting(lengths: Sequence[int], room: float, handle: int = 8) -> int:
    """Columns in which labels of so many letters fit side by side, as equally long as they can be.

    Args:
        handle: letters that a line and the gaps beside it take.
    """
    for columns in range(len(lengths), 1, -1):
        if sum(max(part) + handle for part in np.array_split(lengths, columns)) <= room:
            return columns
    return 1
