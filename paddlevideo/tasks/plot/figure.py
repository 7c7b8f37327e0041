"""The picture: axes for each figure, a colour for each run, or for training and validation where there is one run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddlevideo.tasks.plot.drawing import COLOURS, draw_run, limit
from paddlevideo.tasks.plot.legend import add_legend
from paddlevideo.tasks.plot.panels import panels
from paddlevideo.tasks.plot.read_log import RunLog
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

SUFFIXES = (".png", ".svg", ".pdf")
WIDTH, ROW, HEAD = 7.2, 1.9, 0.5  # inches: of two columns; the height of a row of axes, and of what is above them
DOTS = 200  # an inch, of a PNG
STYLE = {
    "font.size": 8.0,
    "legend.title_fontsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "text.parse_math": False,  # names are no formulas, whatever is in them
    "svg.hashsalt": "paddlevideo",  # the same curves give the same file
}


def check(out: Path, runs: int) -> None:
    """Raises UserError when such a picture cannot be made; asked before logs are read."""
    if out.suffix not in SUFFIXES:
        raise UserError(f"-o {out}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if runs > len(COLOURS):
        raise UserError(f"{runs} logs: more than {len(COLOURS)} cannot be told apart in one picture; plot fewer")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError("plot needs matplotlib: pip install 'paddlevideo[plot]'") from None


def write(out: Path, runs: Sequence[RunLog], title: str, width: float) -> None:
    """Draws the runs into a .png, .svg or .pdf, whole or not at all. `width`: see `draw`."""
    import matplotlib

    kind = out.suffix[1:]
    no_date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with matplotlib.rc_context(STYLE):
        picture = draw(runs, title, width)
        with files.atomic(out) as scratch:
            picture.savefig(scratch, format=kind, dpi=DOTS, metadata=no_date)


def draw(runs: Sequence[RunLog], title: str, width: float) -> Any:
    """A matplotlib Figure, apart from pyplot and its state.

    Args:
        width: epochs that training curves are averaged over; 0 leaves them as logged.
    """
    from matplotlib.figure import Figure

    shown = panels(*({name for run in runs for name in run.figures(steps)} for steps in (True, False)))
    columns = min(2, len(shown))
    rows = math.ceil(len(shown) / columns)
    picture = Figure(figsize=(WIDTH * columns / 2, ROW * rows + HEAD), layout="constrained")
    grid = picture.subplots(rows, columns, squeeze=False, sharex=True).flatten()
    for axes, panel in zip(grid, shown):
        solid = [
            draw_run(axes, panel, run, number if len(runs) > 1 else None, width) for number, run in enumerate(runs)
        ]
        limit(axes, panel, solid)
        axes.set_ylabel(panel.label)
    for axes in grid[len(shown) :]:
        axes.remove()
    for axes in grid[max(0, len(shown) - columns) : len(shown)]:
        axes.set_xlabel("epochs")
        axes.tick_params(labelbottom=True)
    grid[0].set_xlim(0, longest(runs) * 1.02)
    picture.align_ylabels()
    add_legend(picture, title, runs, shown, width)
    return picture


def longest(runs: Sequence[RunLog]) -> float:
    """Epochs of the longest run."""
    return max(run.epochs() for run in runs)
