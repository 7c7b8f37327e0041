"""What preparing a data set has to tell: which clips are missing or broken, and where its class names differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from paddlevideo.tasks.prepare.annotations import Entry
from paddlevideo.tasks.prepare.check import EMPTY

SHOWN = 3  # of what is wrong, the first that are named
MISSING, UNREADABLE = "missing", "unreadable"


class Fault(NamedTuple):
    """A clip that is in no list: what is wrong in a word, and the reason."""

    entry: Entry
    what: str
    reason: str


def in_words(faults: Sequence[Fault]) -> list[str]:
    """A line for each thing that is wrong: how often, and where first."""
    said = []
    for what in (MISSING, EMPTY, UNREADABLE):
        those = [fault for fault in faults if fault.what == what]
        if those:
            first = [fault.reason if what == UNREADABLE else fault.entry.name for fault in those[:SHOWN]]
            named = printable("; ".join(first)) + ("; ..." if those[SHOWN:] else "")
            said.append(f"  {what}: {len(those):,} ({named})")
    return said


def of_repeats(repeats: Sequence[Entry]) -> list[str]:
    """A line on clips that a list names twice."""
    if not repeats:
        return []
    first = "; ".join(f"{entry.source}: {entry.name}" for entry in repeats[:SHOWN])
    more = "; ..." if repeats[SHOWN:] else ""
    return [f"  {len(repeats):,} lines name a clip that their list has already; left out ({first}{more})"]


def table(faults: Sequence[Fault], repeats: Sequence[Entry]) -> str:
    """All that is wrong, a line a clip, columns parted by tabs."""
    rows = [("clip", "what", "reason", "annotation")]
    rows += [(fault.entry.name, fault.what, fault.reason, fault.entry.source) for fault in faults]
    rows += [(entry.name, "repeated", "the list has it already", entry.source) for entry in repeats]
    return "".join("\t".join(printable(" ".join(cell.split())) for cell in row) + "\n" for row in rows)


def printable(text: str) -> str:
    """Text that may hold a file name that is not UTF-8."""
    return text.encode(errors="backslashreplace").decode()


def changed_labels(path: Path, labels: Sequence[str]) -> list[str]:
    """How the class names differ from those of the file that is about to be replaced, if there is one."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    before = [line.split(maxsplit=1)[-1].strip() for line in lines if line.strip()]
    if before == list(labels):
        return [f"  {path}: the same {len(labels)} names as before"]
    gone = [name for name in before if name not in labels]
    new = [name for name in labels if name not in before]
    differences = [f"{len(names)} {word} ('{names[0]}')" for names, word in ((gone, "gone"), (new, "new")) if names]
    what = ", ".join(differences) or "in another order"
    return [f"  {path}: replaced, {what}"]
