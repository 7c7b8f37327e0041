"""The curves of one run in one pair of axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddlevideo.tasks.plot.curves import smoothed, thinned
from paddlevideo.tasks.plot.panels import Panel
from paddlevideo.tasks.plot.read_log import RunLog
from paddlevideo.tasks.plot.row import STEP

# Okabe and Ito, "Color Universal Design", 2008, but for its yellow, which is too light on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
ROLES = ("train", "val", "val_ema", "val_swa")
MARKED = {"val": ("-", "o"), "val_ema": ("--", "s"), "val_swa": (":", "^")}
THIN = {"linewidth": 0.5, "alpha": 0.2, "zorder": 1}  # as logged
PLAIN = {"linewidth": 0.9, "zorder": 2}  # training
HOLLOW = {"linestyle": "", "marker": "o", "markersize": 3.2, "markerfacecolor": "white", "markeredgewidth": 0.8}
BOLD = {"linewidth": 1.3, "markersize": 3.2, "zorder": 3}  # validation
STAR = {"marker": "*", "markersize": 9, "markeredgecolor": "white", "markeredgewidth": 0.6}
CROSS = {"marker": "x", "markersize": 5, "markeredgewidth": 1.4, "linestyle": ""}
DOTS = 15  # of a curve


def colour(number: int | None, role: str) -> str:
    """Of a curve: that of the run where there are several, else that of its role."""
    if number is not None:
        return COLOURS[number]
    return COLOURS[ROLES.index(role)] if role in ROLES else COLOURS[-1]


def validation_style(kind: str) -> dict[str, Any]:
    """How the curve of a kind of validation is drawn."""
    linestyle, marker = MARKED.get(kind, ("-.", "D"))
    return {**BOLD, "linestyle": linestyle, "marker": marker}


def draw_run(axes: Any, panel: Panel, run: RunLog, number: int | None, width: float) -> np.ndarray:
    """Draws training and validations; marks the best one, and where numbers stop being finite.

    Args:
        number: of the run; None where it is the only one.
    Returns: the values that the axes must have room for.
    """
    room = [np.zeros(0)]
    for figure in panel.figures:
        room += _draw_training(axes, panel, run, figure, colour(number, "train"), width)
        if panel.judged:
            room += _draw_epochs(axes, panel, run, figure, number)
    return np.concatenate(room)


def _draw_epochs(axes: Any, panel: Panel, run: RunLog, figure: str, number: int | None) -> list[np.ndarray]:
    """Means over epochs of training, each in the middle of its epoch; validations, and the best of them."""
    room = []
    for kind in ("train", *run.kinds()):
        x, y = _arrays(run, kind, figure, panel.scale)
        if not len(x):
            continue
        every = max(1, len(x) // DOTS)
        if kind == "train":
            axes.plot((x - 0.5)[::every], y[::every], color=colour(number, kind), zorder=2.5, **HOLLOW)
        else:
            axes.plot(x, y, color=colour(number, kind), markevery=every, **validation_style(kind))
        room.append(y)
    best = run.best()
    if best is not None and best.figure == figure:
        place = [best.epochs_done], [best.value * panel.scale]
        axes.plot(*place, color=colour(number, best.kind), zorder=4, clip_on=False, **STAR)
    return room


def _draw_training(axes: Any, panel: Panel, run: RunLog, figure: str, own: str, width: float) -> list[np.ndarray]:
    """The steps, as logged and averaged, and where they stop being numbers."""
    x, y = _arrays(run, STEP, figure, panel.scale)
    if not len(x):
        return []
    finite = np.isfinite(y)
    if not finite.all():
        place = [x[~finite][0]], [1.0]
        axes.plot(*place, color=own, transform=axes.get_xaxis_transform(), clip_on=False, zorder=5, **CROSS)
    some = thinned(y)
    if not (panel.smooth and width):
        axes.plot(x[some], y[some], color=own, **PLAIN)
        return [y]
    axes.plot(x[some], y[some], color=own, **THIN)
    means = smoothed(x, y, width)
    axes.plot(*means, color=own, **PLAIN)
    return [means[1], np.percentile(y[finite], [1, 99]) if finite.any() else y]


def _arrays(run: RunLog, kind: str, figure: str, scale: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = run.curve(kind, figure)
    return np.array(x), np.array(y) * scale


def limit(axes: Any, panel: Panel, room: Sequence[np.ndarray]) -> None:
    """Sets the ends of the y axis: what is drawn thin may leave it, for single steps can lie far off."""
    values = np.concatenate(room)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low or abs(high) or 1.0)
    low = low - margin if panel.least is None else panel.least
    high += margin
    axes.set_ylim(low, high if panel.most is None else min(high, panel.most))
