"""A training run that is killed again and again, and what it must come to."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddlevideo.modeling import weights
from paddlevideo.utils.environment import python_environment

ROOT = Path(__file__).resolve().parents[1]
TIMES = {"time", "batch_cost", "reader_cost", "ips", "data_wait", "eta", "seconds"}


def command(config: Path, *arguments: str) -> list[str]:
    """`main.py --validate` as a process."""
    return [sys.executable, str(ROOT / "main.py"), "--validate", "-c", str(config), "--cpu_threads", "1", *arguments]


def train(config: Path, output: Path, overrides: Sequence[str], *flags: str) -> subprocess.CompletedProcess[str]:
    """A run to its end."""
    arguments = command(config, *flags, "-o", f"output_dir={output}", *overrides)
    done = subprocess.run(
        arguments, cwd=config.parent, env=python_environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def kill_once(config: Path, output: Path, overrides: Sequence[str], chance: random.Random) -> bool:
    """Starts or resumes a run and kills it some time after its next step. Returns whether it had finished before."""
    arguments = command(config, "--resume", "auto", "-o", f"output_dir={output}", *overrides)
    process = subprocess.Popen(
        arguments, cwd=config.parent, env=python_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        before, metrics = progress(output), output / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while process.poll() is None and (not metrics.exists() or progress(output) == before):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.25))
        process.send_signal(signal.SIGKILL)
        said = process.communicate(timeout=60)[0].decode()
        assert process.returncode in (0, -signal.SIGKILL), said
        return process.returncode == 0
    finally:
        process.kill()


def progress(output: Path) -> str:
    """The last line of the figures written so far."""
    path = output / "metrics.jsonl"
    return path.read_text().rpartition('"kind": "step"')[2] if path.exists() else ""


def arrays(prefix: Path) -> dict[str, Any]:
    """All that a checkpoint holds but the time it took."""
    rest = weights.read_pickle(Path(f"{prefix}.pdopt"))
    state = {**rest["state"], "seconds": 0, "waited": 0}
    state["sums"] = {key: value for key, value in state["sums"].items() if not key.endswith("_seconds")}
    flat: dict[str, Any] = {**weights.read_state(Path(f"{prefix}.pdparams")), **rest["optimizer"], "state": state}
    for kind, average in rest["averages"].items():
        flat |= {f"{kind}/{name}": value for name, value in average["values"].items()}
        flat[kind] = average["updates"]
    return flat


def assert_same(one: Path, other: Path) -> None:
    """Two checkpoints are the same bit for bit."""
    a, b = arrays(one), arrays(other)
    assert a.keys() == b.keys()
    different = [
        name
        for name in a
        if not (np.array_equal(a[name], b[name]) if isinstance(a[name], np.ndarray) else a[name] == b[name])
    ]
    assert not different, [(name, a[name], b[name]) for name in different[:1]]


def figures(output: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl without times and without the beginnings of the run's parts."""
    rows = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return [
        {key: value for key, value in row.items() if key not in TIMES}
        for row in rows
        if row["kind"] not in ("start", "resume", "end")
    ]
