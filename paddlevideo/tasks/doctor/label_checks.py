"""Checks of the labels in the lists: their range, their balance, and what is listed twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from paddlevideo.tasks.doctor.finding import Finding, error, named, note, ok, plural, warning
from paddlevideo.tasks.doctor.splits import Entry, SplitList

UNEVEN = 10  # times as many samples in the largest class as in the smallest, from where a class may be forgotten


def check(split: SplitList, names: Sequence[str], places: Sequence[str] = ("MODEL",)) -> Iterator[Finding]:
    """Everything about the labels of one list. `names` of the model's classes; `places` of models in the config."""
    counts = Counter(label for entry in split.entries for label in entry.labels)
    if not counts:
        yield error(split.where, f"none of its {len(split.entries)} samples has a label", "write labels into the list")
        return
    yield from in_range(split, counts, len(names), places)
    if "train" in split.names:
        yield from without_samples(split, counts, names, places)
        yield from balance(split, counts, names)
    elif len(counts) < len(names):
        said = f"has samples of {len(counts)} of the {len(names)} classes"
        yield note(split.where, f"{said}; its accuracy says nothing about the others")
    yield from twice(split)


def in_range(split: SplitList, counts: Counter[int], classes: int, places: Sequence[str]) -> Iterator[Finding]:
    """Labels that the model has no class for, and the commonest reason."""
    outside = [entry for entry in split.entries if any(label >= classes for label in entry.labels)]
    if not outside:
        return
    if min(counts) == 1 and max(counts) == classes:
        fix = f"-o {' '.join(f'DATASET.{name}.first_label=1' for name in split.names)}"
        yield error(split.where, f"labels run from 1 to {classes}: they are counted from 1, classes from 0", fix)
        return
    first = [f"label {max(entry.labels)} in line {entry.line}" for entry in outside]
    what = f"{len(outside)} of {len(split.entries)} labels are outside 0..{classes - 1}: {named(first)}"
    yield error(split.where, what, f"correct them, or {_classes(places, max(counts) + 1)}")


def without_samples(
    split: SplitList, counts: Counter[int], names: Sequence[str], places: Sequence[str]
) -> Iterator[Finding]:
    """Classes of the model that no sample has."""
    empty = [label for label in range(len(names)) if not counts[label]]
    if not empty or (min(counts) == 1 and max(counts) == len(names)):
        return
    used = max(counts) + 1
    if empty == list(range(used, len(names))):
        what = f"labels run from 0 to {used - 1}, but the model has {len(names)} classes"
        yield warning(split.where, what, f"{_classes(places, used)}, if there are no more")
        return
    said = named([_class(label, names) for label in empty])
    fix = "see whether the list is whole, and whether its labels and num_classes belong together"
    yield warning(split.where, f"{len(empty)} of {len(names)} classes have no sample: {said}", fix)


def _classes(places: Sequence[str], count: int) -> str:
    """The override that gives every model `count` classes."""
    return f"-o {' '.join(f'{place}.head.num_classes={count}' for place in places)}"


def balance(split: SplitList, counts: Counter[int], names: Sequence[str]) -> Iterator[Finding]:
    """How evenly the samples are spread over the classes that have any.

    Evenness is the entropy of the class frequencies over that of equal ones: 1 where all classes are equally large.
    """
    (largest, most), (smallest, least) = counts.most_common()[0], counts.most_common()[-1]
    share = np.array(list(counts.values())) / counts.total()
    evenness = float(-(share * np.log(share)).sum() / np.log(len(counts))) if len(counts) > 1 else 1.0
    said = f"{len(split.entries)} samples of {len(counts)} classes, {least} to {most} each (evenness {evenness:.2f})"
    if most < UNEVEN * least:
        yield ok(split.where, said)
        return
    ends = f"'{_class(largest, names)}' has {most / least:.0f} times as many as '{_class(smallest, names)}'"
    fix = "look at the accuracy of each class (paddlevideo eval --per-class), not at the mean alone"
    yield warning(split.where, f"{said}: {ends}", fix)


def twice(split: SplitList) -> Iterator[Finding]:
    """Files that are listed more than once, with the same labels or with others."""
    lines: dict[str, list[Entry]] = defaultdict(list)
    for entry in split.entries:
        lines[entry.piece].append(entry)
    repeated = [entries for entries in lines.values() if len(entries) > 1]
    torn = [entries for entries in repeated if len({entry.labels for entry in entries}) > 1]
    if torn:
        said = [f"{some[0].clip.path} ({', '.join(_labelled(entry) for entry in some)})" for some in torn]
        what = f"{plural(len(torn), 'file')} with two labels: {named(said)}"
        yield warning(split.where, what, "keep one line a file")
    plain = [entries for entries in repeated if len({entry.labels for entry in entries}) == 1]
    if plain:
        first = [f"line {some[1].line} is line {some[0].line}" for some in plain]
        what = f"{plural(sum(len(some) - 1 for some in plain), 'line')} listed already: {named(first)}"
        yield warning(split.where, what, "remove them, unless these files are to count more than once")


def _labelled(entry: Entry) -> str:
    return f"{' '.join(map(str, entry.labels))} in line {entry.line}"


def _class(label: int, names: Sequence[str]) -> str:
    """A class as the report names it: "3 waving", or "3" without a name."""
    name = names[label] if label < len(names) else ""
    return f"{label} {name}" if name not in ("", str(label)) else str(label)
