"""The loader: the same batches whatever the workers, and no error that hangs."""

from __future__ import annotations

import multiprocessing
import sys
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
    assert first["imgs"].dtype == np.uint8
    assert (first["scale"].shape, first["shift"].shape) == ((1, 1, 3, 1, 1), (1, 1, 3, 1, 1))
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
    broken, missing = loader.failures
    assert missing == Failure(str(folder / "missing.mp4"), f"no such file ({folder}/some_broken.list:4)", 3)
    assert (broken.path, broken.index) == (str(folder / "broken.mp4"), 1)


def test_failures_are_counted_by_sample_not_by_file(folder: Path) -> None:
    (folder / "repeated.list").write_text("missing.mp4 0\n0.mp4 0\nmissing.mp4 0\n")
    loader = ClipLoader(data(folder, "repeated", "skip"), pipeline(), batch_size=3)
    list(loader.epoch(0))
    assert [failure.index for failure in loader.failures] == [0, 2]


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


class Odd(Exception):
    """Cannot be unpickled: its arguments are not those of its constructor."""

    def __init__(self, clip: Clip, number: int) -> None:
        super().__init__(f"{number} is odd")


def raise_odd(clip: Clip, rng: np.random.Generator) -> Clip:
    raise Odd(clip, 3)


def test_an_error_that_cannot_be_sent_is_named_all_the_same(folder: Path) -> None:
    loader = ClipLoader(data(folder), pipeline(raise_odd), batch_size=2, num_workers=1)
    with loader, pytest.raises(RuntimeError, match="Odd: 3 is odd") as caught:
        list(loader.epoch(0))
    assert "raise Odd(clip, 3)" in str(caught.value.__cause__)


def test_workers_do_not_import_paddle(folder: Path) -> None:
    with ClipLoader(data(folder), pipeline(refuse_paddle), batch_size=4, num_workers=1) as loader:
        assert len(list(loader.epoch(0))) == 2


@pytest.mark.parametrize(
    "options", [{"batch_size": 0}, {"batch_size": 1, "num_workers": -1}, {"batch_size": 1, "seed": -1}]
)
def test_numbers_are_checked(folder: Path, options: dict) -> None:
    with pytest.raises(ValueError, match="must be at least"):
        ClipLoader(data(folder), pipeline(), **options)
