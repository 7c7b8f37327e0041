"""Whether a worker process keeps its size: its memory over many clips."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

from paddlevideo.tasks.benchmark.data import Case


@dataclass(frozen=True)
class Growth:
    """Resident memory of a worker, bytes: medians over the second tenth of its clips, and over the last."""

    clips: int
    early: int
    late: int

    @property
    def share(self) -> float:
        """By how much it grew: 0.01 is 1 %."""
        return self.late / self.early - 1


def growth(case: Case, clips: int) -> Growth | None:
    """Lets one worker prepare so many clips. None where the system does not tell a process's memory (not Linux)."""
    if not Path("/proc/self/status").exists():
        return None
    sizes: list[int] = []  # after each batch
    done = 0
    with case.loader(1) as loader:
        for epoch in count():
            for batch in loader.epoch(epoch):
                done += len(batch["label"])
                sizes.append(max(map(resident, children()), default=0))
                if done >= clips:
                    break
            if done >= clips:
                break
    tenth = max(1, len(sizes) // 10)
    return Growth(done, int(median(sizes[tenth : 2 * tenth] or sizes)), int(median(sizes[-tenth:])))


def children() -> list[int]:
    """Processes that this one has started."""
    found, own = [], os.getpid()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has just ended
            if parent == own:
                found.append(int(entry.name))
    return found


def resident(process: int) -> int:
    """Resident memory of a process, bytes; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
