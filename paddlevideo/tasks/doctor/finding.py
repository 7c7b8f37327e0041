"""One thing found, and how many of something are named in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["ok", "note", "warning", "error"]
SHOWN = 5  # examples that are named


@dataclass(frozen=True)
class Finding:
    """A line of the report.

    Attributes:
        level: "error": the run ends, or its figures are wrong; "warning": it works, but hardly as meant; "note": worth
            knowing; "ok": looked at and found in order.
        where: a library, a key of the config, a list.
        what: what was found.
        fix: what to do about it; empty where there is nothing to do.
    """

    level: Level
    where: str
    what: str
    fix: str = ""


def ok(where: str, what: str) -> Finding:
    return Finding("ok", where, what)


def note(where: str, what: str, fix: str = "") -> Finding:
    return Finding("note", where, what, fix)


def warning(where: str, what: str, fix: str) -> Finding:
    return Finding("warning", where, what, fix)


def error(where: str, what: str, fix: str) -> Finding:
    return Finding("error", where, what, fix)


def named(examples: Iterable[object], limit: int = SHOWN) -> str:
    """The first few, and how many more there are: "a, b, c, d, e and 7 more"."""
    texts = [str(example) for example in examples]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def plural(number: int, word: str) -> str:
    """1 file, 2 files."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def lasting(seconds: float) -> str:
    """A time for people, with two digits."""
    for unit, factor in (("h", 3600.0), ("min", 60.0), ("s", 1.0)):
        if seconds >= factor:
            return f"{float(f'{seconds / factor:.2g}'):g} {unit}"
    return f"{float(f'{1000 * seconds:.2g}'):g} ms"


def gigabytes(size: float) -> str:
    """A number of bytes for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"
