"""Worker processes: what becomes of the run when one dies or hangs, and that none outlives it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from synthetic import encode, numbered

from paddlevideo.loader import workers
from paddlevideo.loader.assemble import Failure
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import OnError, VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.crop import CenterCrop
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

SIZE = 8
BAD = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight videos and a list of them."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(SIZE):
        encode(folder / f"{i}.mp4", numbered(10 + i))
    (folder / "all.list").write_text("".join(f"{i}.mp4 {i % 3}\n" for i in range(SIZE)))
    return folder


class Faulty(VideoDecoder):
    """A decoder that does something terrible on one file."""

    def __init__(self, fault: Callable[[], object]) -> None:
        super().__init__()
        self.fault, self.time_limit = fault, 0.5

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if clip.path.endswith(f"{BAD}.mp4"):
            self.fault()
        return super().__call__(clip, rng)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(3)


def hang() -> None:
    """As native code does: no Python signal handler gets a chance, and an exception cannot be raised in it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) - {signal.SIGIO})
    time.sleep(600)


def loader(folder: Path, fault: Callable[[], object], on_error: OnError = "skip", **options: int) -> ClipLoader:
    pipeline = Pipeline(Faulty(fault), Sampler(3), [CenterCrop(32)])
    data = VideoDataset(str(folder / "all.list"), str(folder), on_error=on_error)
    return ClipLoader(data, pipeline, **{"batch_size": 2, "num_workers": 2, **options})


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (
            killed,
            "was killed (SIGKILL; most often by the system, for want of memory: use fewer num_workers or a smaller",
        ),
        (os.abort, "crashed (SIGABRT: a fault inside a native library; mend or remove the video, or try another"),
        (leave, "ended by itself (exit code 3; "),
    ],
    ids=["killed", "crashed", "left"],
)
def test_a_worker_that_dies_ends_the_run_with_cause_and_video(
    fault: Callable[[], object], cause: str, folder: Path
) -> None:
    with loader(folder, fault) as broken:
        with pytest.raises(UserError) as caught:
            list(broken.epoch(0))
        message = str(caught.value)
        assert message.startswith(f"a worker process of the loader {cause}") and "\n" not in message
        assert message.endswith(f" while reading {folder}/3.mp4 (listed in {folder}/all.list:4)")
        assert multiprocessing.active_children() == []
        assert next(broken.epoch(0, start_batch=2))["index"].tolist() == [4, 5]  # by new workers
    assert multiprocessing.active_children() == []


def test_a_video_that_hangs_its_worker_is_an_unreadable_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.5)  # with the limits for opening and reading: 1.5 s
    with loader(folder, hang) as slow:
        found = [batch["index"].tolist() for batch in slow.epoch(0)]
        reason = f"reading it took more than 1.5 s and had to be ended by force ({folder}/all.list:4)"
        assert slow.failures == [Failure(f"{folder}/3.mp4", reason, 3)]
        assert found == [[0, 1], [2], [4, 5], [6, 7]]
        monkeypatch.setattr(workers, "LOOK", 600)  # it is not tried, and so not waited for, again
        assert [batch["index"].tolist() for batch in slow.epoch(1)] == found
        assert len(multiprocessing.active_children()) == 2


def test_a_video_that_hangs_its_worker_ends_the_run_where_unreadable_videos_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.5)
    with loader(folder, hang, "raise") as slow, pytest.raises(UserError) as caught:
        list(slow.epoch(0))
    assert str(caught.value).startswith(f"{folder}/3.mp4: reading it took more than 1.5 s")
    assert f"{folder}/all.list:4" in str(caught.value)


def test_a_worker_that_hangs_at_a_batch_nobody_wants_any_more_is_replaced_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.5)
    with loader(folder, hang, num_workers=1) as slow:
        abandoned = slow.epoch(0)
        next(abandoned)
        del abandoned  # its second batch, with the bad video, is in the worker's hands
        assert [batch["index"].tolist() for batch in slow.epoch(1)] == [[0, 1], [2], [4, 5], [6, 7]]
        assert [failure.index for failure in slow.failures] == [3]


def test_the_pace_of_the_workers(folder: Path) -> None:
    with loader(folder, lambda: time.sleep(0)) as alone:
        assert alone.pace is None, "before the first batch"
    with loader(folder, nap) as working:
        assert len(list(working.epoch(0))) == 4
        assert working.pace is not None and working.pace >= 0.8 / 4 / 2, "a nap in 4 batches of 2 workers"
    with loader(folder, nap, num_workers=0) as alone:
        next(alone.epoch(0))
        assert alone.pace is None


def nap() -> None:
    time.sleep(0.8)


# --- no process is left behind ----------------------------------------------------------------------------------------

PROGRAM = """
import os, sys, time
from pathlib import Path
from test_workers import hang, leave, loader

def slow():
    Path(sys.argv[2]).touch()
    hang()

if __name__ == "__main__":
    print("started", flush=True)
    with loader(Path(sys.argv[1]), slow, batch_size=1) as clips:
        for number, batch in enumerate(clips.epoch(0)):
            pass
"""


def children(pid: int) -> list[int]:
    """Processes started by `pid` and their children, dead ones that nobody has asked after apart."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            child = int(entry.parent.name)
            found += [child, *children(child)]
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("when", ["starting", "decoding"])
@pytest.mark.parametrize(
    ("number", "group"),
    [
        (signal.SIGINT, True),
        (signal.SIGINT, False),
        (signal.SIGTERM, True),
        (signal.SIGTERM, False),
        (signal.SIGKILL, False),
    ],
    ids=["Ctrl-C", "SIGINT", "SIGTERM to all", "SIGTERM", "SIGKILL"],
)
def test_ending_the_program_ends_its_workers(
    number: signal.Signals, group: bool, when: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = python_environment()
    environment["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}{os.pathsep}{Path(__file__).parents[1]}"
    program = subprocess.Popen(
        [sys.executable, tmp_path / "program.py", folder, tmp_path / "hangs"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        until(lambda: len(children(program.pid)) >= 3 if when == "starting" else (tmp_path / "hangs").exists())
        below = children(program.pid)  # two workers, and multiprocessing's own helper
        assert len(below) == 3
        (os.killpg if group else os.kill)(program.pid, number)
        program.wait(10)
        until(lambda: not any(map(alive, below)), 10)
    finally:
        if program.poll() is None:
            os.killpg(program.pid, signal.SIGKILL)
        _, errors = program.communicate()
    if number == signal.SIGINT:
        assert errors.decode().count("Traceback") == 1 and "KeyboardInterrupt" in errors.decode(), errors.decode()
