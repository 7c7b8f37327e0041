"""Measuring in a process of its own: what earlier runs left behind does not count, and a death of it is a result too.

The parent calls `ask`; the module that it names calls `answer`. However the parent ends, the child ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError

VICTIM = Path("/proc/self/oom_score_adj")
# what a process says that was refused memory: Python and numpy, Paddle, C++, CUDA
REFUSED = ("MemoryError", "ResourceExhausted", "bad_alloc", "out of memory")


@dataclass(frozen=True)
class Died:
    """The end of a process that gave no answer.

    Attributes:
        code: its exit code, negative for the signal that ended it.
        last: the last line of what it said.
        memory: it died for want of memory: it was refused some, or killed, which only the system does.
    """

    code: int
    last: str
    memory: bool

    def __str__(self) -> str:
        return f"signal {signal.Signals(-self.code).name}" if self.code < 0 else f"{self.code}: {self.last}"


def ask(module: str, request: Mapping[str, Any], changes: Mapping[str, str] | None = None) -> dict[str, Any] | Died:
    """What `python -m module` answers to a request.

    Args:
        request: plain values.
        changes: environment variables for it.
    Raises:
        UserError: it met one.
    """
    command = [sys.executable, "-m", module, json.dumps(request)]
    lifeline, held = os.pipe()  # nothing is written; that it ends is the message
    try:
        env = {**environment.python_environment(), **(changes or {})}
        done = subprocess.run(command, stdin=lifeline, capture_output=True, text=True, env=env, check=False)
    finally:
        os.close(lifeline)
        os.close(held)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no message"]
        refused = any(word in line for line in said for word in REFUSED)
        return Died(done.returncode, said[-1], refused or done.returncode == -signal.SIGKILL)
    found = json.loads(done.stdout.splitlines()[-1])
    if "mistake" in found:
        raise UserError(found["mistake"])
    return found


def answer(measure: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """The whole work of a child: measures what the command line asks for, and prints it as JSON."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(OSError):  # where memory runs out, the system is to end this process and no other
        VICTIM.write_text("1000")
    try:
        found = measure(json.loads(sys.argv[1]))
    except UserError as error:
        found = {"mistake": str(error)}
    print(json.dumps(found))


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
