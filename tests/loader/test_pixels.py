"""Pixels on their way to a batch: uint8, cut and resized no more than is wanted, copied once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paddlevideo.loader.batch import collate, normalised
from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.crop import CenterCrop, GroupFullResSample, RandomCrop, TenCrop, ThreeCrop
from paddlevideo.loader.pipelines.crop_random import MultiCenterCrop
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.loader.pipelines.mix import Cutmix, Mixup
from paddlevideo.loader.pipelines.resize import JitterScale, Scale
from paddlevideo.loader.resizing import ALIKE, Backend, resize_frames, resize_part, stand_in
from paddlevideo.loader.views import Box, write

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
IMAGENET = Normalization(MEAN, STD)
VIDEOS = Path(__file__).resolve().parents[2] / "../shared/videos"


def noise(height: int, width: int, frames: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int, frames: int = 1, seed: int = 0) -> np.ndarray:
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in noise(height, width, frames, seed)])


def run(clip: Clip, *ops: Op, seed: int = 0) -> Clip:
    rng = np.random.default_rng(seed)
    for op in ops:
        clip = op(clip, rng)
    return clip


# --- normalisation ----------------------------------------------------------------------------------------------------

SPATIAL: list[list[Any]] = [
    [],
    [CenterCrop(16)],
    [RandomCrop(16), RandomFlip(p=1)],
    [TenCrop(16)],
    [GroupFullResSample(16, flip=True)],
    [Scale(18), CenterCrop(16)],
    [RandomFlip(p=1), TenCrop(16)],
]
LAYOUTS = [Image2Array(), Image2Array(data_format="cthw"), Image2Array(transpose=False)]
FIT = {"tchw": (1, 1, 3, 1, 1), "cthw": (1, 3, 1, 1, 1), "thwc": (1, 1, 1, 1, 3)}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda op: op.layout)
@pytest.mark.parametrize("ops", SPATIAL, ids=lambda ops: "-".join(type(op).__name__ for op in ops))
@pytest.mark.parametrize("when", ["last", "first"])
def test_batches_are_pixels_to_be_normalised(ops: list[Any], layout: Image2Array, when: str) -> None:
    """The same numbers as of frames that were normalised in float32 and then cut, moved and joined."""
    if when == "first" and any(isinstance(op, Scale) for op in ops):
        pytest.skip("an operation that interpolates; see below")
    frames = noise(20, 27, 4)
    steps = [*ops, layout, IMAGENET] if when == "last" else [IMAGENET, *ops, layout]
    clips = [run(Clip(f"{seed}", frames=frames[seed:]), *steps, seed=seed) for seed in (0, 0)]
    batch = collate(list(enumerate(clips)))
    fit = FIT[layout.layout]
    assert batch["imgs"].dtype == np.uint8
    assert (batch["scale"].shape, batch["shift"].shape) == (fit, fit)
    assert batch["scale"].dtype == batch["shift"].dtype == np.float32
    pixels = run(Clip("x", frames=frames), *ops).pixels()
    expected = (pixels / 255 - np.array(MEAN)) / np.array(STD)
    expected = expected.transpose(["thwc".index(axis) for axis in layout.layout])
    found = normalised(batch)
    assert found.dtype == np.float32
    for each in found:
        np.testing.assert_allclose(each, expected, atol=1e-6)
    np.testing.assert_allclose(clips[0].settled().array(), expected, atol=1e-6)


def test_an_operation_that_interpolates_after_it_gets_numbers() -> None:
    clip = run(Clip("x", frames=noise(20, 27)), IMAGENET, JitterScale(30, 30))
    numbers = ((noise(20, 27) / 255 - np.array(MEAN)) / np.array(STD)).astype(np.float32)
    for found, frame in zip(clip.pixels(), numbers):
        np.testing.assert_allclose(found, cv2.resize(frame, (40, 30)), atol=1e-5)
    batch = collate([(0, clip)])
    assert batch["imgs"].dtype == np.float32
    assert "scale" not in batch
    assert normalised(batch) is batch["imgs"]
    with pytest.raises(ValueError, match="Pillow cannot resize normalised frames"):
        run(Clip("x", frames=noise(20, 27)), IMAGENET, Scale(30))


def test_a_batch_of_which_only_some_clips_were_interpolated_is_one_of_numbers() -> None:
    """JitterScale leaves frames alone that have the size already."""
    ops = [IMAGENET, JitterScale(20, 20), CenterCrop(16)]
    clips = [run(Clip("x", frames=noise(*size)), *ops) for size in ((20, 27), (30, 40))]
    assert [clip.pixel_type for clip in clips] == [np.uint8, np.float32]
    batch = collate(list(enumerate(clips)))
    assert batch["imgs"].dtype == np.float32
    assert "scale" not in batch
    for clip, imgs in zip(clips, batch["imgs"]):
        np.testing.assert_array_equal(imgs, collate([(0, clip.settled())])["imgs"][0])
        np.testing.assert_allclose(imgs, normalised(collate([(0, clip)]))[0], atol=1e-6)


def test_normalised_twice_is_normalised_twice() -> None:
    half = Normalization([0.5] * 3, [0.5] * 3, inplace=True)
    found = normalised(collate([(0, run(Clip("x", frames=noise(4, 5)), IMAGENET, half, LAYOUTS[2]))]))[0]
    once = (noise(4, 5) / 255 - np.array(MEAN)) / np.array(STD)
    np.testing.assert_allclose(found, (once - 0.5) / 0.5, atol=2e-6)


@pytest.mark.parametrize("mix", [Mixup(0.4), Cutmix()], ids=["mixup", "cutmix"])
def test_mixed_then_normalised_is_normalised_then_mixed(mix: Any) -> None:
    clips = [run(Clip("x", frames=noise(12, 12, seed=seed)), Image2Array(), IMAGENET) for seed in range(4)]
    batch = collate(list(enumerate(clips)))
    pixels = mix(batch["imgs"], "tchw", np.random.default_rng(1))
    numbers = mix(normalised(batch), "tchw", np.random.default_rng(1))
    assert pixels.imgs.dtype == (np.float32 if isinstance(mix, Mixup) else np.uint8)
    assert 0 < pixels.lam == numbers.lam < 1
    np.testing.assert_allclose(normalised({**batch, "imgs": pixels.imgs}), numbers.imgs, atol=1e-6)


# --- views and axes ---------------------------------------------------------------------------------------------------

VIEWS = [TenCrop(4), GroupFullResSample(4), GroupFullResSample(4, flip=True), ThreeCrop(9), MultiCenterCrop(4)]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda op: op.layout)
@pytest.mark.parametrize("op", VIEWS, ids=["ten", "three", "six", "uniform", "centres"])
def test_views_are_copied_to_their_place(op: Any, layout: Image2Array) -> None:
    """Every view, cut by hand; on T they follow one another, whatever the axes."""
    frames = noise(9, 13, 2)
    clip = run(Clip("x", frames=frames), op, layout)
    assert clip.frames is frames  # nothing was copied so far
    hand = []
    for box in clip.boxes:
        cut = frames[:, box.top : box.top + box.height, box.left : box.left + box.width]
        hand.append(cut[:, :, ::-1] if box.mirrored else cut)
    expected = np.concatenate(hand)
    assert clip.views == len(hand)
    np.testing.assert_array_equal(clip.pixels(), expected)
    array = clip.array()
    np.testing.assert_array_equal(array, expected.transpose(["thwc".index(axis) for axis in layout.layout]))
    assert array.flags.c_contiguous
    assert clip.shape == array.shape
    assert clip.size == expected.shape[1:3]


@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.sampled_from(["tchw", "cthw", "thwc"]), st.booleans(),
    st.sampled_from([np.uint8, np.float32]), st.booleans(), st.data(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_any_box_of_any_frames(
    h: int, w: int, t: int, layout: str, whole: bool, kind: Any, turned: bool, data: st.DataObject
) -> None:
    frames = noise(h, w, t).astype(kind)
    frames = np.rot90(frames, axes=(1, 2)) if turned else frames[:, :, ::-1]  # strides of all kinds
    h, w = frames.shape[1:3]
    height, width = data.draw(st.integers(1, h)), data.draw(st.integers(1, w))
    place = st.tuples(st.integers(0, h - height), st.integers(0, w - width), st.booleans())
    drawn = [] if whole else data.draw(st.lists(place, min_size=1, max_size=3))
    boxes = [Box(top, left, height, width, mirrored) for top, left, mirrored in drawn]
    cuts = [box.of(frames)[:, :, :: -1 if box.mirrored else 1] for box in boxes] or [frames]
    expected = np.concatenate(cuts).transpose(["thwc".index(axis) for axis in layout])
    out = np.zeros((2, *expected.shape), kind)
    write(frames, boxes, layout, out[1])
    np.testing.assert_array_equal(out[1], expected)
    assert not out[0].any()


def test_a_flip_of_views_mirrors_each() -> None:
    clip = run(Clip("x", frames=noise(9, 13, 2)), TenCrop(4))
    flipped = run(clip, RandomFlip(p=1))
    assert flipped.views == 10
    np.testing.assert_array_equal(flipped.pixels(), clip.pixels()[:, :, ::-1])


# --- resizing ---------------------------------------------------------------------------------------------------------


def by_pillow(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    images = [Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR) for frame in frames]
    return np.stack([np.asarray(image) for image in images])


sides = st.integers(1, 90)


@given(sides, sides, sides, sides, st.data())
@settings(deadline=None, max_examples=150)
def test_a_part_of_resized_frames_is_what_pillow_gives(
    h: int, w: int, height: int, width: int, data: st.DataObject
) -> None:
    frames = noise(h, w, 1, seed=h * w)
    top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    box = Box(top, left, data.draw(st.integers(1, height - top)), data.draw(st.integers(1, width - left)))
    whole = by_pillow(frames, height, width)
    np.testing.assert_array_equal(resize_frames(frames, height, width, "pillow"), whole)
    np.testing.assert_array_equal(resize_part(frames, height, width, box), box.of(whole))


@pytest.mark.parametrize("size", [(240, 426), (362, 482), (480, 270), (720, 1280)])
@pytest.mark.parametrize("corner", ["centre", "first", "last"])
def test_a_crop_after_a_scale_is_cut_from_the_scaled_frame(size: tuple[int, int], corner: str) -> None:
    clip = run(Clip("x", frames=noise(*size, 1)), Scale(256, fixed_ratio=False, keep_ratio=True))
    height, width = clip.size
    assert min(height, width) == 256
    places = {"centre": ((height - 224) // 2, (width - 224) // 2), "first": (0, 0), "last": (height - 224, width - 224)}
    box = Box(*places[corner], 224, 224)
    np.testing.assert_array_equal(clip.crop(box).pixels(), box.of(by_pillow(noise(*size, 1), height, width)))


def test_a_scale_waits_for_what_is_wanted_of_it() -> None:
    frames = noise(20, 27)
    clip = run(Clip("x", frames=frames), Scale(30, fixed_ratio=False))
    assert clip.frames is frames
    assert clip.size == (30, 40)
    assert clip.shape == (3, 3, 30, 40)
    whole = by_pillow(frames, 30, 40)
    np.testing.assert_array_equal(clip.pixels(), whole)
    np.testing.assert_array_equal(clip.array(), whole.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(run(clip, TenCrop(16)).pixels(), run(Clip("x", frames=whole), TenCrop(16)).pixels())
    np.testing.assert_array_equal(run(clip, RandomFlip(p=1)).pixels(), whole[:, :, ::-1])
    twice = run(clip, Scale(24, fixed_ratio=False))
    np.testing.assert_array_equal(twice.pixels(), by_pillow(whole, 24, 32))


def resize_alike(frames: np.ndarray, height: int, width: int, backend: Backend) -> np.ndarray:
    """What a random crop of the whole frames makes of them."""
    whole = Box(0, 0, *frames.shape[1:3])
    return Clip("x", frames=frames).crop_to(whole, height, width, stand_in(whole, (height, width), backend)).pixels()


@given(sides, sides, sides, sides, st.booleans(), st.data())
@settings(deadline=None, max_examples=100)
def test_a_crop_resized_when_it_is_copied_is_the_same(
    h: int, w: int, height: int, width: int, planar: bool, data: st.DataObject
) -> None:
    """Whatever comes after it: copied, mirrored, mirrored twice, cropped, or resized once more."""
    frames = noise(h, w, 2, seed=h * w)
    top, left = data.draw(st.integers(0, h - 1)), data.draw(st.integers(0, w - 1))
    box = Box(top, left, data.draw(st.integers(1, h - top)), data.draw(st.integers(1, w - left)))
    expected = resize_frames(np.ascontiguousarray(box.of(frames)), height, width, "cv2")
    clip = Clip("x", frames=frames, layout="tchw" if planar else "thwc").crop_to(box, height, width, "cv2")
    assert clip.frames is frames and clip.size == (height, width)
    axes = (0, 3, 1, 2) if planar else (0, 1, 2, 3)
    np.testing.assert_array_equal(clip.array(), expected.transpose(axes))
    np.testing.assert_array_equal(clip.mirrored().array(), expected[:, :, ::-1].transpose(axes))
    np.testing.assert_array_equal(clip.mirrored().mirrored().pixels(), expected)
    corner = Box(0, 0, max(1, height - 1), width)
    np.testing.assert_array_equal(clip.mirrored().crop(corner).pixels(), corner.of(expected)[:, :, ::-1])
    twice = clip.crop_to(corner, 7, 5, "cv2").pixels()
    np.testing.assert_array_equal(twice, resize_frames(np.ascontiguousarray(corner.of(expected)), 7, 5, "cv2"))


@given(st.integers(8, 60), st.integers(8, 60), st.integers(0, 60), st.integers(0, 60))
@settings(deadline=None, max_examples=80)
def test_enlarged_by_opencv_is_pillow_to_one_level(h: int, w: int, more: int, wider: int) -> None:
    frames = noise(h, w, 1, seed=h)
    found = resize_alike(frames, h + more, w + wider, "pillow").astype(int)
    assert np.abs(found - by_pillow(frames, h + more, w + wider)).max() <= 1


@pytest.mark.parametrize(
    ("height", "width", "same"), [(100, 100, False), (114, 115, False), (115, 116, True), (116, 80, True)]
)
def test_what_shrinks_notably_is_left_to_pillow(height: int, width: int, same: bool) -> None:
    assert ALIKE == 1.15
    cut = Box(2, 3, height, width).of(noise(height + 5, width + 4, 1))
    exact = np.array_equal(resize_alike(cut, 100, 100, "pillow"), by_pillow(cut, 100, 100))
    assert exact == (same or (height, width) == (100, 100))
    by_opencv = cv2.resize(cut[0], (100, 100), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_alike(cut, 100, 100, "cv2")[0], by_opencv)


@pytest.mark.parametrize("name", ["demo.mp4", "example.avi"])
@pytest.mark.parametrize(("height", "width"), [(256, 256), (224, 256), (256, 224), (240, 240)])
def test_real_clips_that_shrink_little_stay_within_the_golden_tolerance(name: str, height: int, width: int) -> None:
    """0.02 of normalised values on average, as tests/loader/test_golden_pipelines.py has it for other decoders."""
    video = cv2.VideoCapture(str(VIDEOS / name))
    if not video.isOpened():
        pytest.skip(f"{name} is not here")
    frames = np.stack([video.read()[1] for _ in range(30)])[::10]
    height, width = min(height, frames.shape[1]), min(width, frames.shape[2])
    cut = frames[:, :height, :width]
    apart = np.abs(resize_alike(cut, 224, 224, "pillow").astype(int) - by_pillow(cut, 224, 224))
    assert 0 < apart.mean() / 255 / 0.225 < 0.0125


def test_a_clip_that_is_not_sampled_yet_says_so() -> None:
    for use in (lambda clip: clip.pixels(), lambda clip: clip.size, lambda clip: clip.array()):
        with pytest.raises(ValueError, match=r"a\.mp4: the pipeline changes frames before its `sample` step"):
            use(Clip("a.mp4"))


def test_clips_of_one_batch_must_agree_on_the_shape() -> None:
    clips = [Clip(name, frames=noise(size, 12)) for name, size in (("a", 12), ("b", 14))]
    with pytest.raises(Exception, match=r"a \(3, 3, 12, 12\), b \(3, 3, 14, 12\); end the pipeline with a crop"):
        collate([(i, replace(clip, label=0)) for i, clip in enumerate(clips)])
