"""Programs on several CPU processes, as paddle.distributed.launch starts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from paddlevideo.utils.environment import python_environment

ROOT = Path(__file__).resolve().parents[1]
# Trains a config, with one thing done in the middle of it by one rank: arguments rank, step, what, config, overrides.
PROGRAM = """
import os, signal, sys, time, zlib
from paddlevideo.utils import environment
environment.prepare()
environment.import_paddle()
from paddlevideo.tasks import session, train
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import dist

rank, step, what, config, *overrides = sys.argv[1:]
own = train.Trainer._forward_backward

def forward_backward(self, *arguments, **options):
    if os.environ["PADDLE_TRAINER_ID"] == rank and self.state.step == int(step):
        if what == "raise":
            raise RuntimeError("the lights went out")
        if what == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if what == "group":
            os.kill(os.getppid(), signal.SIGTERM)
            time.sleep(1)
    return own(self, *arguments, **options)

def compared(trained, own=train.gradient_norm):
    for values in ([p.grad for p in trained], trained):
        sums = dist.gather_objects(zlib.crc32(b"".join(value.numpy().tobytes() for value in values)))
        print(len(values), "arrays of", len(sums), "ranks:", "equal" if len(set(sums)) == 1 else sums, flush=True)
    return own(trained)

train.Trainer._forward_backward = forward_backward
if what == "compare":
    train.gradient_norm = compared
resume = "auto" if what == "resume" else None
train.train(session.begin(config, overrides), TrainOptions(validate=True, resume=resume))
"""


def launched(ranks: int, logs: Path, *command: str) -> list[str]:
    """The command line of a program in `ranks` processes."""
    start = ["-m", "paddle.distributed.launch", "--nproc_per_node", str(ranks), "--log_dir", str(logs)]
    return [sys.executable, *start, *command]


def main(ranks: int, logs: Path, *arguments: str) -> str:
    """main.py in `ranks` processes. Returns what rank 0 printed."""
    return program(ranks, logs, ROOT / "main.py", *arguments)


def program(ranks: int, logs: Path, script: Path, *arguments: str) -> str:
    """A script in `ranks` processes. Returns what rank 0 printed."""
    done = finished(launched(ranks, logs, str(script), *arguments))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def disturbed(rank: int, step: int, what: str, tmp_path: Path, config: Path, *overrides: str) -> str:
    """A run of 2 processes in which one does `what` ("raise", "kill", "group") at a step. Returns what was printed.

    "nothing" and "resume" let it go on; "compare" prints whether gradients and weights are equal on all ranks.
    """
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = launched(2, tmp_path / "log", str(program), str(rank), str(step), what, str(config), *overrides)
    done = finished(command)
    assert (done.returncode == 0) == (what in ("nothing", "resume", "compare")), done.stdout + done.stderr
    return done.stdout + done.stderr


def finished(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A process that must end by itself within two minutes; with the ranks' imports a run takes about ten seconds."""
    return subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT, env=python_environment()
    )
