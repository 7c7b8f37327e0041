"""The file of figures: what is in it after kills, reopenings and resumes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paddlevideo.tasks.metrics_log import MetricsLog
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError


def rows(path: Path) -> list[dict[str, Any]]:
    """The lines without their times."""
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "time"} for row in found]


def test_a_line_is_there_as_soon_as_it_is_added(tmp_path: Path) -> None:
    path = tmp_path / "new" / "metrics.jsonl"
    log = MetricsLog(path)
    log.add("step", iteration=1, loss=0.5, lr=float("nan"), grad_norm=float("inf"), name="é")
    line = path.read_bytes().decode()
    time = json.loads(line)["time"]
    assert len(time) == len("2026-11-30T10:00:00.000")
    rest = '"iteration": 1, "loss": 0.5, "lr": null, "grad_norm": null, "name": "é"'
    assert line == f'{{"kind": "step", "time": "{time}", {rest}}}\n'
    log.close()


def test_without_a_path_nothing_happens() -> None:
    log = MetricsLog(None)
    log.add("step", iteration=1)
    log.rewind(0)
    log.close()


def test_a_second_run_appends(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for iteration in (1, 2):
        log = MetricsLog(path)
        log.add("step", iteration=iteration)
        log.close()
    assert rows(path) == [{"kind": "step", "iteration": 1}, {"kind": "step", "iteration": 2}]


LINE = b'{"kind": "val", "iteration": 2}\n'


@pytest.mark.parametrize("cut", range(len(LINE)))
def test_a_line_cut_anywhere_is_mended_on_reopening(cut: int, tmp_path: Path) -> None:
    """It goes, unless only its line feed is missing."""
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"kind": "step", "iteration": 1}\n' + LINE[:cut])
    log = MetricsLog(path)
    log.add("step", iteration=3)
    log.close()
    whole = [{"kind": "val", "iteration": 2}] if cut == len(LINE) - 1 else []
    assert rows(path) == [{"kind": "step", "iteration": 1}, *whole, {"kind": "step", "iteration": 3}]


def test_zeros_that_a_power_cut_leaves_are_no_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(LINE + bytes(100))
    MetricsLog(path).close()
    assert path.read_bytes() == LINE


KILLED = """
import os, signal, sys
from pathlib import Path
from paddlevideo.tasks.metrics_log import MetricsLog
log = MetricsLog(Path(sys.argv[1]))
for iteration in range(1, 4):
    log.add("step", iteration=iteration)
log._file.write(b'{"kind": "step", "itera')
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_inside_a_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, env=python_environment())
    assert done.returncode == -signal.SIGKILL and path.read_bytes().endswith(b'"itera')
    MetricsLog(path).close()
    assert rows(path) == [{"kind": "step", "iteration": iteration} for iteration in (1, 2, 3)]


def written(path: Path) -> MetricsLog:
    log = MetricsLog(path)
    log.add("start", seed=1)
    for iteration in range(1, 6):
        log.add("step", iteration=iteration)
    log.add("val", iteration=4)
    log.add("best", iteration=4)
    log.add("end", iteration=5)
    return log


@pytest.mark.parametrize("iteration", range(7))
def test_rewinding_removes_what_is_beyond(iteration: int, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = written(path)
    log.rewind(iteration)
    log.add("resume", iteration=iteration)
    log.close()
    before = [{"kind": "start", "seed": 1}, *({"kind": "step", "iteration": i} for i in range(1, 6))]
    before += [{"kind": kind, "iteration": i} for kind, i in (("val", 4), ("best", 4), ("end", 5))]
    kept = [row for row in before if row.get("iteration", 0) <= iteration]
    assert rows(path) == [*kept, {"kind": "resume", "iteration": iteration}]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_rewinding_drops_lines_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\0\0\0\n" + LINE + b"3\n" + b'{"iteration": "x"}\n')
    log = MetricsLog(path)
    log.rewind(2)
    log.close()
    assert path.read_bytes() == LINE + b'{"iteration": "x"}\n'


def test_a_kill_while_rewinding_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "metrics.jsonl"
    log = written(path)
    before = path.read_bytes()

    def killed(self: Path, target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        log.rewind(2)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "metrics.jsonl"
    with pytest.raises(UserError, match=r"metrics\.jsonl: cannot be written \(.+\); change output_dir"):
        MetricsLog(path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert log._file is not None
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 - the descriptor is what matters
        os.dup2(full.fileno(), log._file.fileno())
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\)"):
        log.add("step", iteration=1)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=80))
def test_any_bytes_are_mended(tmp_path: Path, found: bytes) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(found)
    log = MetricsLog(path)
    log.rewind(10)
    log.add("step", iteration=1)
    log.close()
    assert rows(path)[-1] == {"kind": "step", "iteration": 1}
