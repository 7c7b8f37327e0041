"""The file of scores that `--out` writes and `paddlevideo eval` reads, as JSON or CSV. Needs no Paddle.

Scores are written with the 9 digits that give a float32 back exactly, so figures made from the file are those printed.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from paddlevideo.metrics import average_precision, figures
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

SUFFIXES = (".json", ".csv")
Sample: TypeAlias = tuple[str, int | list[int], list[float]]  # file, label or labels, scores


@dataclass(frozen=True)
class About:
    """What the scores of a file are.

    Attributes:
        config, weights: files they come from.
        score_kind: "logits" or "probabilities".
        eval: names of the figures that were printed.
        topk: the k values of top-k accuracy.
        total: samples of the split, readable or not.
        classes: names in id order.
        overrides: what -o said.
        unreadable: [{"file": ..., "reason": ...}], samples without scores.
        multi_label: whether a sample has any number of labels.
    """

    config: str
    weights: str
    score_kind: str
    eval: list[str]
    topk: list[int]
    total: int
    classes: list[str]
    overrides: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    multi_label: bool = False


@dataclass(frozen=True)
class Results:
    """Scores of a test split, in the order of its list: N paths, labels [N] int64 or [N, K] bool, scores [N, K]."""

    about: About
    files: list[str]
    labels: np.ndarray
    scores: np.ndarray


def check_name(path: Path) -> None:
    """Raises UserError when results could not be written there; asked before the scores are computed."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"--out {path}: the name must end in .json or .csv")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {path}: cannot be written ({error.strerror})") from None


def write(path: Path, results: Results) -> None:
    """Writes a .json or .csv file, whole or not at all."""
    lines = _json_lines(results) if path.suffix == ".json" else _csv_lines(results)
    with (
        files.atomic(path) as scratch,
        scratch.open("w", encoding="utf-8", errors="backslashreplace", newline="") as handle,
    ):
        handle.writelines(lines)


def report(results: Results, names: list[str], per_class: bool = False, confusion: bool = False) -> Iterator[str]:
    """Lines: the named figures as the test printed them, what they are of, and the tables asked for."""
    about = results.about
    check_figures(names, about.multi_label)
    if confusion and about.multi_label:
        raise UserError("--confusion: these samples have any number of labels, so none is taken for another")
    yield figures.line(figures.compute(names, results.scores, results.labels, about.topk))
    yield f"on {len(results.files)} of {about.total} samples, {about.score_kind} of {about.weights}"
    if about.multi_label:
        if per_class:
            yield from average_precision.precision_table(results.scores, results.labels, about.classes)
        return
    counts = figures.confusion(results.scores, results.labels)
    if per_class:
        yield from figures.class_table(counts, about.classes)
    if confusion:
        yield from figures.confusions(counts, about.classes)


def check_figures(names: Sequence[str], multi_label: bool) -> None:
    """Raises UserError for a figure that --eval names and that cannot be computed of these samples."""
    try:
        figures.check(names, multi_label)
    except ValueError as error:
        raise UserError(f"--eval: {error}") from None


def _samples(results: Results) -> Iterator[tuple[str, int | list[int], int, list[str]]]:
    """(file, label or labels, prediction, scores as text) of each sample."""
    best = results.scores.argmax(axis=1).tolist()
    labels = [np.flatnonzero(row) for row in results.labels] if results.about.multi_label else results.labels
    for file, label, prediction, row in zip(results.files, (one.tolist() for one in labels), best, results.scores):
        yield file, label, prediction, [f"{value:.9g}" for value in row.tolist()]


def _json_lines(results: Results) -> Iterator[str]:
    """The keys of About, then "samples", one a line."""
    yield json.dumps(asdict(results.about), ensure_ascii=False, indent=1)[:-2] + ',\n "samples": [\n'
    comma = ""
    for file, label, prediction, row in _samples(results):
        name = json.dumps(file, ensure_ascii=False)
        yield f'{comma}  {{"file": {name}, "label": {label}, "prediction": {prediction}, "scores": [{", ".join(row)}]}}'
        comma = ",\n"
    yield "\n ]\n}\n"


def _csv_lines(results: Results) -> Iterator[str]:
    """`# ` and About as JSON, the names of the columns, then a row for each sample."""
    yield f"# {json.dumps(asdict(results.about), ensure_ascii=False)}\n"
    rows: list[str] = []
    writer = csv.writer(_Lines(rows), lineterminator="\n")
    writer.writerow(["file", "label", "prediction", *(f"score_{i}" for i in range(results.scores.shape[1]))])
    for file, label, prediction, row in _samples(results):
        listed = " ".join(map(str, label)) if isinstance(label, list) else label
        writer.writerow([file, listed, prediction, *row])
        yield from rows
        rows.clear()
    yield from rows


class _Lines:
    """What a csv.writer writes to: keeps the lines."""

    def __init__(self, rows: list[str]) -> None:
        self.write = rows.append


def read(path: Path) -> Results:
    """Reads what `write` wrote. Raises UserError when the file is missing, damaged or something else."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: expected the .json or .csv file that --test --out wrote")
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            about, samples = _parse_json(handle.read()) if path.suffix == ".json" else _parse_csv(handle)
        return _checked(About(**about), samples)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise UserError(f"{path}: not a whole file of --test --out ({error}); test again") from None


def _parse_json(text: str) -> tuple[dict[str, Any], list[Sample]]:
    whole = json.loads(text)
    samples = [(item["file"], item["label"], item["scores"]) for item in whole.pop("samples")]
    return whole, samples


def _parse_csv(lines: Iterator[str]) -> tuple[dict[str, Any], list[Sample]]:
    about = json.loads(next(lines, "").removeprefix("# "))
    rows = csv.reader(lines)
    width = len(next(rows, []))
    samples: list[Sample] = []
    for row in rows:
        if len(row) != width:
            raise ValueError(f"line {rows.line_num + 1} has {len(row)} of {width} columns")
        label = [int(text) for text in row[1].split()] if about.get("multi_label") else int(row[1])
        samples.append((row[0], label, [float(value) for value in row[3:]]))
    return about, samples


def _checked(about: About, samples: list[Sample]) -> Results:
    """Samples as arrays. Raises ValueError when they do not fit together."""
    if not samples:
        raise ValueError("there are no samples in it")
    unknown = [name for name in about.eval if name not in figures.FIGURES]
    if unknown or min(about.topk) < 1:
        raise ValueError(f"eval {about.eval} or topk {about.topk} is not known here")
    classes = len(about.classes)
    for file, label, row in samples:
        ids = label if about.multi_label and isinstance(label, list) else [label]
        if len(row) != classes or any(one not in range(classes) for one in ids):
            raise ValueError(f"{file}: {len(row)} scores and label {label}, but there are {classes} classes")
    scores = np.array([row for _, _, row in samples], dtype=np.float32)  # [N, K]
    if scores.ndim != 2:
        raise ValueError("the scores of a sample are not a row of numbers")
    if not np.isfinite(scores).all():
        raise ValueError("some scores are not numbers")
    if about.multi_label:
        labels = np.zeros(scores.shape, bool)
        for place, (_, label, _) in enumerate(samples):
            labels[place, label] = True
    else:
        labels = np.array([label for _, label, _ in samples], dtype=np.int64)
    return Results(about, [file for file, _, _ in samples], labels, scores)
