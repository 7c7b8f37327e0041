"""What is known of the video files of a data set, kept in a file beside it: `paddlevideo prepare index` writes it.

JSON lines. The first says what the file is, each of the others holds the facts of one file and its path: relative to
the folder of the index where the file lies below it, so that both can be moved together, else absolute.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

HEADER = {"paddlevideo_index": 1}
PROBED = 20  # files looked for when an index is opened


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What decoding a file once has shown.

    Attributes:
        frames: how many it really has.
        fps: frames a second, on average.
        width, height: of a frame as it is shown, pixels (after rotation).
        rotation: degrees by which it has to be turned, counter-clockwise, to be upright: 0, 90, 180 or 270.
        duration: seconds.
        decoder: the backend that reads all of it; empty where none does.
        reason: why it is unreadable; empty where it is not.
        size, modified: of the file, bytes and nanoseconds; facts of a file that has changed since are not used.
        sha256: of the content; empty where it was not asked for.
        declared: how many frames the container says there are; 0 where it does not say.
        variable: whether the time from one frame to the next varies.
    """

    frames: int
    fps: float
    width: int
    height: int
    rotation: int
    duration: float
    decoder: str
    reason: str
    size: int
    modified: int
    sha256: str
    declared: int = 0
    variable: bool = False


TYPES = {"int": (int,), "float": (float, int), "str": (str,), "bool": (bool,)}
COLUMNS = {"path": (str,), **{field.name: TYPES[str(field.type)] for field in fields(VideoFacts)}}


def stamp(path: str) -> tuple[int, int]:
    """Size in bytes and time of the last change in nanoseconds: (0, 0) where there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - called once a clip; Path costs as much as the call
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


class VideoIndex:
    """The facts of many files, by path.

    Attributes:
        path: the index file.
        entries: absolute path -> facts, in the order of the file.
    """

    def __init__(self, path: str, entries: Mapping[str, VideoFacts]) -> None:
        self.path = path
        self.entries = dict(entries)

    @classmethod
    def open(cls, path: str) -> VideoIndex:
        """Reads an index.

        Raises:
            UserError: it is missing, no index, has a broken line, or the files it lists have been moved.
        """
        index = cls(path, read_entries(path))
        index._probe()
        return index

    def facts(self, video_path: str) -> VideoFacts | None:
        """What is known of a file; None when it is not listed, or has changed since."""
        known = self.entries.get(os.path.abspath(video_path))  # noqa: PTH100
        if known is None or stamp(video_path) != (known.size, known.modified):
            return None
        return known

    def _probe(self) -> None:
        """An index of files that are elsewhere by now, or were copied without their times, must not be silent."""
        listed = [(path, known) for path, known in self.entries.items() if known.size]
        probed = listed[:: max(1, len(listed) // PROBED)]
        now = [(known, stamp(path)) for path, known in probed]
        again = "run `paddlevideo prepare index` again"
        if probed and not any(size for _, (size, _) in now):
            raise UserError(f"{self.path}: the files it lists are not there, such as {probed[0][0]}; {again}")
        changed = sum((known.size, known.modified) != found for known, found in now)
        if changed:
            logger.warning(f"{self.path}: {changed} of {len(now)} files looked at have changed since; {again}")


class NoIndex(UserError):
    """The file is something else."""


def read_entries(path: str) -> dict[str, VideoFacts]:
    """absolute path -> facts. Of a file listed twice the later line counts.

    Raises:
        UserError: the file is missing, no index, or has a broken line, which is named.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path}: the index of videos cannot be read: {reason}") from None
    if not lines or _json(lines[0]) != HEADER:
        raise NoIndex(f"{path}:1: this is no index of videos; `paddlevideo prepare index` writes one")
    entries = {}
    for number, line in enumerate(lines[1:], start=2):
        entry = entry_of(Path(path), _json(line))
        if entry is None:
            raise UserError(f"{path}:{number}: a damaged line: {line[:60]!r}; run `paddlevideo prepare index` again")
        entries[entry[0]] = entry[1]
    return entries


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def entry_of(index_path: Path, row: Any) -> tuple[str, VideoFacts] | None:
    """(absolute path of the file, its facts) from a line of an index; None where it is damaged."""
    if not isinstance(row, dict) or row.keys() != COLUMNS.keys():
        return None
    if not all(type(row[name]) in types for name, types in COLUMNS.items()):
        return None
    facts = VideoFacts(**{name: value for name, value in row.items() if name != "path"})
    return os.path.normpath(os.path.join(_folder(index_path), row["path"])), facts  # noqa: PTH118


def row_of(index_path: Path, video_path: str, facts: VideoFacts) -> dict[str, Any]:
    """The line of an index for a file, as an object."""
    folder, video = _folder(index_path), os.path.abspath(video_path)  # noqa: PTH100
    inside = os.path.commonpath([folder, video]) == folder
    return {"path": os.path.relpath(video, folder) if inside else video, **asdict(facts)}


def _folder(index_path: Path) -> str:
    return os.path.abspath(index_path.parent)  # noqa: PTH100 - links stay as they are


def index_text(index_path: Path, entries: Mapping[str, VideoFacts]) -> str:
    """What an index of these files says, by path."""
    rows = [row_of(index_path, path, entries[path]) for path in sorted(entries)]
    return "".join(json.dumps(row) + "\n" for row in [HEADER, *rows])
