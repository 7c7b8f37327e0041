"""How the lines of a list are cut into cells: by spaces, tabs, commas, or as JSON; with a header or without."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from paddlevideo.loader.list_columns import NUMBER, Form, Record, column_of, columns_of

SEPARATORS = ("\t", ",")
SAMPLE = 1000  # lines that the layout is found from


class Line(NamedTuple):
    """A line of a list that is neither blank nor a comment: its number, from 1, and its text without the ends."""

    number: int
    text: str


class WrongColumns(ValueError):
    """A line has another number of columns than expected; there is nothing more to say."""


class Layout(Protocol):
    """How a list is laid out.

    Attributes:
        expected: a line of it, for messages.
        unknown: names of columns that mean nothing here.
    """

    expected: str
    unknown: dict[str, None]

    def cells(self, text: str) -> dict[str, Any]:
        """Column -> value. Raises ValueError with the reason."""
        ...


class Spaces:
    """Columns apart by white space, split from the right so that paths may hold spaces; no quoting."""

    def __init__(self, form: Form, header: Sequence[str] | None = None, expected: str = "") -> None:
        self.form, self.header = form, header
        self.expected = expected or form.words + (" [label ...]" if form.multi_label else "")
        self.unknown: dict[str, None] = {}

    def cells(self, text: str) -> dict[str, Any]:
        columns = self.header or self.form.plain
        if self.form.multi_label and self.header is None:
            cells = self._ids(text)
        elif columns[0] == "path" and columns[-1] in ("label", "name"):
            cells = self._label_last(text, columns)
        else:
            cells = _zip(columns, self._around_path(text, columns))
        if "\t" in cells["path"] or cells["path"].endswith(","):
            raise ValueError("the path holds what parts columns")
        return cells

    def _around_path(self, text: str, columns: Sequence[str]) -> list[str]:
        before = text.split(maxsplit=columns.index("path"))
        return before[:-1] + before[-1].rsplit(maxsplit=len(columns) - len(before))

    def _label_last(self, text: str, columns: Sequence[str]) -> dict[str, Any]:
        """The label is one word; or several, where that is the name of a class."""
        classes, others = self.form.classes, len(columns) - 1
        words = text.rsplit(maxsplit=others)
        cells = _zip(columns, words)
        if classes is None or NUMBER.fullmatch(words[-1]):
            return cells
        fitting = []
        for count in range(1, classes.longest + 1):
            words = text.rsplit(maxsplit=others - 1 + count)
            found = dict(zip(columns, [*words[:others], " ".join(words[others:])]))
            counts = [found.get(column) or "0" for column in ("total", "offset")]
            whole = len(words) == others + count and all(map(NUMBER.fullmatch, counts))
            if whole and classes.find(found[columns[-1]]) is not None:
                fitting.append(found)
        if len(fitting) > 1:
            labels = " or ".join(f"'{found[columns[-1]]}'" for found in fitting)
            raise ValueError(f"the label may be {labels}; part the columns by tabs")
        return fitting[0] if fitting else cells

    def _ids(self, text: str) -> dict[str, Any]:
        """All numbers at the end of the line belong to the columns after the path."""
        words = text.split()
        first = len(words)
        while first > 1 and all(map(NUMBER.fullmatch, words[first - 1].split(","))):
            first -= 1
        counts = len(self.form.plain) - 2
        if len(words) - first <= counts:
            raise WrongColumns
        path = text.rsplit(maxsplit=len(words) - first)[0]
        labels = [part for word in words[first + counts :] for part in word.split(",")]
        return {**dict(zip(self.form.plain, [path, *words[first : first + counts]])), "label": labels}


class Table:
    """Columns apart by tabs or commas, with quoting as spreadsheets do it."""

    def __init__(
        self, form: Form, separator: str, header: Sequence[str | None] | None = None, expected: str = ""
    ) -> None:
        self.form, self.separator, self.header = form, separator, header
        words = form.words.split() + (["label ..."] if form.multi_label else [])
        self.expected = expected or {"\t": " <tab> "}.get(separator, separator).join(words)
        self.unknown: dict[str, None] = {}

    def cells(self, text: str) -> dict[str, Any]:
        cells, plain = row(text, self.separator), self.form.plain
        if self.header is not None:
            return _zip(self.header, cells)
        if self.form.multi_label and len(cells) > len(plain):
            return {**dict(zip(plain, cells)), "label": cells[len(plain) - 1 :]}
        return _zip(plain, cells)


class JsonLines:
    """A JSON object a line, whose keys name the columns."""

    def __init__(self, form: Form) -> None:
        self.form = form
        values = {"total": "120", "offset": "0", "label": "[0, 3]" if form.multi_label else "0", "path": '"..."'}
        named = {"total": "num_frames"}
        self.expected = "{" + ", ".join(f'"{named.get(key, key)}": {values[key]}' for key in form.plain) + "}"
        self.unknown: dict[str, None] = {}

    def cells(self, text: str) -> dict[str, Any]:
        try:
            pairs = json.loads(text, object_pairs_hook=tuple)
        except (ValueError, RecursionError):
            raise ValueError("it is no JSON object") from None
        if not isinstance(pairs, tuple):
            raise ValueError("it is no JSON object")
        words = [word for word, _ in pairs]
        columns = columns_of(words)
        check_columns(columns, self.form)
        self.unknown.update(dict.fromkeys(word for word, column in zip(words, columns) if column is None))
        return {column: value for column, (_, value) in zip(columns, pairs) if column is not None}


def _zip(header: Sequence[str | None], cells: Sequence[str]) -> dict[str, Any]:
    if len(cells) != len(header):
        raise WrongColumns
    return {column: cell for column, cell in zip(header, cells) if column is not None}


def row(text: str, separator: str) -> list[str]:
    """The cells of one line. Raises ValueError for quotes that do not close."""
    try:
        cells = next(csv.reader([text], delimiter=separator, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return [cell.strip() for cell in cells]


def check_columns(columns: Sequence[str | None], form: Form) -> None:
    """Raises ValueError unless a data set can use these columns: one it cannot use is not left out in silence."""
    takes = {*form.plain, *form.extra}
    if "path" not in columns:
        raise ValueError("no column says where the video is: path, file or video")
    if "label" not in columns and "name" not in columns:
        raise ValueError("there is no column label, nor name")
    for column in columns:
        if column is not None and column not in takes and column not in form.unused:
            raise ValueError(f"column {column} is of no use to this data set, which takes {', '.join(sorted(takes))}")


def layout_of(lines: Sequence[Line], form: Form) -> tuple[Layout, bool]:
    """How a list is laid out, and whether its first line is a header.

    A first line with { begins JSON. One that names columns is a header, and what parts its columns parts those of the
    other lines. Otherwise it is what reads most of the first lines: tabs, commas or spaces.

    Raises:
        ValueError: the header cannot be used, or two layouts read equally many lines, differently.
    """
    first = lines[0].text
    if first.startswith("{"):
        return JsonLines(form), False
    for separator in SEPARATORS:
        try:
            words = row(first, separator)
        except ValueError:
            continue
        if sum(column_of(word) is not None for word in words) > 1:
            columns = columns_of(words)
            check_columns(columns, form)
            table = Table(form, separator, columns, first)
            table.unknown = {word: None for word, column in zip(words, columns) if column is None}
            return table, True
    words = first.split()
    if len(words) > 1 and all(map(column_of, words)):
        columns = columns_of(words)
        check_columns(columns, form)
        return Spaces(form, [column for column in columns if column is not None], first), True
    return _likeliest(lines[:SAMPLE], form), False


def _likeliest(lines: Sequence[Line], form: Form) -> Layout:
    """The layout that reads most lines; where none reads any, the first whose separator is in every line."""
    used = [separator for separator in SEPARATORS if any(separator in line.text for line in lines)]
    if not used:
        return Spaces(form)
    layouts: list[Layout] = [*(Table(form, separator) for separator in used), Spaces(form)]
    found = [_records(lines, form, layout) for layout in layouts]
    best = max(map(len, found))
    if best == 0:
        everywhere = (separator for separator in used if all(separator in line.text for line in lines))
        separator = next(everywhere, None)
        return Spaces(form) if separator is None else Table(form, separator)
    chosen = [i for i in range(len(layouts)) if len(found[i]) == best]
    for other in chosen[1:]:
        for one, two in zip(found[chosen[0]], found[other]):
            if one != two:
                raise ValueError(f"line {one.line} may be of the path '{one.path}' or '{two.path}'; add a header line")
    return layouts[chosen[0]]


def _records(lines: Sequence[Line], form: Form, layout: Layout) -> list[Record]:
    found = []
    for line in lines:
        try:
            found.append(form.record(layout.cells(line.text), line.number))
        except ValueError:
            continue
    return found
