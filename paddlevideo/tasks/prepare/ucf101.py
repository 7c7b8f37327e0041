"""UCF101: classInd.txt and, for each of three splits, trainlist0N.txt and testlist0N.txt."""

from __future__ import annotations

import re
from pathlib import Path

from paddlevideo.loader.split import group_of
from paddlevideo.tasks.prepare import annotations as files
from paddlevideo.tasks.prepare.annotations import Annotations, Entry
from paddlevideo.tasks.prepare.find import Naming
from paddlevideo.tasks.prepare.lists import DataSet, Lists
from paddlevideo.utils.errors import UserError

PUBLISHED = {1: (9537, 3783), 2: (9586, 3734), 3: (9624, 3696)}  # videos to train with and to test, of each split
SPLITS = [(part, split) for split in PUBLISHED for part in ("train", "val")]
VIDEOS = Lists({f"{part}_split_{n}": f"ucf101_{part}_split_{n}_videos.txt" for part, n in SPLITS}, ".avi")
FRAMES = Lists({f"{part}_split_{n}": f"ucf101_{part}_split_{n}_rawframes.txt" for part, n in SPLITS}, "img_{:05}.jpg")
# The class is HandstandPushups, its files v_HandStandPushups_*, and copies write the folder either way.
SET = DataSet("UCF101", 101, {"videos": VIDEOS, "frames": FRAMES}, Naming(str.lower))


def read(folder: Path) -> Annotations:
    """The annotations in `folder`. Raises UserError with file and line."""
    found = Annotations(classes(files.locate(folder, r"classInd\.txt", "classInd.txt")))
    ids = {name.lower(): i for i, name in enumerate(found.labels)}
    spelt: dict[str, str] = {}  # lists may differ in capital letters
    for split, published in PUBLISHED.items():
        counts = []
        for part, word in (("train", "train"), ("val", "test")):
            name, file = f"{part}_split_{split}", f"{word}list{split:02}.txt"
            found.lists[name] = {}
            for source, line in files.lines_of(files.locate(folder, re.escape(file), file)):
                clip = entry(source, line, ids, labelled=part == "train")
                found.add(name, clip._replace(name=spelt.setdefault(clip.name.lower(), clip.name)))
            counts.append(len(found.lists[name]))
        whose = "as published" if tuple(counts) == published else f"published are {published[0]:,} and {published[1]:,}"
        found.notes.append(f"  split {split}: {counts[0]:,} videos to train with and {counts[1]:,} to test; {whose}")
        found.notes += leaks(found, f"train_split_{split}", f"val_split_{split}")
    return found


def classes(path: Path) -> list[str]:
    """The names of classInd.txt, whose lines are `1 ApplyEyeMakeup` and so on."""
    names: list[str] = []
    for source, line in files.lines_of(path):
        number, _, name = line.partition(" ")
        if number != str(len(names) + 1) or not name.strip():
            raise UserError(f"{source}: '{line}'; expected '{len(names) + 1} ClassName'")
        names.append(name.strip())
    if not names:
        raise UserError(f"{path}: names no class")
    return names


def entry(source: str, line: str, ids: dict[str, int], labelled: bool) -> Entry:
    """The clip of a line `ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`; lists to test have no label."""
    path, _, label = line.partition(" ") if labelled else (line.split()[0], "", "")
    folder, _, file = path.rpartition("/")
    if folder.lower() not in ids or not file:
        raise UserError(f"{source}: '{line}'; expected a path that begins with the name of a class")
    if labelled and label.strip() != str(ids[folder.lower()] + 1):
        raise UserError(f"{source}: '{line}'; {folder} is class {ids[folder.lower()] + 1} in classInd.txt")
    name = re.sub(r"\.avi$", "", path)
    return Entry(name, name.rpartition("/")[2].lower(), ids[folder.lower()], source)


def leaks(found: Annotations, first: str, second: str) -> list[str]:
    """A note on recordings (the g08 of a name) of which both lists have clips: accuracy would look too good."""
    groups = [{group_of(name.lower()) for name in found.lists[part]} for part in (first, second)]
    both = sorted(groups[0] & groups[1])
    return [f"  warning: {len(both):,} recordings are in both {first} and {second}, such as {both[0]}"] if both else []
