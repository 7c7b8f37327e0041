"""The columns of a list of videos: what they are called, and how the cells of a line become a record."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from paddlevideo.loader.class_names import ClassNames

# What a header (or a key of a JSON line) may call each column; case, spaces and hyphens do not matter.
COLUMNS = {
    "path": "path file filename file_name file_path filepath video video_path video_file folder dir frame_dir",
    "label": "label labels label_id label_index class class_id class_index category target",
    "name": "name class_name label_name category_name",
    "offset": "offset start_frame frame_offset",
    "total": "total total_frames num_frames n_frames frames frame_count",
    "start": "start start_time time_start start_sec start_seconds",
    "end": "end end_time time_end end_sec end_seconds",
    "split": "split subset",
    "end_frame": "end_frame",  # no data set takes it: whether it is the last frame or the one after, files differ on
}
MEANING = {word: column for column, words in COLUMNS.items() for word in words.split()}
NUMBER = re.compile(r"[0-9]{1,18}")  # what fits into an int64


class Record(NamedTuple):
    """One line of a list.

    Attributes:
        path: as it is written there.
        label: class id; several for multi-label data.
        num_frames: 0 where the list does not count them.
        line: of the file, from 1.
        offset: frames of the folder before those of the clip.
        start, end: of the clip in the video, seconds; None: its end.
        split: what the column of that name says.
    """

    path: str
    label: int | tuple[int, ...]
    num_frames: int
    line: int
    offset: int = 0
    start: float = 0.0
    end: float | None = None
    split: str = ""


def column_of(word: str) -> str | None:
    """The column that a word of a header names."""
    return MEANING.get(re.sub(r"[\s-]+", "_", word.strip()).lower())


@dataclass(frozen=True)
class Form:
    """What a data set takes from a list.

    Attributes:
        plain: the columns of a list without header, in order; the label is the last.
        words: how messages call them.
        extra: columns that it also takes where a header names them.
        unused: columns that are known and not needed.
        classes: names of the classes, if there is a file of them.
        multi_label: any number of labels a line instead of one.
        first_label: id of the first class in the list.
    """

    plain: tuple[str, ...] = ("path", "label")
    words: str = "path label"
    extra: tuple[str, ...] = ("name", "split", "start", "end")
    unused: tuple[str, ...] = ("total",)
    classes: ClassNames | None = None
    multi_label: bool = False
    first_label: int = 0

    def record(self, cells: Mapping[str, Any], line: int) -> Record:
        """The record of a line: column -> text, or number or list from JSON. Raises ValueError with the reason."""
        path = cells.get("path")
        if not isinstance(path, str) or not path.strip():
            raise ValueError("no path")
        start, end = self._seconds(cells, "start") or 0.0, self._seconds(cells, "end")
        if end is not None and end <= start:
            raise ValueError(f"it ends at {end:g} s, which is not after its start at {start:g} s")
        return Record(
            path.strip(),
            self.label_of(cells),
            self._count(cells, "total"),
            line,
            self._count(cells, "offset"),
            start,
            end,
            _text(cells.get("split")),
        )

    def label_of(self, cells: Mapping[str, Any]) -> int | tuple[int, ...]:
        """The class id, or ids, of a line."""
        given, named = cells.get("label"), cells.get("name")
        if given is None or given == "":
            given, named = named, None
        if self.multi_label:
            return tuple(dict.fromkeys(self.class_id(text) for text in _several(given)))
        if given is None or given == "":
            raise ValueError("no label")
        label = self.class_id(_text(given))
        if named and self.classes is not None and self.class_id(_text(named)) != label:
            raise ValueError(f"the label is {given}, but '{named}' is class {self.class_id(_text(named))}")
        return label

    def class_id(self, text: str) -> int:
        """The class that a number, or a name, stands for."""
        named = self.classes.find(text) if self.classes is not None else None
        if NUMBER.fullmatch(text):
            number = int(text) - self.first_label
            if number < 0:
                raise ValueError(f"label {text}, but they count from {self.first_label}")
            if named not in (None, number):
                raise ValueError(f"'{text}' may be an id or the name of class {named}; give ids")
            return number
        if named is not None:
            return named
        if re.fullmatch(r"-[0-9]+", text):
            raise ValueError("the label is negative")
        if self.classes is not None:
            raise ValueError(self.classes.hint(text))
        raise ValueError(f"'{text}' is no class id, and names need a file of them: DATASET.labels")

    def _count(self, cells: Mapping[str, Any], column: str) -> int:
        """A number of frames; 0 where there is none."""
        text = _text(cells.get(column)) if column in self.plain or column in self.extra else ""
        if text and not NUMBER.fullmatch(text):
            raise ValueError(f"{column} '{text}' is no whole number")
        return int(text or 0)

    def _seconds(self, cells: Mapping[str, Any], column: str) -> float | None:
        text = _text(cells.get(column)) if column in self.extra else ""
        if not text:
            return None
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds < math.inf:
            raise ValueError(f"{column} '{text}' is no time in seconds")
        return seconds


def _text(value: Any) -> str:
    """A cell as text. Raises ValueError for a JSON value that is none, such as true or an object."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} is neither text nor a number")
    return str(value).strip()


def _several(value: Any) -> list[str]:
    """The labels of one cell: a JSON list, or text with ids apart by spaces or commas, or names apart by ; or |."""
    if isinstance(value, list):
        return [_text(item) for item in value]
    text = _text(value)
    if re.fullmatch(r"[0-9\s,;|]*", text):
        return re.findall(r"[0-9]+", text)
    return [part.strip() for part in re.split(r"[;|]", text)]


def columns_of(words: Sequence[str]) -> list[str | None]:
    """The columns of a header; None for words that name none. Raises ValueError when two name the same."""
    columns = [column_of(word) for word in words]
    for i, column in enumerate(columns):
        if column is not None and column in columns[:i]:
            raise ValueError(f"'{words[columns.index(column)]}' and '{words[i]}' both name the {column}")
    return columns
