"""Which videos are to be prepared: those of a folder, or those of lists; and the lists of what became of them."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddlevideo.loader.class_names import ClassNames, read_names
from paddlevideo.loader.folder_dataset import VIDEO_SUFFIXES
from paddlevideo.loader.list_columns import Form, Record
from paddlevideo.loader.lists import read_list
from paddlevideo.tasks.prepare.find import is_video
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


def below(folder: Path, apart_from: Path | None = None) -> list[str]:
    """The paths of the videos in a folder and those below it, relative to it, sorted. Links are followed.

    Args:
        apart_from: a folder that is not looked into.
    Raises:
        UserError: there is no such folder, or no video.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder; give the one that holds the videos")
    found, seen = [], {os.path.realpath(apart_from)} if apart_from else set()
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(where, name).relative_to(folder).as_posix() for name in names if is_video(name)]
    if not found:
        raise UserError(f"{folder}: there is no video in this folder ({' '.join(VIDEO_SUFFIXES)})")
    return sorted(found)


@dataclass(frozen=True)
class VideoList:
    """A list of videos.

    Attributes:
        file: where it is.
        records: its lines.
        suffix: what their paths lack.
        names: path of a record -> of its video, with the suffix; relative to the folder of all, if that is known.
    """

    file: Path
    records: list[Record]
    suffix: str
    names: Mapping[str, str]

    def name(self, record: Record) -> str:
        """The path of a record's video."""
        return self.names[record.path]


def read_lists(
    paths: Iterable[Path], suffix: str, labels: Path | None, multi_label: bool, folder: Path | None = None
) -> list[VideoList]:
    """Reads lists in any of the forms that VideoDataset takes.

    Args:
        folder: of all videos; their names are then relative to it, also where lists hold absolute paths.
    Raises:
        UserError: a list is broken, or names a video outside of `folder`.
    """
    classes = ClassNames(read_names(str(labels)), str(labels)) if labels else None
    form = Form(classes=classes, multi_label=multi_label)
    lists = []
    for path in paths:
        records = read_list(str(path), form)
        names = {record.path: record.path + suffix for record in records}
        if folder is not None:
            roots = (os.path.abspath(folder), os.path.realpath(folder))  # noqa: PTH100
            names = {record.path: _inside(roots, names[record.path], f"{path}:{record.line}") for record in records}
        lists.append(VideoList(path, records, suffix, names))
    return lists


def _inside(roots: tuple[str, str], name: str, where: str) -> str:
    """The path of a file, relative to a folder of two spellings. Raises UserError where it does not lie in it."""
    for root in roots:
        inside = os.path.relpath(os.path.join(root, name), root)  # noqa: PTH118
        if Path(inside).parts[:1] != (os.pardir,):
            return inside
    raise UserError(f"{where}: {name} is not below SOURCE ({roots[0]}); give the folder that holds all listed videos")


def listed(lists: Iterable[VideoList]) -> list[str]:
    """The videos of several lists, each once."""
    return list(dict.fromkeys(item.name(record) for item in lists for record in item.records))


def check_targets(targets: Mapping[str, str], advice: str) -> None:
    """No two videos may become the same file or folder, nor one lie in the other. Raises UserError with `advice`."""
    owner: dict[str, str] = {}
    for name, target in targets.items():
        if target in owner:
            raise UserError(f"{owner[target]} and {name} would both become {target}; {advice}")
        owner[target] = name
    for name, target in targets.items():
        for parent in Path(target).parents:
            if str(parent) in owner:
                raise UserError(f"{name} would become {target}, inside of what {owner[str(parent)]} becomes; {advice}")


def frame_lines(item: VideoList, folders: Mapping[str, str], frames: Mapping[str, int]) -> list[str]:
    """Lines `folder num_frames label` for the records whose video has become a folder of frames.

    Columns are apart by spaces, or by tabs where a path holds a space. Where there is more to say, it is CSV.

    Args:
        folders: video -> its folder, as the list is to name it.
        frames: video -> number of frames, of those that were extracted.
    """
    rows = []
    for record in item.records:
        name = item.name(record)
        if name in frames:
            labels = record.label if isinstance(record.label, tuple) else (record.label,)
            rows.append([folders[name], str(frames[name]), " ".join(map(str, labels)), record.split])
    if any(row[3] or not row[2] for row in rows):
        table = io.StringIO()
        csv.writer(table, lineterminator="\n").writerows([["path", "num_frames", "label", "split"], *rows])
        return table.getvalue().splitlines()
    separator = "\t" if any(" " in row[0] for row in rows) else " "
    return [separator.join(row[:3]) for row in rows]


def check_whole(lists: Iterable[VideoList]) -> None:
    """Frames are extracted from whole videos. Raises UserError for a line that names a part of one."""
    for item in lists:
        for record in item.records:
            if record.start or record.end is not None:
                raise UserError(
                    f"{item.file}:{record.line}: a part of a video (start, end); frames are extracted from whole "
                    f"videos: use `prepare transcode`, or a list without these columns"
                )


def renamed_lines(item: VideoList, rename: Callable[[str], str], done: Collection[str]) -> list[str]:
    """The lines of a list as they are written, with the paths renamed, without those of videos that are not `done`.

    Paths that lack a suffix lack the new one too.
    """
    records = {record.line: record for record in item.records}
    kept = []
    for number, line in enumerate(item.file.read_text(encoding="utf-8-sig").split("\n"), start=1):
        record = records.get(number)
        if record is None:
            kept.append(line)  # a header, a comment or a blank line
        elif item.name(record) in done:
            new = rename(item.name(record))
            kept.append(_renamed(line, record.path, os.path.splitext(new)[0] if item.suffix else new))  # noqa: PTH122
    return kept


def _renamed(line: str, old: str, new: str) -> str:
    """The line with another path; paths are written as they are, or escaped as in JSON or CSV."""
    for escape in (str, lambda path: json.dumps(path)[1:-1], lambda path: path.replace('"', '""')):
        if escape(old) in line:
            return line.replace(escape(old), escape(new), 1)
    raise AssertionError(f"{old!r} was read from {line!r}")


def write_lists(lists: Iterable[VideoList], folder: Path, lines_of: Callable[[VideoList], list[str]]) -> None:
    """Writes each list anew into `folder`, under its own name."""
    for item in lists:
        target, lines = folder / item.file.name, lines_of(item)
        files.write_text(target, "\n".join(lines).rstrip("\n") + "\n")
        logger.info(f"{target}: written from {item.file}")


def check_list_names(lists: Iterable[VideoList], folder: Path) -> None:
    """Lists must not take each other's place in `folder`, nor their own. Raises UserError."""
    taken: dict[Path, Path] = {}
    for item in lists:
        target = (folder / item.file.name).resolve()
        other = taken.setdefault(target, item.file)
        if other is not item.file or target == item.file.resolve():
            raise UserError(f"{item.file}: the new list would overwrite {other}; choose another OUT or rename the list")
