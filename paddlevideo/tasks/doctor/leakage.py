"""Checks that what a model is judged on was not trained on (path, content, recording), and for copies in a list."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

from paddlevideo.loader.sources.frame_folder import FrameFolder
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.loader.split import group_of
from paddlevideo.tasks.doctor.file_checks import Present
from paddlevideo.tasks.doctor.finding import Finding, named, note, ok, plural, warning
from paddlevideo.tasks.doctor.splits import Entry, SplitList
from paddlevideo.utils import files

ENDS = 1 << 16  # bytes of the beginning and the end that are compared before the whole
Held: TypeAlias = tuple[SplitList, list[Present]]


def check(held: list[Held], workers: int) -> Iterator[Finding]:
    """Copies in each list, and what two lists share. `workers`: threads that read files."""
    contents = same_content(held, workers)
    for split, _ in held:
        yield from _copies(split, contents)
    for (one, _), (other, _) in combinations(held, 2):
        yield from _between(one, other, contents)


def _copies(split: SplitList, contents: dict[str, str]) -> Iterator[Finding]:
    """Files of one list with the same content under several names, and with other labels at that."""
    groups: dict[str, dict[str, Entry]] = defaultdict(dict)
    for entry in split.entries:
        if entry.place in contents:
            groups[contents[entry.place]].setdefault(entry.place, entry)
    several = [list(group.values()) for group in groups.values() if len(group) > 1]
    torn = [some for some in several if len({entry.labels for entry in some}) > 1]
    if torn:
        pairs = [(some[0], next(one for one in some if one.labels != some[0].labels)) for some in torn]
        said = named([" and ".join(f"{one.clip.path} ({_labels(one)})" for one in pair) for pair in pairs])
        what = f"{plural(len(torn), 'file')} with the same content under two names and labels: {said}"
        yield warning(split.where, what, "keep one of each")
    plain = [some for some in several if len({entry.labels for entry in some}) == 1]
    if plain:
        said = named([f"{some[0].clip.path} and {some[1].clip.path}" for some in plain])
        yield note(split.where, f"{plural(len(plain), 'file')} with the same content under two names: {said}")


def _between(one: SplitList, other: SplitList, contents: dict[str, str]) -> Iterator[Finding]:
    """Each sample of `other` is told once, by the strongest reason. Only from training does anything leak."""
    where = f"{one.name} and {other.name}"
    training = "train" in one.names
    told: set[str] = set()
    lines = bool(one.entries[0].line)
    remove = f"remove the lines from {one.dataset.file_path}" if lines else "give each split files of its own"
    remove = remove if training else ""
    paths = _common(one, other, lambda entry: entry.piece, told)
    if paths:
        what = f"{plural(len(paths), 'file')} in both lists: {_named(paths)}"
        yield Finding("error" if training else "note", where, what, remove)
    same = _common(one, other, lambda entry: contents.get(entry.place), told)
    if same:
        what = f"{plural(len(same), 'file')} with the same content under two names: {_pairs(same)}"
        yield Finding("warning" if training else "note", where, what, remove)
    groups = _common(one, other, _group, told) if training else []
    if groups:
        fix = "split by recording (paddlevideo prepare split), or the accuracy looks better than it is"
        yield warning(where, f"{plural(len(groups), 'clip')} of recordings in both lists: {_pairs(groups)}", fix)
    if not told:
        yield ok(where, "share no path, no content and no recording" if training else "share no path and no content")


def _common(
    one: SplitList, other: SplitList, key: Callable[[Entry], str | None], told: set[str]
) -> list[tuple[Entry, Entry]]:
    """(entry of one, entry of other) with equal keys, a pair for each entry of `other` that is not told yet."""
    first: dict[str, Entry] = {}
    for entry in one.entries:
        if (text := key(entry)) is not None:
            first.setdefault(text, entry)
    found = []
    for entry in other.entries:
        text = key(entry)
        if text is not None and text in first and entry.piece not in told:
            told.add(entry.piece)
            found.append((first[text], entry))
    return found


def _group(entry: Entry) -> str:
    """The recording that a clip was cut from: as its name tells in UCF101, whatever its folder; else its own file."""
    name = Path(entry.listed).name
    group = group_of(name)
    return group if group != name else entry.place


def same_content(held: list[Held], workers: int) -> dict[str, str]:
    """Place -> digest, for files whose content is that of another one. Those that differ in size are not read."""
    files = {present.entry.place: present for _, some in held for present in some}.values()
    candidates = _alike(files, _size)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        ends = dict(zip([one.entry.place for one in candidates], pool.map(_ends, candidates)))
        candidates = _alike(candidates, lambda one: ends[one.entry.place])
        return dict(zip([one.entry.place for one in candidates], pool.map(_whole, candidates)))


def _alike(files: Iterable[Present], key: Callable[[Present], object]) -> list[Present]:
    """The files whose key another file has too; a key of None is alone."""
    groups: dict[object, list[Present]] = defaultdict(list)
    for one in files:
        if (found := key(one)) is not None:
            groups[found].append(one)
    return [one for group in groups.values() if len(group) > 1 for one in group]


def _size(one: Present) -> object:
    """Bytes of a video; of a folder of frames its length and the bytes of the middle image."""
    if not one.entry.folder:
        return one.size
    try:
        return one.entry.clip.num_frames, _file(one).stat().st_size
    except (OSError, Unreadable):
        return None  # told by the check of what is in the files


def _file(one: Present) -> Path:
    """The file that stands for an entry: for a folder of frames its middle image. Raises Unreadable."""
    clip = one.entry.clip
    if not one.entry.folder:
        return Path(clip.path)
    folder = FrameFolder(clip.path, clip.frame_pattern, clip.offset + clip.num_frames)
    return Path(folder.file(folder.num_frames // 2))


def _ends(one: Present) -> str | None:
    try:
        with _file(one).open("rb") as file:
            found = hashlib.sha256(file.read(ENDS))
            file.seek(max(ENDS, file.seek(0, 2) - ENDS))
            found.update(file.read(ENDS))
        return found.hexdigest()
    except (OSError, Unreadable):
        return None


def _whole(one: Present) -> str:
    try:
        return files.sha256(_file(one))
    except (OSError, Unreadable):
        return one.entry.place  # equal to nothing else


def _named(pairs: list[tuple[Entry, Entry]]) -> str:
    return named([b.clip.path + (f" (lines {a.line} and {b.line})" if a.line else "") for a, b in pairs])


def _labels(entry: Entry) -> str:
    return " ".join(map(str, entry.labels))


def _pairs(pairs: list[tuple[Entry, Entry]]) -> str:
    return named([f"{a.clip.path} and {b.clip.path}" for a, b in pairs])
