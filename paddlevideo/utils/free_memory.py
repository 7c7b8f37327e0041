"""How much memory this process may still take: what the machine has free, and what its control groups leave it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Controller(NamedTuple):
    """Where one version of Linux's control groups keeps its figures: the mount below /sys/fs/cgroup, and file names."""

    mount: str
    limit: str
    usage: str
    reclaimable: str  # in memory.stat: cached files, which are given up where memory is wanted


SECOND = Controller("", "memory.max", "memory.current", "inactive_file")
FIRST = Controller("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes; None where the system does not tell (it is Linux that does).

    Control groups are what containers and batch systems limit memory by; a group's parents limit it too.

    Args:
        root: of the file system.
    """
    try:
        text = (root / "proc/meminfo").read_text()
        lines = dict(line.split(":", 1) for line in text.splitlines())
        found = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    return max(0, min([found, *_left_by_groups(root)]))


def _left_by_groups(root: Path) -> Iterator[int]:
    for controller, group in _groups(root):
        mount = root / "sys/fs/cgroup" / controller.mount
        inside = mount / group.lstrip("/")
        for folder in (inside, *inside.parents):  # a container may see its own group as the mount
            if folder.is_relative_to(mount):
                limit = _number(folder / controller.limit)
                if limit is not None:
                    yield limit - max(0, (_number(folder / controller.usage) or 0) - _reclaimable(folder, controller))


def _groups(root: Path) -> Iterator[tuple[Controller, str]]:
    """The groups of this process that may limit its memory, as proc(5) and cgroups(7) tell them: `4:memory:/path`."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        number, names, path = line.split(":", 2)
        if number == "0":
            yield SECOND, path
        elif "memory" in names.split(","):
            yield FIRST, path


def _number(path: Path) -> int | None:
    """What a file holds, where that is a number: "max" is none."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _reclaimable(folder: Path, controller: Controller) -> int:
    try:
        pairs = [line.split() for line in (folder / "memory.stat").read_text().splitlines()]
    except OSError:
        return 0
    return sum(int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == controller.reclaimable)
