"""Peak memory of a forward pass, in a process of its own: what earlier runs left behind does not count."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Usage:
    """Resident memory, bytes.

    Attributes:
        ready: with Paddle, the model and a batch loaded, before the forward pass.
        peak: the most during the forward pass.
    """

    ready: int
    peak: int


def usage(config: str, overrides: list[str], batch: int, side: str) -> Usage | None:
    """Memory of one forward pass of a config's model ("ours"), or its counterpart ("bare").

    None where the system does not tell the peak (it is Linux that does).

    Raises:
        UserError: the process died, for want of memory as a rule.
    """
    if not CLEAR.exists():
        return None
    request = {"config": config, "overrides": overrides, "batch": batch, "side": side}
    command = [sys.executable, "-m", "paddlevideo.tasks.benchmark.one_pass", json.dumps(request)]
    env = environment.python_environment()
    child = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if child.returncode:
        last = (child.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{config}: measuring memory for a batch of {batch} failed ({child.returncode}: {last})")
    return Usage(**json.loads(child.stdout.splitlines()[-1]))


def status(key: str) -> int:
    """A size that /proc tells of this process, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{key}:"))
    return int(line.split()[1]) * 1024
