"""Names of classes: the file that lists them, and which class a name in a list of videos means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from paddlevideo.registry import did_you_mean
from paddlevideo.utils.errors import UserError

NUMBERED = re.compile(r"([0-9]{1,9})\s+(\S.*)")


Names: TypeAlias = str | list[str]  # a file of class names, or the names themselves, in id order
HERE = "the names given as labels"


def read_names(source: Names) -> list[str]:
    """The names in id order. A file has lines `id name` in any order, or one name a line in id order.

    Raises:
        UserError: the file cannot be read, an id is missing or repeated, or two classes have one name.
    """
    if not isinstance(source, str):
        twice = next((name for i, name in enumerate(source) if name in source[:i]), None)
        if twice is not None:
            raise UserError(f"{HERE}: '{twice}' is the name of two classes")
        return list(source)
    return _read_file(source)


def _read_file(path: str) -> list[str]:
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{path}: the label file (DATASET.labels) cannot be read: {reason}") from None
    entries = [(number, line) for number, line in enumerate(lines, 1) if line]
    matches = [NUMBERED.fullmatch(line) for _, line in entries]
    numbered = all(matches)
    names: dict[int, str] = {}
    ids: dict[str, int] = {}
    for position, ((number, line), match) in enumerate(zip(entries, matches)):
        key, name = (int(match[1]), match[2]) if numbered and match else (position, line)
        if key in names:
            raise UserError(f"{path}:{number}: class {key} is named a second time ('{name}')")
        if name in ids:
            raise UserError(f"{path}:{number}: '{name}' is the name of class {ids[name]} as well as of class {key}")
        names[key], ids[name] = name, key
    missing = next((i for i in range(len(names)) if i not in names), None)
    if missing is not None:
        raise UserError(f"{path}: no name for class {missing}")
    return [names[i] for i in range(len(names))]


class ClassNames:
    """Finds classes by name.

    Names are compared as they are written; where none is equal, without regard to case and with spaces and underscores
    alike, if that fits one class only.

    Args:
        names: in id order.
        source: the file they come from, for messages.
    """

    def __init__(self, names: Sequence[str], source: str) -> None:
        self.names = list(names)
        self.source = source
        self._ids = {name: i for i, name in enumerate(names)}
        self._alike: dict[str, list[int]] = {}
        for i, name in enumerate(names):
            self._alike.setdefault(_plain(name), []).append(i)
        self.longest = max((len(_plain(name).split(" ")) for name in names), default=0)  # words

    def find(self, name: str) -> int | None:
        """The id of a name; None where no class, or more than one, is meant."""
        if name in self._ids:
            return self._ids[name]
        alike = self._alike.get(_plain(name), [])
        return alike[0] if len(alike) == 1 else None

    def hint(self, name: str) -> str:
        """Why `name` is no class, in words."""
        alike = self._alike.get(_plain(name), [])
        if len(alike) > 1:
            return f"'{name}' may mean '{self.names[alike[0]]}' or '{self.names[alike[1]]}' of {self.source}"
        return f"'{name}' is no class of {self.source}{did_you_mean(name, self.names)}"


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
