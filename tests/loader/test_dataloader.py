"""The loader: the same batches whatever the workers, and no error that hangs."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import encode, numbered

from paddlevideo.loader.assemble import Batch, Failure
from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import OnError, VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.crop import MultiScaleCrop
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.utils.errors import UserError

SIZE = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven videos of 20 to 26 frames and a list of them."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(SIZE):
        encode(folder / f"{i}.mp4", numbered(20 + i))
    (folder / "good.list").write_text("".join(f"{i}.mp4 {i % 3}\n" for i in range(SIZE)))
    (folder / "broken.mp4").write_text("not a video")
    (folder / "some_broken.list").write_text("0.mp4 0\nbroken.mp4 1\n2.mp4 2\nmissing.mp4 0\n4.mp4 1\n")
    (folder / "all_broken.list").write_text("broken.mp4 0\nmissing.mp4 1\n")
    return folder


def pipeline(*extra: Op) -> Pipeline:
    """As random as training gets."""
    ops = [MultiScaleCrop(32), RandomFlip(), *extra, Image2Array(), Normalization([0.5] * 3, [0.5] * 3)]
    return Pipeline(VideoDecoder(), Sampler(3), ops)


def data(folder: Path, name: str = "good", on_error: OnError = "raise") -> VideoDataset:
    return VideoDataset(str(folder / f"{name}.list"), str(folder), on_error=on_error)


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a) for a, b in zip(first, second)
    )


def test_a_batch(folder: Path) -> None:
    loader = ClipLoader(data(folder), pipeline(), batch_size=3)
    batches = list(loader.epoch(0))
    assert len(batches) == len(loader) == 3
    first = batches[0]
    assert first["imgs"].shape == (3, 3, 3, 32, 32)  # [B, T, C, H, W]
    assert first["imgs"].dtype == np.float32
    assert first["label"].tolist() == [0, 1, 2]
    assert first["index"].tolist() == [0, 1, 2]
    assert first["label"].dtype == first["index"].dtype == np.int64
    assert first["files"] == [str(folder / f"{i}.mp4") for i in range(3)]
    assert batches[-1]["index"].tolist() == [6]
    assert loader.failures == []


def test_the_same_batches_with_any_number_of_workers_from_any_batch_on(folder: Path) -> None:
    options = {"batch_size": 2, "seed": 5, "shuffle": True}
    expected = list(ClipLoader(data(folder), pipeline(), **options).epoch(3))
    assert not same(expected, list(ClipLoader(data(folder), pipeline(), **options).epoch(4)))
    for workers in (1, 2):
        with ClipLoader(data(folder), pipeline(), num_workers=workers, **options) as loader:
            abandoned = loader.epoch(0)
            next(abandoned)
            del abandoned
            assert same(list(loader.epoch(3)), expected)
            assert same(list(loader.epoch(3, start_batch=2)), expected[2:])
    assert multiprocessing.active_children() == []


def test_a_sample_is_the_same_on_any_rank(folder: Path) -> None:
    options = {"batch_size": 2, "seed": 1}
    whole = {
        int(b["index"][0]): b["imgs"][0] for b in ClipLoader(data(folder), pipeline(), batch_size=1, seed=1).epoch(0)
    }
    seen = []
    for rank in range(3):
        for batch in ClipLoader(data(folder), pipeline(), rank=rank, world_size=3, **options).epoch(0):
            for index, imgs in zip(batch["index"].tolist(), batch["imgs"]):
                assert np.array_equal(imgs, whole[index])
                seen.append(index)
    assert sorted(seen) == list(range(SIZE))


# --- videos that cannot be read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
def test_on_error_raise_names_the_file_the_line_and_the_way_out(folder: Path, workers: int) -> None:
    loader = ClipLoader(data(folder, "some_broken"), pipeline(), batch_size=2, num_workers=workers)
    with loader, pytest.raises(UserError) as caught:
        list(loader.epoch(0))
    assert str(caught.value).startswith(f"{folder / 'broken.mp4'}: ")
    assert "some_broken.list:2" in str(caught.value)
    assert "on_error: skip" in str(caught.value)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("workers", [0, 1])
def test_on_error_skip_leaves_out_and_counts(folder: Path, workers: int) -> None:
    with ClipLoader(data(folder, "some_broken", "skip"), pipeline(), batch_size=2, num_workers=workers) as loader:
        for _ in range(2):
            assert [batch["index"].tolist() for batch in loader.epoch(0)] == [[0], [2], [4]]
    missing, broken = sorted(loader.failures, reverse=True)
    assert missing == Failure(str(folder / "missing.mp4"), "no such file")
    assert broken.path == str(folder / "broken.mp4")


def test_a_batch_with_nothing_in_it_is_left_out_of_evaluation_but_not_of_training(folder: Path) -> None:
    broken = data(folder, "some_broken", "skip")
    loader = ClipLoader(broken, pipeline(), batch_size=1)
    assert [batch["index"].tolist() for batch in loader.epoch(0)] == [[0], [2], [4]]
    loader = ClipLoader(broken, pipeline(), batch_size=1, shuffle=True, drop_last=True)
    found = [batch["index"].tolist() for batch in loader.epoch(0)]
    assert len(found) == len(loader) == 5
    assert {index for (index,) in found} <= {0, 2, 4}


def test_on_error_substitute_puts_another_in_its_place(folder: Path) -> None:
    options = {"batch_size": 5, "shuffle": True, "drop_last": True}
    loader = ClipLoader(data(folder, "some_broken", "substitute"), pipeline(), **options)
    (batch,) = loader.epoch(0)
    assert len(batch["index"]) == 5
    assert set(batch["index"].tolist()) <= {0, 2, 4}
    assert batch["label"].tolist() == [(0, 1, 2, 0, 1)[i] for i in batch["index"]]
    assert {failure.path for failure in loader.failures} == {str(folder / "broken.mp4"), str(folder / "missing.mp4")}
    assert same([batch], list(ClipLoader(data(folder, "some_broken", "substitute"), pipeline(), **options).epoch(0)))


def test_evaluation_never_substitutes(folder: Path) -> None:
    with pytest.raises(ValueError, match="for training only"):
        ClipLoader(data(folder, "some_broken", "substitute"), pipeline(), batch_size=1)


def test_training_on_nothing_readable_ends_with_an_error(folder: Path) -> None:
    loader = ClipLoader(data(folder, "all_broken", "skip"), pipeline(), batch_size=2, shuffle=True, drop_last=True)
    with pytest.raises(UserError, match=r"all_broken.list: 20 videos drawn at random are all unreadable"):
        list(loader.epoch(0))
    assert list(ClipLoader(data(folder, "all_broken", "skip"), pipeline(), batch_size=2).epoch(0)) == []


def test_clips_of_different_shapes_are_explained(folder: Path) -> None:
    encode(folder / "wide.mp4", np.repeat(numbered(20), 2, axis=2))
    (folder / "shapes.list").write_text("0.mp4 0\nwide.mp4 0\n")
    with pytest.raises(UserError, match=r"wide.mp4 \(3, 3, 64, 192\); end the pipeline with a crop"):
        list(ClipLoader(data(folder, "shapes"), Pipeline(VideoDecoder(), Sampler(3)), batch_size=2).epoch(0))


# --- errors of ours, and of the machine -------------------------------------------------------------------------------


def divide_by_zero(clip: Clip, rng: np.random.Generator) -> Clip:
    return replace(clip, views=1 // 0)


def die(clip: Clip, rng: np.random.Generator) -> Clip:
    if clip.path.endswith("3.mp4"):
        os.kill(os.getpid(), signal.SIGKILL)
    return clip


def refuse_paddle(clip: Clip, rng: np.random.Generator) -> Clip:
    if "paddle" in sys.modules:
        raise AssertionError("a worker imported Paddle")
    return clip


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_in_an_op_arrives_with_its_cause(folder: Path, workers: int) -> None:
    loader = ClipLoader(data(folder), pipeline(divide_by_zero), batch_size=2, num_workers=workers)
    with loader, pytest.raises(ZeroDivisionError) as caught:
        list(loader.epoch(0))
    trace = str(caught.value.__cause__) if workers else str(caught.traceback[-1])
    assert "views=1 // 0" in trace


def test_a_worker_that_dies_is_reported_at_once_and_the_next_epoch_starts_others(folder: Path) -> None:
    started = time.monotonic()
    with ClipLoader(data(folder), pipeline(die), batch_size=1, num_workers=2) as loader:
        with pytest.raises(RuntimeError, match="a worker process of the loader died"):
            list(loader.epoch(0))
        assert multiprocessing.active_children() == []
        assert len(next(loader.epoch(0))["files"]) == 1
    assert time.monotonic() - started < 30
    assert multiprocessing.active_children() == []


def test_workers_do_not_import_paddle(folder: Path) -> None:
    with ClipLoader(data(folder), pipeline(refuse_paddle), batch_size=4, num_workers=1) as loader:
        assert len(list(loader.epoch(0))) == 2


PROGRAM = """
import multiprocessing, sys, time
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import VideoDataset
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.crop import CenterCrop
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.sample import Sampler

if __name__ == "__main__":
    pipeline = Pipeline(VideoDecoder(), Sampler(3), [CenterCrop(32)])
    with ClipLoader(VideoDataset(sys.argv[1], sys.argv[2]), pipeline, batch_size=1, num_workers=2) as loader:
        for batch in loader.epoch(0):
            print(*(process.pid for process in multiprocessing.active_children()), flush=True)
            time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_ending_the_program_ends_its_workers(folder: Path, how: signal.Signals) -> None:
    script = folder / "program.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), str(folder / "good.list"), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as program:
        assert program.stdout is not None
        workers = [int(pid) for pid in program.stdout.readline().split()]
        program.send_signal(how)
        program.wait(timeout=20)
    assert len(workers) == 2
    deadline = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in workers if alive(pid)] == []


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": 1, "num_workers": -1}, {"batch_size": 1, "seed": -1}]
)
def test_numbers_are_checked(folder: Path, options: dict) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        ClipLoader(data(folder), pipeline(), **options)
