"""What the annotation files of a data set say; faults are told with file and line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from paddlevideo.utils.errors import UserError


class Entry(NamedTuple):
    """A clip that an annotation file names.

    Attributes:
        name: what the data set calls it; one clip, one name.
        key: what files and folders of it are found by, see `find.files`.
        label: id of its class, from 0.
        source: file:line.
        folder: where it belongs, if that helps to find it.
    """

    name: str
    key: str
    label: int
    source: str
    folder: str = ""


@dataclass
class Annotations:
    """A data set as its annotation files describe it.

    Attributes:
        labels: names of the classes, in the order of their ids.
        entries: name of a clip -> the first line that names it.
        lists: list -> names of its clips, in the order of the file. A clip may be in several lists.
        repeats: further lines that name a clip of the same list.
        notes: what else there is to say.
    """

    labels: list[str]
    entries: dict[str, Entry] = field(default_factory=dict)
    lists: dict[str, dict[str, None]] = field(default_factory=dict)
    repeats: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, list_name: str, entry: Entry) -> None:
        """One line. Raises UserError where it contradicts another."""
        first = self.entries.setdefault(entry.name, entry)
        if first.label != entry.label:
            labels = f"'{self.labels[entry.label]}', but '{self.labels[first.label]}' in {first.source}"
            raise UserError(f"{entry.source}: the label of {entry.name} is {labels}; remove one of the lines")
        names = self.lists.setdefault(list_name, {})
        if entry.name in names:
            self.repeats.append(entry)
        names[entry.name] = None

    def shared(self, first: str, second: str) -> list[str]:
        """A note where two lists have clips in common."""
        both = [name for name in self.lists.get(first, ()) if name in self.lists.get(second, ())]
        return [f"  warning: {len(both):,} clips are in both {first} and {second}, such as {both[0]}"] if both else []


def locate(folder: Path, pattern: str, what: str) -> Path:
    """As `search`. Raises UserError where there is none, too."""
    found = search(folder, pattern, what)
    if found is None:
        raise UserError(f"{folder}: {what} is not there, nor in a folder right below it")
    return found


def search(folder: Path, pattern: str, what: str) -> Path | None:
    """The annotation file whose name matches a regular expression, in `folder` or in a folder right below it.

    Raises:
        UserError: there are several side by side.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the one that holds the annotation files")
    below = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    for place in (folder, *below):
        files = sorted(path for path in place.glob("[!.]*.*") if re.fullmatch(pattern, path.name) and path.is_file())
        if len(files) > 1:
            raise UserError(f"{files[0]} and {files[1].name} are both {what}; keep one of them there")
        if files:
            return files[0]
    return None


def text_of(path: Path) -> str:
    """The text of a UTF-8 file, lines ended by \\n."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise UserError(f"{path}:{line}: not UTF-8 text; convert the file") from None


def lines_of(path: Path) -> Iterator[tuple[str, str]]:
    """(file:line, text) of the lines that are not blank."""
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line.strip()


def table(path: Path, needed: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(file:line, column -> text) of the rows of a csv file with a header.

    Raises:
        UserError: a column of `needed` is missing, in the header or in a row; a row has too many; bad quotes.
    """
    rows = csv.reader(io.StringIO(text_of(path)), strict=True)
    header: list[str] = []
    while True:
        place = f"{path}:{rows.line_num + 1}"
        try:
            row = [text.strip() for text in next(rows)]
        except StopIteration:
            break
        except csv.Error as error:
            reason = "a quotation mark is not closed" if "end of data" in str(error) else f"not csv: {error}"
            raise UserError(f"{place}: {reason}; correct the line") from None
        if not any(row):
            continue
        if any("\n" in text for text in row):
            raise UserError(f"{place}: a quotation mark is not closed; correct the line")
        if not header:
            header = [text.lower() for text in row]
            missing = [name for name in needed if name not in header]
            if missing:
                raise UserError(f"{place}: the header has no column '{missing[0]}'; it needs {','.join(needed)}")
            continue
        if len(row) > len(header) or any(header.index(name) >= len(row) for name in needed):
            raise UserError(f"{place}: {len(row)} columns, but the header has {len(header)}; correct the line")
        yield place, dict(zip(header, row))
    if not header:
        raise UserError(f"{path}: the file is empty; its header should have {','.join(needed)}")


def json_list(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(file:line, object) of the objects of a JSON list."""
    items = json_of(path)
    if not isinstance(items, list):
        raise UserError(f"{path}:1: expected a list of objects, [{{...}}, ...]")
    text, decoder = text_of(path), json.JSONDecoder()
    end, line = text.index("[") + 1, 1 + text.count("\n", 0, text.index("["))
    for item in items:
        found = re.compile(r"[^\s,]").search(text, end)
        assert found is not None
        line += text.count("\n", end, found.start())
        if not isinstance(item, dict):
            raise UserError(f"{path}:{line}: expected an object, got {json.dumps(item)[:60]}")
        yield f"{path}:{line}", item
        _, end = decoder.raw_decode(text, found.start())
        line += text.count("\n", found.start(), end)


def json_of(path: Path, **how: Any) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(text_of(path), **how)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}: not JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, thousands of brackets
        raise UserError(f"{path}: not JSON that can be read ({error})") from None


def json_pairs(path: Path) -> list[tuple[str, Any]]:
    """The pairs of a JSON object, in its order, repeated keys too."""
    pairs = json_of(path, object_pairs_hook=tuple)
    if not isinstance(pairs, tuple):
        raise UserError(f"{path}:1: expected an object, {{name: id, ...}}")
    return list(pairs)
