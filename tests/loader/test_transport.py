"""Messages between processes: what comes out is what went in, and it is the receiver's own."""

from __future__ import annotations

import errno
import gc
import logging
import multiprocessing
import os
import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic import encode, numbered

from paddlevideo.loader import transport
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.loader.transport import LARGE, Channel

RNG = np.random.default_rng(0)
MESSAGES: dict[str, Any] = {
    "small": {"label": np.arange(5), "files": ["a", "b"]},
    "large": {
        "imgs": RNG.integers(0, 256, (3, LARGE), dtype=np.uint8),
        "scale": np.float32(2.5),
        "index": np.arange(3),
    },
    "two large": (1, ({"a": RNG.normal(size=LARGE // 8 + 1), "b": RNG.normal(size=(2, LARGE)).astype("float32")}, [])),
    "odd sizes": (np.arange(LARGE + 1, dtype=np.uint8), RNG.normal(size=LARGE)),
    "many objects": np.array(["a", None] * LARGE, dtype=object)[: LARGE // 8],
    "not contiguous": RNG.integers(0, 256, (LARGE, 4), dtype=np.uint8)[:, 1:3].T,
    "empty": np.zeros((0, 3)),
    "a text": "line\n" * 1000,
    "nothing": None,
}


def through(message: Any) -> tuple[Any, str]:
    """A message sent and received, and the trouble there was."""
    here, there = multiprocessing.Pipe()
    with here, there:
        sender, receiver = Channel(here), Channel(there)
        sender.send(message)
        sender.send("the next")
        received, trouble = receiver.receive(), receiver.trouble
        assert receiver.receive() == "the next"
        return received, trouble


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_arrives_whole_and_leaves_nothing_open(name: str) -> None:
    gc.collect()  # what other tests left
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    received, trouble = through(MESSAGES[name])
    np.testing.assert_equal(received, MESSAGES[name])
    assert not trouble and len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_arrays_are_the_receivers_own() -> None:
    array = np.zeros(2 * LARGE, np.uint8)
    first, _ = through(array)
    second, _ = through(array)
    first[:] = 1
    assert not array.any() and not second.any() and first.flags.aligned


def full(file: int, data: memoryview) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_without_shared_memory_messages_take_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGE", 100)  # what fits into a pipe that nobody reads
    monkeypatch.setattr(transport.os, "write", full)
    message = {"imgs": np.arange(500), "files": ["a"] * 50}
    received, trouble = through(message)
    np.testing.assert_equal(received, message)
    assert trouble == "0.0 MB of shared memory: No space left on device"


def no_room(clip: Clip, rng: np.random.Generator) -> Clip:
    """From now on this process may write files of 100 KB only, those in memory included."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))
    return clip


def test_a_worker_without_shared_memory_goes_on_and_says_so_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    encode(tmp_path / "a.mp4", numbered(12))
    (tmp_path / "a.list").write_text("a.mp4 0\n" * 50)
    caplog.set_level(logging.INFO, "paddlevideo")

    def imgs(workers: int, *ops: Any) -> list[np.ndarray]:
        data = VideoDataset(str(tmp_path / "a.list"), str(tmp_path))
        pipeline = Pipeline(VideoDecoder(), Sampler(3), list(ops))
        with ClipLoader(data, pipeline, batch_size=10, num_workers=workers) as loader:
            return [batch["imgs"] for batch in loader.epoch(0)]

    np.testing.assert_equal(imgs(2, no_room), imgs(0))
    (said,) = [record.getMessage() for record in caplog.records if "shared memory" in record.getMessage()]
    assert said == (
        "loader: 0.6 MB of shared memory: File too large; batches go through pipes instead, which is slower. Fewer "
        "num_workers or a smaller batch_size need less memory"
    )
