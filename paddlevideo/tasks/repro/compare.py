"""Two runs of a training, each in a process of its own, as two launches would be."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from paddlevideo.tasks.repro import record
from paddlevideo.tasks.repro.one_run import Request
from paddlevideo.tasks.repro.record import About, Difference, Step
from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import on_terminal


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        steps: that were compared.
        parameters: arrays of the model.
        abouts: circumstances of both runs.
        difference: None where they are equal bit for bit.
        arrays: what differs, of two further runs; None where one of them has no such array.
    """

    steps: int
    parameters: int
    abouts: tuple[About, About]
    difference: Difference | None
    arrays: tuple[np.ndarray | None, np.ndarray | None] = (None, None)


def compare(one: Request, other: Request, scratch: Path, say: Callable[[str], object]) -> Comparison:
    """Runs both and compares them. Where they differ, runs both again up to there, to see by how much.

    Args:
        scratch: an empty folder for what the runs write.
    Raises:
        UserError: a run that failed; this process is one of several of a launch.
    """
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1:
        raise UserError("repro starts processes of its own; run it without paddle.distributed.launch")
    records: list[tuple[About, list[Step]]] = []
    for number, request in enumerate((one, other), 1):
        path = scratch / f"run{number}.jsonl"
        _run(replace(request, out=str(path)), f"run {number}", scratch / f"run{number}")
        records.append(record.read(path))
        about = records[-1][0]
        said = f"{about.device}, {about.threads} CPU threads, {about.workers} loader processes"
        say(f"run {number} of 2: {len(records[-1][1]) - 1} steps, {said}")
    (about_one, steps_one), (about_other, steps_other) = records
    found = record.first_difference(steps_one, steps_other)
    arrays = _arrays((one, other), found, scratch) if found is not None else (None, None)
    parameters = len(steps_one[0].sums["parameter"])
    return Comparison(len(steps_one) - 1, parameters, (about_one, about_other), found, arrays)


def _arrays(
    requests: tuple[Request, Request], found: Difference, scratch: Path
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """What differs, from both runs made again up to there."""

    def again(number: int, request: Request) -> np.ndarray | None:
        path = scratch / f"kept{number}.npy"
        keep = replace(request, out=str(path), steps=found.step, keep=(found.part, found.name))
        _run(keep, f"run {number} again", scratch / f"again{number}")
        return np.load(path, allow_pickle=False) if path.exists() else None

    return again(1, requests[0]), again(2, requests[1])


def _run(request: Request, title: str, output: Path) -> None:
    """One process. What it trains goes to `output`, and what it prints is shown if it fails."""
    own = [f"output_dir={output}", "log_dir=null", "resume_epoch=0"]
    request = replace(request, overrides=[*request.overrides, *own])
    command = [sys.executable, "-m", "paddlevideo.tasks.repro.one_run", request.dump()]
    output.mkdir()
    printed = output / "printed"
    with (
        printed.open("w+", encoding="utf-8", errors="backslashreplace") as file,
        subprocess.Popen(command, stdout=file, stderr=file, env=environment.python_environment()) as child,
        tqdm(total=request.steps, desc=title, unit="step", leave=False, disable=not on_terminal()) as bar,
    ):
        try:
            while child.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(timeout=0.5)
                bar.n = _lines(Path(request.out)) if request.keep is None else 0
                bar.refresh()
        except BaseException:
            child.terminate()
            child.wait()  # it still writes into the folder that its caller removes
            raise
    if child.returncode:
        text = printed.read_text(encoding="utf-8", errors="backslashreplace").strip()
        _, found, message = f"\n{text}".rpartition("\nerror: ")
        if child.returncode == 2 and found:
            raise UserError(message)
        print(text, file=sys.stderr)
        raise UserError(f"{title} ended with exit code {child.returncode}; what it said is above")


def _lines(path: Path) -> int:
    """Steps in a record so far."""
    return max(0, path.read_bytes().count(b"\n") - 2) if path.exists() else 0
