"""Frames of a folder that go one by one from their files to their places in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic import write_frames

from paddlevideo.loader.assemble import Assembler, Job
from paddlevideo.loader.batch import Stack
from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.dataset import FrameDataset
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.color import ColorJitter
from paddlevideo.loader.pipelines.crop import CenterCrop, MultiScaleCrop, RandomCrop, TenCrop
from paddlevideo.loader.pipelines.decode import FrameDecoder
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.pipelines.resize import JitterScale, Scale
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.loader.sources.frame_folder import FrameFolder, Images
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.utils.errors import UserError

IMAGENET = Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
SIZE = (20, 27)


def noise(count: int, height: int = SIZE[0], width: int = SIZE[1]) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, height, width, 3), np.uint8)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The indices of the frames that are read, in order."""
    found: list[int] = []
    plain = FrameFolder.image

    def image(self: FrameFolder, index: int, room: np.ndarray | None = None) -> np.ndarray:
        found.append(index)
        return plain(self, index, room)

    monkeypatch.setattr(FrameFolder, "image", image)
    return found


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_frames_are_read_when_they_are_gone_through(suffix: str, tmp_path: Path, opened: list[int]) -> None:
    write_frames(tmp_path, noise(6), f"{{:03}}.{suffix}")
    folder = FrameFolder(str(tmp_path), f"{{:03}}.{suffix}", 6)
    expected = folder.read([4, 0, 2])
    opened.clear()
    stream = folder.later([4, 0, 2])
    assert isinstance(stream, Images) and opened == [4]
    assert (stream.shape, stream.dtype, len(stream)) == (expected.shape, expected.dtype, 3)
    for _ in range(2):
        opened.clear()
        for one, other in zip(stream, expected, strict=True):
            assert np.array_equal(one, other)
        assert opened == [0, 2]
    assert np.array_equal(stream.array(), expected)


def test_frames_that_are_wanted_twice_are_read_once(tmp_path: Path, opened: list[int]) -> None:
    write_frames(tmp_path, noise(3), "{:03}.png")
    folder = FrameFolder(str(tmp_path), "{:03}.png", 3)
    frames = folder.later([1, 1, 0, 1])
    assert isinstance(frames, np.ndarray) and opened == [1, 0]
    assert np.array_equal(frames, folder.read([1, 1, 0, 1]))


OPS: list[list[Op]] = [
    [],
    [MultiScaleCrop(14), RandomFlip(p=1)],
    [MultiScaleCrop(25), RandomFlip(p=1)],
    [MultiScaleCrop(14, backend="cv2"), RandomFlip(p=1), RandomFlip(p=1)],
    [RandomFlip(p=1), MultiScaleCrop(14, backend="cv2")],
    [RandomFlip(p=1), RandomCrop(10)],
    [Scale(18), CenterCrop(16)],
    [Scale(18, backend="cv2"), TenCrop(16)],
    [TenCrop(16)],
    [RandomFlip(p=1), TenCrop(16)],
    [ColorJitter(0.5, 0.5, 0.5), CenterCrop(16)],
]


@pytest.mark.parametrize("layout", ["tchw", "cthw", "thwc"])
@pytest.mark.parametrize("ops", OPS, ids=lambda ops: "-".join(type(op).__name__ for op in ops))
@pytest.mark.parametrize("normal", ["first", "last", "none"])
def test_a_batch_is_the_same_whether_frames_are_read_at_once_or_one_by_one(
    ops: list[Op], layout: str, normal: str, tmp_path: Path
) -> None:
    if normal == "first" and any(isinstance(op, Scale | MultiScaleCrop) for op in ops):
        pytest.skip("Pillow takes no normalised frames")
    write_frames(tmp_path, noise(4), "{:03}.png")
    folder = FrameFolder(str(tmp_path), "{:03}.png", 4)
    axes = Image2Array(transpose=layout != "thwc", data_format="cthw" if layout == "cthw" else "tchw")
    steps = {"first": [IMAGENET, *ops, axes], "last": [*ops, axes, IMAGENET], "none": [*ops, axes]}[normal]

    def batch(frames: object) -> dict[str, np.ndarray]:
        clip, rng = Clip("x", label=3, frames=frames), np.random.default_rng(5)  # type: ignore[arg-type]
        for op in steps:
            clip = op(clip, rng)
        stack = Stack(1)
        stack.add(0, clip)
        return stack.batch()

    one, other = batch(folder.later([3, 0, 2])), batch(folder.read([3, 0, 2]))
    assert one.keys() == other.keys()
    for key in ("imgs", *({"scale", "shift"} & one.keys())):
        assert one[key].dtype == other[key].dtype and np.array_equal(one[key], other[key])


def test_a_random_crop_reads_a_frame_after_the_other(tmp_path: Path, opened: list[int]) -> None:
    write_frames(tmp_path, noise(4))
    clip = Clip(str(tmp_path), label=0, num_frames=4, frame_pattern="img_{:05}.jpg")
    transform: list[Op] = [MultiScaleCrop(14, backend="cv2"), RandomFlip(p=1), Image2Array(), IMAGENET]
    prepared = Pipeline(FrameDecoder(), Sampler(4), transform)(clip, np.random.default_rng(0))
    assert opened == [0]
    stack = Stack(1)
    stack.add(0, prepared)
    assert opened == [0, 1, 2, 3]


