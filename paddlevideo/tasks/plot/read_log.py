"""What a training run has written about itself, as one record, whichever file it comes from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from paddlevideo.tasks.metrics_log import NAME
from paddlevideo.tasks.plot import json_lines, text_lines
from paddlevideo.tasks.plot.row import STEP, Row
from paddlevideo.utils.errors import UserError

RATIOS = ("top1", "mean_average_precision", "mAP", "hit1", "hit_at_one")  # the first that there is tells the best model


@dataclass(frozen=True)
class RunLog:
    """One run.

    Attributes:
        name: what the legend calls it.
        path: the file that was read.
        rows: by kind ("step", "train", "val", "val_ema", ...), in the order of the run.
    """

    name: str
    path: Path
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def curve(self, kind: str, figure: str) -> tuple[list[float], list[float]]:
        """Epochs done, and the figure there (NaN: it was no finite number), of the rows that have it."""
        own = [row for row in self.rows.get(kind, []) if figure in row.values]
        return [row.epochs_done for row in own], [row.values[figure] for row in own]

    def figures(self, steps: bool) -> set[str]:
        """Names of what was measured in steps, or over epochs and in validations."""
        return {
            name for kind, rows in self.rows.items() if (kind == STEP) is steps for row in rows for name in row.values
        }

    def kinds(self) -> list[str]:
        """The kinds of validations there are: "val", "val_ema", ..."""
        return sorted(kind for kind in self.rows if kind.startswith("val"))

    def best(self) -> Best | None:
        """The best validation: of the highest figure, or of the lowest loss where nothing else was measured."""
        figure = next((name for name in RATIOS if any(self.curve(kind, name)[0] for kind in self.kinds())), "loss")
        sign = -1 if figure == "loss" else 1
        found = [Best(figure, kind, x, y) for kind in self.kinds() for x, y in zip(*self.curve(kind, figure))]
        finite = [point for point in found if math.isfinite(point.value)]
        return max(finite, key=lambda point: (sign * point.value, -point.epochs_done), default=None)

    def summary(self) -> str:
        """What there is of it, in one line."""
        losses = [loss for kind in (STEP, "train") for loss in self.curve(kind, "loss")[1]]
        broken = sum(not math.isfinite(loss) for loss in losses)
        best = self.best()
        parts = [f"{self.name}: {self.epochs():.4g} epochs of {self.path}"]
        parts += [f"the loss is no finite number in {broken} of {len(losses)} lines"] if broken else []
        parts += [f"best {best.kind} {best.figure} {best.value:.4f} after {best.epochs_done:.4g}"] if best else []
        return ", ".join(parts)

    def epochs(self) -> float:
        """Epochs done."""
        return max(rows[-1].epochs_done for rows in self.rows.values())


@dataclass(frozen=True)
class Best:
    """The best validation of a run: its figure and kind, epochs done by then, and the value."""

    figure: str
    kind: str
    epochs_done: float
    value: float


def read(place: Path, name: str | None = None) -> RunLog:
    """Reads a run: its folder, its metrics.jsonl, its log, or a log of PaddleVideo.

    Raises:
        UserError: there is no such file, it is something else, or nothing is finished yet that could be drawn.
    """
    path = log_in(place) if place.is_dir() else place
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if not text.strip("\0 \t\r\n"):
        raise UserError(f"{path}: empty; the run has not written anything yet")
    parse = json_lines.parse if text.lstrip("\0 \t\r\n").startswith("{") else text_lines.parse
    rows = in_order(parse(text))
    if not rows:
        if json_lines.is_log(text) or text_lines.is_log(text):
            raise UserError(f"{path}: no step or epoch in it is finished yet; there is nothing to draw")
        raise UserError(
            f"{path}: no line of it is one of a training; give the folder of a run, its {NAME} or its log "
            "(PaddleVideo's .log.txt too)"
        )
    return RunLog(name_of(path) if name is None else name, path, rows)


def log_in(folder: Path) -> Path:
    """The file of a run's folder that says most.

    Raises:
        UserError: there is none, or several logs and no telling which.
    """
    for path in (folder / NAME, folder / f"{folder.resolve().name}.log"):
        if path.is_file():
            return path
    logs = sorted({*folder.glob("*.log"), *folder.glob(".log.txt")})
    if not logs:
        raise UserError(f"{folder}: neither {NAME} nor a .log in it; give the folder of a run, or its log")
    if len(logs) > 1:
        raise UserError(f"{folder}: {', '.join(path.name for path in logs)} are in it; name one of them")
    return logs[0]


def name_of(path: Path) -> str:
    """NAME.log is NAME; metrics.jsonl and .log.txt are called as their folder."""
    if path.name == NAME or path.name.startswith("."):
        return path.resolve().parent.name
    return re.sub(r"\.log$|\.log\.txt$|\.txt$", "", path.name)


def in_order(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows by kind, without those that a run wrote before it went back.

    A run that is resumed goes back to its checkpoint, and a new one that writes into the same file goes back to the
    beginning: what is there of the steps from that place on, and of epochs after it, counts no more. Of the same kind
    at the same place the later counts.
    """
    kept: dict[str, list[Row]] = {}
    for row in rows:
        same = kept.setdefault(row.kind, [])
        if same and row.place <= same[-1].place:
            for others in kept.values() if row.kind == STEP else [same]:
                while others and others[-1].place >= row.place:
                    others.pop()
        same.append(row)
    return {kind: own for kind, own in kept.items() if own}


def read_all(places: list[Path], names: list[str]) -> list[RunLog]:
    """Reads several runs; those of the same name are called by their paths.

    Raises:
        UserError: as `read`; not as many names as runs.
    """
    if names and len(names) != len(places):
        raise UserError(f"--names: {len(names)} names for {len(places)} logs")
    runs = [read(place, name) for place, name in zip_longest(places, names)]
    called = [run.name for run in runs]
    return [
        replace(run, name=str(place)) if called.count(run.name) > 1 and not names else run
        for run, place in zip(runs, places)
    ]
