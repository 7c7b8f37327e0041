"""The videos or folders of frames that are there, and which of them each clip of a data set is."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path

from paddlevideo.loader.folder_dataset import VIDEO_SUFFIXES as VIDEOS
from paddlevideo.tasks.prepare.annotations import Entry


@dataclass(frozen=True)
class Naming:
    """How a data set names its files.

    Attributes:
        key: what a file (name without suffix) or folder is found by; several may have the same.
        rank: how well a path, relative to the root and without suffix, fits a clip: 0 best, None not at all.
    """

    key: Callable[[str], str] = str
    rank: Callable[[Entry, str], int | None] = lambda entry, path: 0


def is_video(name: str) -> bool:
    """Whether a file is called like a video."""
    return not name.startswith(".") and name.lower().endswith(VIDEOS)


def without_suffix(path: str) -> str:
    """The path without the suffix of a video; folders of frames may have one too."""
    stem, suffix = os.path.splitext(path)  # noqa: PTH122
    return stem if suffix.lower() in VIDEOS else path


def paths_by_key(root: Path, frames: bool, key: Callable[[str], str], wanted: Container[str]) -> dict[str, list[str]]:
    """Key -> the paths below `root`, relative to it, of videos or of folders (`frames`) found by it, sorted.

    Links are followed. Folders of frames are not looked into.
    """
    found: dict[str, list[str]] = {}
    seen: set[tuple[int, int]] = set()
    for folder, below, files in os.walk(root, followlinks=True):
        status = Path(folder).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back
            below.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        below[:] = [name for name in below if not name.startswith(".")]
        # A folder called a.mp4 in place of a video is found too: opening it will tell.
        names = below if frames else [name for name in [*below, *files] if is_video(name)]
        for name in list(names):
            of = key(without_suffix(name))
            if of not in wanted:
                continue
            found.setdefault(of, []).append(Path(folder, name).relative_to(root).as_posix())
            if frames:
                below.remove(name)
    return {of: sorted(paths) for of, paths in found.items()}


def choose(entries: list[Entry], root: Path, frames: bool, naming: Naming) -> dict[str, str]:
    """Name of a clip -> its path relative to `root`; clips that are not there are left out.

    Of several files of one clip the best by rank, then one that is not empty, then by suffix. No file serves two clips:
    those that fit less well get what the others leave.
    """
    found = paths_by_key(root, frames, naming.key, {entry.key for entry in entries})
    offers = []
    for place, entry in enumerate(entries):
        for path in found.get(entry.key, []):
            rank = naming.rank(entry, without_suffix(path))
            if rank is not None:
                offers.append((rank, place, _drawbacks(root / path, frames), path))
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for _, place, _, path in sorted(offers):
        if entries[place].name not in chosen and path not in taken:
            chosen[entries[place].name] = path
            taken.add(path)
    return chosen


def _drawbacks(path: Path, frames: bool) -> tuple[bool, int]:
    if frames:
        return False, 0
    try:
        empty = path.stat().st_size == 0
    except OSError:  # a link to nowhere
        empty = True
    return empty, VIDEOS.index(path.suffix.lower())
