"""Processes that measure: what their ends mean, and that none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddlevideo.tasks.benchmark import child
from paddlevideo.tasks.benchmark.child import Died
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

TESTS = str(Path(__file__).resolve().parents[1])


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", TESTS)


def test_an_answer_from_a_changed_environment() -> None:
    assert child.ask("dying", {"how": "well"}, {"OMP_NUM_THREADS": "7"}) == {"threads": "7"}


@pytest.mark.parametrize(
    ("how", "code", "memory", "said"),
    [
        ("killed", -signal.SIGKILL, True, "signal SIGKILL"),
        ("refused", 1, True, "1: MemoryError: (ResourceExhausted) Fail to alloc memory of 419430400 size"),
        ("aborted", -signal.SIGABRT, True, "signal SIGABRT"),
        ("faulty", 1, False, "1: ZeroDivisionError: no memory in it"),
    ],
)
def test_ends_without_an_answer(how: str, code: int, memory: bool, said: str) -> None:
    found = child.ask("dying", {"how": how})
    assert isinstance(found, Died)
    assert (found.code, found.memory, str(found)) == (code, memory, said)


def test_a_mistake_of_the_user_is_one_here_too() -> None:
    with pytest.raises(UserError, match=r"^a\.yaml: has a fault$"):
        child.ask("dying", {"how": "mistaken"})


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_process_outlives_its_parent(number: signal.Signals) -> None:
    code = "from paddlevideo.tasks.benchmark import child; child.ask('dying', {'how': 'slow'})"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(
        command, env=python_environment(), start_new_session=True, stderr=subprocess.DEVNULL
    ) as parent:
        wait_for(lambda: len(group(parent.pid)) == 2)
        parent.send_signal(number)  # to it alone
        parent.wait(timeout=30)
    wait_for(lambda: not group(parent.pid))


def group(leader: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(of) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def wait_for(condition: object) -> None:
    for _ in range(300):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError(f"half a minute is over; processes {os.getpid()} waits for did not come or go")