# --- joining ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
@pytest.mark.parametrize("axes", [Image2Array(), Image2Array(data_format="cthw"), Image2Array(transpose=False)])
def test_numbers_may_come_at_any_place_in_a_batch_of_pixels(order: Sequence[int], axes: Image2Array) -> None:
    """JitterScale leaves frames alone that have the size already; of the others it makes numbers."""
    rng = np.random.default_rng(0)
    clips = [Clip(str(i), frames=noise(2, *size)) for i, size in enumerate(((20, 27), (30, 40), (20, 28)))]
    for op in (axes, IMAGENET, JitterScale(20, 20), CenterCrop(16)):
        clips = [op(clip, rng) for clip in clips]
    stack = Stack(4)
    for i in order:
        stack.add(i, clips[i])
    batch = stack.batch()
    assert batch["imgs"].dtype == np.float32 and batch["imgs"].shape[0] == 3 and "scale" not in batch
    for i, imgs in zip(order, batch["imgs"]):
        assert np.array_equal(imgs, clips[i].settled().array())


@pytest.fixture
def frames(tmp_path: Path) -> FrameDataset:
    """Six clips of 4 frames."""
    lines = []
    for i in range(6):
        write_frames(tmp_path / f"{i}", noise(4) // (i + 1))
        lines.append(f"{tmp_path / str(i)} 4 {i}\n")
    (tmp_path / "list").write_text("".join(lines))
    return FrameDataset(str(tmp_path / "list"), on_error="skip")


def assembler(dataset: FrameDataset, training: bool = False) -> Assembler:
    transform: list[Op] = [MultiScaleCrop(14, backend="cv2"), RandomFlip(), Image2Array(), IMAGENET]
    return Assembler(dataset, Pipeline(FrameDecoder(), Sampler(4, valid_mode=True), transform), 7, training)


@pytest.mark.parametrize("gone", [1, 2, 4])
@pytest.mark.parametrize("broken", [[0], [3], [5], [0, 1, 4], [0, 5]])
def test_a_clip_that_fails_half_way_leaves_no_trace(
    gone: int, broken: list[int], frames: FrameDataset, tmp_path: Path
) -> None:
    whole, _ = assembler(frames).batch(Job(0, list(range(6))))
    for i in broken:
        (tmp_path / f"{i}/img_{gone:05}.jpg").write_bytes(b"no image")
    batch, failures = assembler(frames).batch(Job(0, list(range(6))))
    left = [i for i in range(6) if i not in broken]
    assert whole is not None and batch is not None
    assert batch["index"].tolist() == batch["label"].tolist() == left
    assert np.array_equal(batch["imgs"], whole["imgs"][left])
    assert [(failure.index, failure.reason.split(" (")[0]) for failure in failures] == [
        (i, f"frame file img_{gone:05}.jpg is no image that can be decoded") for i in broken
    ]
    frames.on_error = "raise"
    with pytest.raises(UserError, match=rf"frame file img_{gone:05}\.jpg is no image .*list:{broken[0] + 1};"):
        assembler(frames).batch(Job(0, list(range(6))))


def test_substitutes_of_clips_that_fail_half_way(frames: FrameDataset, tmp_path: Path) -> None:
    (tmp_path / "2/img_00003.jpg").unlink()
    frames.on_error = "substitute"
    batch, failures = assembler(frames, training=True).batch(Job(0, [1, 2, 3]))
    assert batch is not None and batch["imgs"].shape == (3, 4, 3, 14, 14) and {f.index for f in failures} == {2}
    assert batch["index"].tolist()[::2] == [1, 3] and batch["index"][1] != 2
    frames.on_error = "skip"
    alone, _ = assembler(frames, training=True).batch(Job(0, [2]))
    assert alone is not None and alone["imgs"].shape == (1, 4, 3, 14, 14) and alone["index"].tolist() != [2]
    assert assembler(frames).batch(Job(0, [2]))[0] is None


def test_the_first_clip_that_is_added_sets_the_shape(tmp_path: Path) -> None:
    """Not one that failed before it."""
    write_frames(tmp_path, noise(3), "{:03}.png")
    (tmp_path / "002.png").write_bytes(b"no image")
    broken = Clip("broken", label=0, frames=FrameFolder(str(tmp_path), "{:03}.png", 3).later([0, 1, 2]))
    stack = Stack(3)
    with pytest.raises(Unreadable, match=r"002\.png is no image"):
        stack.add(0, broken)
    assert len(stack) == 0
    good = Clip("good", label=4, frames=noise(2, 9, 9))
    stack.add(1, good)
    with pytest.raises(UserError, match=r"good \(2, 3, 9, 9\), odd \(2, 3, 9, 8\)"):
        stack.add(2, replace(good, path="odd", frames=noise(2, 9, 8)))
    batch = stack.batch()
    assert batch["files"] == ["good"] and np.array_equal(batch["imgs"][0], good.array())
