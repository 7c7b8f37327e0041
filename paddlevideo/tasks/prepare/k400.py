"""Kinetics-400: train.csv, val.csv and perhaps test.csv, with a line for each clip of ten seconds."""

from __future__ import annotations

import re
from pathlib import Path

from paddlevideo.tasks.prepare import annotations as files
from paddlevideo.tasks.prepare.annotations import Annotations, Entry
from paddlevideo.tasks.prepare.find import Naming
from paddlevideo.tasks.prepare.lists import DataSet, Lists
from paddlevideo.utils.errors import UserError

FILES = {  # list -> what its csv may be called
    "train": r"(.*[_-])?train(ing)?\.csv",
    "val": r"(.*[_-])?val(id|idate|idation)?\.csv",
    "test": r"(.*[_-])?test\.csv",
}
COLUMNS = ("label", "youtube_id", "time_start", "time_end")
COPIES = {(240436, 19796): "mmaction2", (234619, 19761): "PaddleVideo"}
CLIP = re.compile(r"(.+)_(\d{6,})_(\d{6,})")  # youtube id, first and last second


def identifier(label: str) -> str:
    """What classes are sorted by: the id of a class is the place of this among those of train.csv."""
    return label.replace('"', "").replace(" ", "_")


def key(name: str) -> str:
    """The YouTube id in the name of a file, `{youtube_id}_{start:06d}_{end:06d}`."""
    match = CLIP.fullmatch(name)
    return match[1] if match else name


def rank(entry: Entry, path: str) -> int | None:
    """How well a path without suffix fits a clip: both times may be off by a second, the class folder be another."""
    folder, _, name = path.rpartition("/")
    match, wanted = CLIP.fullmatch(name), CLIP.fullmatch(entry.name)
    if match is None or wanted is None:
        return None
    off = [abs(int(match[i]) - int(wanted[i])) for i in (2, 3)]
    if max(off) > 1:
        return None
    return 2 * sum(off) + (plain(folder.rpartition("/")[2]) != plain(entry.folder))


def plain(folder: str) -> str:
    """The name of a class folder, whatever was made of its spaces, brackets and quotes."""
    return re.sub(r"[\s_()'\"]+", "", folder).lower()


VIDEOS = Lists({"train": "train.list", "val": "val.list", "test": "test.list"}, "")
FRAMES = Lists({"train": "train_frames.list", "val": "val_frames.list", "test": "test_frames.list"}, "img_{:05}.jpg")
SET = DataSet("Kinetics-400", 400, {"videos": VIDEOS, "frames": FRAMES}, Naming(key, rank))


def read(folder: Path) -> Annotations:
    """The annotations in `folder`. Raises UserError with file and line."""
    paths = {name: files.locate(folder, FILES[name], f"{name}.csv") for name in ("train", "val")}
    rows = {name: list(files.table(path, COLUMNS)) for name, path in paths.items()}
    names = sorted({identifier(row["label"]) for _, row in rows["train"]})
    found = Annotations([name.replace("_", " ") for name in names], lists={"train": {}, "val": {}})
    counts = len(rows["train"]), len(rows["val"])
    of_whom = f"the copy of {COPIES[counts]}" if counts in COPIES else "none of the copies we know by their counts"
    found.notes.append(f"  {paths['train']}, {paths['val'].name}: {counts[0]:,} and {counts[1]:,} clips, {of_whom}")
    test = files.search(folder, FILES["test"], "test.csv")
    rows["test"] = labelled(test, found.notes) if test else []
    ids = {name: i for i, name in enumerate(names)}
    for name, table in rows.items():
        for source, row in table:
            add(found, name, source, row, ids)
    found.notes += [*found.shared("train", "val"), *found.shared("train", "test")]
    return found


def labelled(path: Path, notes: list[str]) -> list[tuple[str, dict[str, str]]]:
    """The rows of test.csv, none where it has no labels."""
    rows = list(files.table(path, COLUMNS[1:]))
    if any(row.get("label") for _, row in rows):
        return rows
    notes.append(f"  {path}: {len(rows):,} clips without labels; there is no list of them")
    return []


def add(found: Annotations, name: str, source: str, row: dict[str, str], ids: dict[str, int]) -> None:
    """One row."""
    split, label = row.get("split", ""), identifier(row.get("label", ""))
    if split and not split.startswith(name[:3]):
        raise UserError(f"{source}: the split is '{split}' in the file of {name}; correct one of them")
    if label not in ids or not label:
        raise UserError(f"{source}: the label '{row.get('label', '')}' is none of the {len(ids)} of train.csv")
    if not row["youtube_id"] or "/" in row["youtube_id"]:
        raise UserError(f"{source}: youtube_id '{row['youtube_id']}' is none")
    try:
        start, end = (int(float(row[column])) for column in ("time_start", "time_end"))
    except (ValueError, OverflowError):
        start, end = 0, -1
    if not 0 <= start < end:
        times = f"{row['time_start']} to {row['time_end']}"
        raise UserError(f"{source}: {times} is no time; expected seconds, such as 44 to 54")
    clip = f"{row['youtube_id']}_{start:06d}_{end:06d}"
    found.add(name, Entry(clip, row["youtube_id"], ids[label], source, label))
