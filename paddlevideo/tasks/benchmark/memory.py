"""Peak memory of a forward pass or of training steps, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlevideo.tasks.benchmark.child import Died, ask
from paddlevideo.utils.errors import UserError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Usage:
    """Resident memory, bytes.

    Attributes:
        ready: with Paddle, the model and a batch loaded, before what is measured.
        peak: the most during it.
    """

    ready: int
    peak: int


def usage(config: str, overrides: list[str], batch: int, side: str) -> Usage | None:
    """Memory of one forward pass of a config's model ("ours"), or its counterpart ("bare").

    None where the system does not tell the peak (it is Linux that does).

    Raises:
        UserError: the process died, for want of memory as a rule.
    """
    request = {"config": config, "overrides": overrides, "batch": batch, "side": side}
    return measured("paddlevideo.tasks.benchmark.one_pass", request)


def measured(module: str, request: Mapping[str, Any]) -> Usage | None:
    """What a module of this package measures of itself; see `usage`."""
    if not CLEAR.exists():
        return None
    found = ask(module, request)
    if isinstance(found, Died):
        where = f"{request['config']}: measuring memory for a batch of {request['batch']}"
        raise UserError(f"{where} failed ({found})")
    return Usage(**found)


def start() -> int:
    """Resident memory of this process now, bytes; the peak starts anew (proc(5))."""
    CLEAR.write_text("5")
    return status("VmRSS")


def status(key: str) -> int:
    """A size that /proc tells of this process, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024
