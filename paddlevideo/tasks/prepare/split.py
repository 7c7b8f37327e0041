"""Parting a list, or a folder of classes, into lists to train, to validate and to test with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from paddlevideo.loader.folder_dataset import Content
from paddlevideo.loader.split import group_of, held_out
from paddlevideo.tasks.prepare.lists import write_all
from paddlevideo.tasks.prepare.to_part import of_folder, of_list
from paddlevideo.utils.errors import UserError

WORDS = {"train": "to train", "val": "held out", "test": "to test"}


@dataclass(frozen=True)
class Rule:
    """How to part.

    Attributes:
        valid, test: shares of each class; test may be 0: no such list.
        seed: another one holds out other clips.
        group: regular expression for what must stay together, see `loader.split.group_of`.
        by_class: groups of the same name in different classes are different groups.
    """

    valid: float = 0.2
    test: float = 0.0
    seed: int = 0
    group: str | None = None
    by_class: bool = False

    def parts(self, paths: Sequence[str], labels: Sequence[int]) -> np.ndarray:
        """[N] of "train", "val" and "test"."""
        keys = [group_of(path, self.group) for path in paths]
        if self.by_class:
            keys = [f"{label}\n{key}" for label, key in zip(labels, keys)]
        parts = np.full(len(keys), "train", dtype="<U5")
        if self.test:
            parts[held_out(keys, labels, self.test, self.seed)] = "test"
        rest = np.flatnonzero(parts == "train").tolist()
        share = self.valid / (1 - self.test)
        held = held_out([keys[i] for i in rest], [labels[i] for i in rest], share, self.seed)
        parts[[i for i, out in zip(rest, held.tolist()) if out]] = "val"
        return parts


def split(source: Path, out: Path, rule: Rule, labels: Path | None = None, content: Content = "auto") -> str:
    """Writes train, val and perhaps test lists and `labels.txt` into `out`, all or none.

    Args:
        source: a list, whose lines are copied as they are, or a folder that holds a folder a class.
        labels: file of class names; by default `labels.txt` beside the list, if there is one.
        content: what the clips of a folder are.
    Returns:
        How many clips of each class are in which list.
    Raises:
        UserError: see `of_folder` and `of_list`; nothing can be held out; `out` holds the list that is to be parted.
    """
    clips = of_folder(source, labels, content) if source.is_dir() else of_list(source, labels)
    parts = rule.parts(clips.paths, clips.labels)
    wanted = list(WORDS) if rule.test else ["train", "val"]
    if set(parts.tolist()) != set(wanted):
        needs = "three, one to validate and one to test" if rule.test else "two, one of them to validate"
        raise UserError(
            f"{source}: every class has a single video, or too few groups of videos that belong together; "
            f"at least one needs {needs} with"
        )
    texts = {}
    for part in wanted:
        lines = [line for line, of in zip(clips.lines, parts) if of == part]
        texts[part + clips.suffix] = "".join(f"{line}\n" for line in [*clips.header, *lines])
    names = clips.names or [f"class {i}" for i in range(max(clips.labels) + 1)]
    if clips.names is not None:
        texts["labels.txt"] = "".join(f"{i} {name}\n" for i, name in enumerate(clips.names))
    for name in texts:
        if (out / name).exists() and source.samefile(out / name):
            raise UserError(f"{out / name}: this is the list that is to be parted; choose another folder with --out")
    write_all(out, texts)
    last = f"Wrote {', '.join(texts)} to {out}; MODEL.head.num_classes is {len(names)}"
    return "\n".join([*counts(clips.labels, parts, names, wanted), *clips.notes, last])


def counts(labels: Sequence[int], parts: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """A line a class: how many of its clips are in which list."""
    found = Counter(zip(labels, parts.tolist()))
    return [
        f"  {name}: " + ", ".join(f"{found[label, part]} {WORDS[part]}" for part in wanted)
        for label, name in enumerate(names)
    ]
