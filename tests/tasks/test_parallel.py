"""The same work on many files: results, order, crashes, and processes that never outlive their owner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import active_children
from pathlib import Path

import pytest

from paddlevideo.tasks.prepare.parallel import each


def square(x: int) -> int:
    return x * x


def picky(x: int) -> int:
    if x == 3:
        raise ValueError("not 3")
    return x


def crash(x: int) -> int:
    if x == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    return x


def unpicklable(x: int) -> object:
    return (lambda: x) if x == 1 else x


def linger(path: Path) -> None:
    """Writes a file, waits for ever, and removes the file on its way out."""
    path.write_text(str(os.getpid()))
    try:
        time.sleep(600)
    finally:
        path.unlink()


@pytest.mark.parametrize("workers", [0, 1, 2, 9])
def test_each_item_comes_back_once_with_its_result(workers: int) -> None:
    assert sorted(each(square, range(7), workers, "squares")) == [(x, x * x) for x in range(7)]


def test_nothing_to_do() -> None:
    assert list(each(square, [], 2, "squares")) == []


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_is_a_result(workers: int) -> None:
    found = dict(each(picky, range(5), workers, "numbers"))
    error = found.pop(3)
    assert isinstance(error, ValueError)
    assert str(error) == "not 3"
    assert found == {0: 0, 1: 1, 2: 2, 4: 4}


def test_a_crash_costs_one_item() -> None:
    found = dict(each(crash, range(5), 2, "numbers"))
    assert str(found.pop(2)) == "the process that worked on it died (signal SIGSEGV)"
    assert found == {0: 0, 1: 1, 3: 3, 4: 4}


def test_a_result_that_cannot_be_sent_is_an_error() -> None:
    found = dict(each(unpicklable, range(3), 1, "numbers"))
    assert isinstance(found.pop(1), RuntimeError)
    assert found == {0: 0, 2: 2}


def test_leaving_early_ends_the_processes() -> None:
    pairs = each(square, range(1000), 2, "squares")
    next(pairs)
    assert len(active_children()) == 2
    pairs.close()  # type: ignore[attr-defined]
    assert active_children() == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_however_the_owner_ends_the_processes_tidy_up_and_end(number: int, code: int, tmp_path: Path) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_parallel import each, linger\n"
        "list(each(linger, [Path(sys.argv[1]) / name for name in 'ab'], 2, 'files'))"
    )
    here = Path(__file__).parent
    owner = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path, here, here.parents[1]], stderr=subprocess.DEVNULL
    )
    wait_for(lambda: len([f for f in tmp_path.iterdir() if f.read_text()]) == 2)
    helpers = [int(file.read_text()) for file in tmp_path.iterdir()]
    owner.send_signal(number)
    assert owner.wait(30) in (code, -number)
    wait_for(lambda: not any(alive(pid) for pid in helpers))
    assert list(tmp_path.iterdir()) == []


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
