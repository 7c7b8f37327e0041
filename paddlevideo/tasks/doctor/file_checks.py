"""Checks of the files that the lists name: is there something under each name, and of the right kind?"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from paddlevideo.tasks.doctor.finding import Finding, error, named, ok
from paddlevideo.tasks.doctor.splits import Entry, SplitList

WALK_LIMIT = 200_000  # names that the search for missing files looks at before it gives up


class Present(NamedTuple):
    """A file or folder that is there, and its size in bytes (0 for a folder)."""

    entry: Entry
    size: int


def check(split: SplitList) -> tuple[list[Present], list[Finding]]:
    """What is there to be read, and what is missing, empty, or no file."""
    present, missing, empty, kind, odd = [], [], [], [], []
    for entry in split.entries:
        try:
            status = os.stat(entry.clip.path)  # noqa: PTH116 - a Path for each of 240,000 names takes longer
        except OSError:
            missing.append(entry)
            continue
        is_folder = stat.S_ISDIR(status.st_mode)
        if is_folder != entry.folder:
            kind.append(entry)
        elif not is_folder and not stat.S_ISREG(status.st_mode):
            odd.append(entry)  # reading it may never end
        elif not is_folder and status.st_size == 0:
            empty.append(entry)
        else:
            present.append(Present(entry, 0 if is_folder else status.st_size))
    found = list(_judged(split, missing, empty, kind, odd))
    return present, found or [ok(split.where, f"all {len(split.entries)} of its files are there")]


def _judged(
    split: SplitList, missing: list[Entry], empty: list[Entry], kind: list[Entry], odd: list[Entry]
) -> Iterator[Finding]:
    total = len(split.entries)
    wrong = "error" if len(kind) == total else split.broken

    def said(entries: list[Entry]) -> str:
        return named([split.at(entry) for entry in entries])

    if missing and len(missing) == total:
        what = f"none of its {total} files is there: {said(missing)}"
        yield error(split.where, what, where_they_are(split, missing[0]))
    elif missing:
        fix = "fetch them, or remove their lines; on_error: skip leaves them out"
        if 2 * len(missing) > total:  # hardly by accident
            fix = where_they_are(split, missing[0])
        yield Finding(split.broken, split.where, f"{len(missing)} of {total} files missing: {said(missing)}", fix)
    if empty:
        fix = "fetch them again, or remove their lines"
        yield Finding(split.broken, split.where, f"{len(empty)} of {total} files empty: {said(empty)}", fix)
    if kind and kind[0].folder:
        fix = "list folders of frames here, or use VideoDataset and VideoDecoder"
        what = f"{len(kind)} of {total} are files instead of folders of frames: {said(kind)}"
        yield Finding(wrong, split.where, what, fix)
    elif kind:
        fix = "list video files here, or use FrameDataset and FrameDecoder for folders of frames"
        yield Finding(wrong, split.where, f"{len(kind)} of {total} are folders instead of videos: {said(kind)}", fix)
    if odd:
        what = f"{len(odd)} of {total} are pipes or devices instead of videos: {said(odd)}"
        yield Finding(split.broken, split.where, what, "list video files here")


def where_they_are(split: SplitList, first: Entry) -> str:
    """What to set so that the files are found, if a search for the first missing one tells."""
    if not first.folder and split.suffix and first.clip.path.endswith(split.suffix * 2):
        cure = " ".join(f"DATASET.{name}.suffix=''" for name in split.names)
        return f"the paths of the list end in {split.suffix} already: -o {cure}"
    wanted = first.listed + ("" if first.folder else split.suffix)
    for root in likely_roots(split):
        place = find_below(root, Path(wanted).name)
        if place is None:
            continue
        prefix = prefix_of(place, wanted)
        if prefix is not None:
            return f"-o {' '.join(f'DATASET.{name}.data_prefix={prefix}' for name in split.names)}"
        return f"there is {place}: correct the paths of the list, or make data_prefix fit"
    return "set data_prefix to the folder that the paths of the list begin in"


def likely_roots(split: SplitList) -> list[Path]:
    """Folders to search: what exists of data_prefix, around the list, ./data, here. Nearest first, none twice."""
    prefix, beside = Path(split.dataset.data_prefix or "."), Path(split.dataset.file_path).parent
    roots = [prefix, prefix.parent, beside, beside.parent, Path("data"), Path()]
    return list(dict.fromkeys(root.absolute() for root in roots if root.is_dir() and root.absolute() != Path("/")))


def find_below(root: Path, name: str) -> Path | None:
    """A file or folder of this name below `root`, the nearest first as far as the limit allows."""
    level, seen = [root], 0
    while level:
        below = []
        for folder in level:
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError:
                continue
            seen += len(entries)
            for entry in entries:
                if entry.name == name:
                    return Path(entry.path)
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    below.append(Path(entry.path))
            if seen > WALK_LIMIT:
                return None
        level = below
    return None


def prefix_of(place: Path, listed: str) -> Path | None:
    """The folder from which `listed` leads to `place`; None where it does not.

    "a/b.mp4" at "/videos/a/b.mp4" gives "/videos".
    """
    parts = Path(listed).parts
    if Path(listed).is_absolute() or place.parts[-len(parts) :] != parts:
        return None
    return Path(*place.parts[: -len(parts)])
