"""Augmentations: exact values by hand or against Pillow, and what holds for all of them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps

from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.pipelines import color, rand_augment
from paddlevideo.loader.pipelines.array import Normalization
from paddlevideo.loader.pipelines.color import ColorJitter
from paddlevideo.loader.pipelines.crop_random import MultiCenterCrop, RandomResizedCrop, random_box
from paddlevideo.loader.pipelines.erase import RandomErasing
from paddlevideo.loader.pipelines.rand_augment import CHANGES, RandAugment
from paddlevideo.loader.pipelines.resize import JitterScale, Scale
from paddlevideo.loader.views import Box
from paddlevideo.registry import PIPELINES
from paddlevideo.utils.errors import UserError

GREY = (128, 128, 128)


def noise(frames: int = 3, height: int = 40, width: int = 52, low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (frames, height, width, 3), dtype=np.uint8)


def positions(height: int, width: int, frames: int = 1) -> Clip:
    """Every pixel holds (its row, its column, its frame)."""
    t, y, x = np.meshgrid(range(frames), range(height), range(width), indexing="ij")
    return Clip("positions.mp4", frames=np.stack([y, x, t], axis=-1).astype(np.uint8))


def run(op: Op, frames: np.ndarray, seed: int = 0) -> np.ndarray:
    before = frames.copy()
    result = op(Clip("a.mp4", frames=frames), np.random.default_rng(seed)).pixels()
    assert np.array_equal(frames, before), "an op changed its input"
    return result


def pixel(*rgb: int) -> np.ndarray:
    """A clip of one pixel."""
    return np.array(rgb, dtype=np.uint8).reshape(1, 1, 1, 3)


# --- all of them ------------------------------------------------------------------------------------------------------

EVERYTHING: list[Op] = [
    ColorJitter(),
    ColorJitter(brightness=(0.2, 0.3), hue=0.5),
    RandAugment(num_layers=4, magnitude=7, magnitude_std=0.5, prob=0.5),
    RandAugment(num_layers=14, magnitude=10),
    RandomErasing(erase_prob=1),
    RandomErasing(erase_prob=1, mode="rand"),
    RandomResizedCrop(target_size=24),
    RandomResizedCrop(target_size=24, backend="pillow"),
]


@pytest.mark.parametrize("op", EVERYTHING, ids=lambda op: type(op).__name__)
@pytest.mark.parametrize("seed", range(5))
def test_all_frames_are_changed_alike_and_the_seed_decides(op: Op, seed: int) -> None:
    one = noise(frames=1)
    still = np.repeat(one, 3, axis=0)
    changed = run(op, still, seed)
    assert changed.dtype == np.uint8
    assert len(changed) == 3 and changed.shape[1:3] in ((40, 52), (24, 24))
    assert np.array_equal(changed[0], changed[1]) and np.array_equal(changed[0], changed[2])
    assert np.array_equal(changed, run(op, still, seed))
    mirrored = noise()[:, ::-1, ::-1]  # as a flip or a crop leaves them: not contiguous
    assert np.array_equal(run(op, mirrored, seed), run(op, np.ascontiguousarray(mirrored), seed))


@pytest.mark.parametrize("op", EVERYTHING, ids=lambda op: type(op).__name__)
def test_seeds_differ(op: Op) -> None:
    assert len({run(op, noise(), seed).tobytes() for seed in range(8)}) > 4


NOTHING: list[Op] = [
    ColorJitter(0, 0, 0, 0),
    ColorJitter((1, 1), (1, 1), (1, 1), (0, 0)),
    RandAugment(prob=0),
    RandomErasing(erase_prob=0),
    RandomResizedCrop(area_range=(1, 1), aspect_ratio_range=(1, 1), target_size=40),
]


@pytest.mark.parametrize("op", NOTHING, ids=lambda op: type(op).__name__)
@pytest.mark.parametrize("seed", range(3))
def test_no_strength_is_no_change(op: Op, seed: int) -> None:
    square = noise(height=40, width=40)
    assert np.array_equal(run(op, square, seed), square)


FAULTS: list[tuple[type, dict[str, Any], str]] = [
    (ColorJitter, {"brightness": -0.1}, "brightness is how far from 1 to go, not below 0, got -0.1"),
    (ColorJitter, {"contrast": (1.2, 0.8)}, r"contrast must lie in 0..inf, lower bound first, got \(1.2, 0.8\)"),
    (ColorJitter, {"saturation": (-1, 1)}, r"saturation must lie in 0..inf, lower bound first, got \(-1, 1\)"),
    (ColorJitter, {"hue": 0.6}, "hue must lie in -0.5..0.5, lower bound first, got 0.6"),
    (RandAugment, {"num_layers": 0}, "num_layers must be at least 1, got 0"),
    (RandAugment, {"magnitude": 11}, "magnitude lies in 0..10, got 11"),
    (RandAugment, {"magnitude_std": -1}, "magnitude_std must not be below 0, got -1"),
    (RandAugment, {"prob": 1.5}, "prob is a probability, from 0 to 1, got 1.5"),
    (RandAugment, {"fill_color": (0, 0, 256)}, r"fill_color is red, green and blue, each 0..255, got \[0, 0, 256\]"),
    (RandomErasing, {"erase_prob": -1}, "erase_prob is a probability, from 0 to 1, got -1"),
    (RandomErasing, {"min_area_ratio": 0.5}, "0 < lowest <= highest <= 1, got 0.5 and 0.4"),
    (RandomErasing, {"min_area_ratio": 0}, "0 < lowest <= highest <= 1, got 0 and 0.4"),
    (RandomErasing, {"aspect_range": (2, 1)}, r"aspect ratio \(width / height\) takes 0 < lowest <= highest, got 2, 1"),
    (RandomErasing, {"fill_color": (-1, 0, 0)}, "fill_color"),
    (RandomResizedCrop, {"area_range": (0.08, 1.1)}, "0 < lowest <= highest <= 1, got 0.08 and 1.1"),
    (RandomResizedCrop, {"aspect_ratio_range": (0, 1)}, "0 < lowest <= highest, got 0, 1"),
    (RandomResizedCrop, {"target_size": 0}, "target_size must be at least 1, got 0"),
    (MultiCenterCrop, {"target_size": -4}, "target_size must be at least 1, got -4"),
]


@pytest.mark.parametrize(("kind", "options", "message"), FAULTS)
def test_values_are_checked(kind: type, options: dict[str, Any], message: str) -> None:
    assert PIPELINES.get(kind.__name__) is kind
    with pytest.raises(ValueError, match=message):
        kind(**options)


# --- colours ----------------------------------------------------------------------------------------------------------


def test_colours_by_hand() -> None:
    two = np.concatenate([pixel(0, 100, 200), pixel(10, 20, 30)])
    assert color.brightness(two, 1.5).reshape(2, 3).tolist() == [[0, 150, 255], [15, 30, 45]]
    # the clip's mean is (5, 60, 115): grey 0.299 * 5 + 0.587 * 60 + 0.114 * 115 = 49.825
    assert color.contrast(two, 0.5).reshape(2, 3).tolist() == [[25, 75, 125], [30, 35, 40]]
    assert color.contrast(two, 2).reshape(2, 3).tolist() == [[0, 150, 255], [0, 0, 10]]
    # grey of the first pixel is 81.5, of the second 18.15
    assert color.saturation(two, 0.5).reshape(2, 3).tolist() == [[41, 91, 141], [14, 19, 24]]
    assert color.hue(pixel(255, 0, 0), 0.5).ravel().tolist() == [0, 255, 255]
    assert color.hue(pixel(255, 0, 0), -0.25).ravel().tolist() == [128, 0, 255]
    assert color.hue(pixel(77, 77, 77), 0.3).ravel().tolist() == [77, 77, 77]


@pytest.mark.parametrize("factor", [0, 0.4, 1, 1.9])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
def test_colours_are_pillows_to_rounding(name: str, factor: float) -> None:
    one = noise(frames=1)
    enhance = {
        "brightness": ImageEnhance.Brightness,
        "contrast": ImageEnhance.Contrast,
        "saturation": ImageEnhance.Color,
    }
    expected = np.asarray(enhance[name](Image.fromarray(one[0])).enhance(factor)).astype(int)
    assert np.abs(getattr(color, name)(one, factor)[0] - expected).max() <= 1


def test_equal_pixels_of_different_frames_stay_equal() -> None:
    """A bright and a dark frame share a pixel: what looks at the picture looks at the whole clip."""
    clip = np.concatenate([noise(1, low=20, high=120), noise(1, low=100, high=240)])
    clip[:, 0, 0] = 110
    for change in (rand_augment.autocontrast, rand_augment.equalize, lambda frames: color.contrast(frames, 1.7)):
        changed = change(clip)
        assert not np.array_equal(changed, clip)
        assert np.array_equal(changed[0, 0, 0], changed[1, 0, 0])


PIXEL_OPS: list[Op] = [ColorJitter(), RandAugment(), RandomErasing(1), RandomErasing(1, mode="rand")]


@pytest.mark.parametrize("op", PIXEL_OPS, ids=lambda op: type(op).__name__)
@pytest.mark.parametrize("seed", range(4))
def test_normalisation_before_or_after_is_the_same(op: Op, seed: int) -> None:
    normalise = Normalization([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])
    clip, generator = Clip("a.mp4", frames=noise()), np.random.default_rng
    before = op(normalise(clip, generator()), generator(seed)).settled().array()
    after = normalise(op(clip, generator(seed)), generator()).settled().array()
    assert before.dtype == np.float32 and np.array_equal(before, after)


@pytest.mark.parametrize("op", PIXEL_OPS, ids=lambda op: type(op).__name__)
def test_numbers_that_are_no_pixels_any_more_are_refused(op: Op) -> None:
    """A resize after Normalization interpolates normalised numbers."""
    clip = Clip("a.mp4", frames=noise())
    for step in (Normalization([0.5] * 3, [0.5] * 3), JitterScale(24, 24)):
        clip = step(clip, np.random.default_rng())
    with pytest.raises(ValueError, match="these frames are normalised; put Normalization later"):
        op(clip, np.random.default_rng())


def test_jitter_draws_each_factor_from_its_bounds() -> None:
    grey = np.full((1, 2, 2, 3), 100, np.uint8)
    values = [int(run(ColorJitter(0.4, 0, 0, 0), grey, seed)[0, 0, 0, 0]) for seed in range(200)]
    assert 60 <= min(values) < 66 and 134 < max(values) <= 140
    values = [int(run(ColorJitter((0.5, 0.7), 0, 0, 0), grey, seed)[0, 0, 0, 0]) for seed in range(50)]
    assert 50 <= min(values) < 54 and 66 < max(values) <= 70
    assert int(run(ColorJitter(3.0, 0, 0, 0), grey, 1).min()) >= 0  # bounds [0, 4], not [-2, 4]


def test_jitter_takes_the_four_in_any_order() -> None:
    frames = noise(2)
    jitter = ColorJitter((1.5, 1.5), (0.6, 0.6), (0.4, 0.4), (0.2, 0.2))
    steps = [(color.brightness, 1.5), (color.contrast, 0.6), (color.saturation, 0.4), (color.hue, 0.2)]
    possible = set()
    for order in permutations(steps):
        result = frames
        for change, factor in order:
            result = change(result, factor)
        possible.add(result.tobytes())
    seen = {run(jitter, frames, seed).tobytes() for seed in range(100)}
    assert seen <= possible and len(seen) > 15


# --- RandAugment ------------------------------------------------------------------------------------------------------


def test_the_fourteen_of_the_paper() -> None:
    assert len(CHANGES) == 14


@pytest.mark.parametrize("name", sorted(set(CHANGES) - {"autocontrast", "equalize"}))
def test_a_change_without_strength_is_none(name: str) -> None:
    assert np.array_equal(CHANGES[name](noise(), 0.0, GREY), noise())


def test_changes_of_values_are_pillows() -> None:
    one = noise(frames=1, low=30, high=190)
    one[..., 1] //= 2
    image = Image.fromarray(one[0])
    expected = {
        ("equalize", 1.0): ImageOps.equalize(image),
        ("posterize", 1.0): ImageOps.posterize(image, 4),
        ("posterize", -0.5): ImageOps.posterize(image, 6),
        ("solarize", 1.0): ImageOps.solarize(image, 0),
        ("solarize", -0.5): ImageOps.solarize(image, 128),
    }
    for (name, strength), pillow in expected.items():
        assert np.array_equal(CHANGES[name](one, strength, GREY)[0], np.asarray(pillow)), name
    assert np.abs(rand_augment.autocontrast(one)[0].astype(int) - np.asarray(ImageOps.autocontrast(image))).max() <= 1
    stretched = rand_augment.autocontrast(np.concatenate([pixel(10, 0, 9), pixel(12, 51, 9), pixel(14, 255, 9)]))
    assert stretched.reshape(3, 3).tolist() == [[0, 0, 9], [128, 51, 9], [255, 255, 9]]
    one_grey = np.full((2, 4, 4, 3), 90, np.uint8)
    assert np.array_equal(rand_augment.autocontrast(one_grey), one_grey)
    assert np.array_equal(rand_augment.equalize(one_grey), one_grey)
    for factor in (0.1, 1.9):
        pillow = np.asarray(ImageEnhance.Sharpness(image).enhance(factor)).astype(int)
        assert np.abs(rand_augment.sharpness(one, factor)[0] - pillow)[1:-1, 1:-1].max() <= 1


def test_strengths_of_colour_reach_from_a_tenth_to_nearly_twice() -> None:
    frames = noise()
    for name, change in (("brightness", color.brightness), ("contrast", color.contrast), ("color", color.saturation)):
        assert np.array_equal(CHANGES[name](frames, 1.0, GREY), change(frames, 1.9))
        assert np.array_equal(CHANGES[name](frames, -1.0, GREY), change(frames, 1 - 0.9))


def test_translations_go_by_whole_pixels_and_uncover_the_fill() -> None:
    frames = positions(10, 20, frames=2).pixels()
    right = CHANGES["translate_x"](frames, 1.0, (1, 2, 3))  # 0.45 of 20 pixels
    assert np.array_equal(right[:, :, 9:], frames[:, :, :-9])
    assert np.all(right[:, :, :9] == (1, 2, 3))
    up = CHANGES["translate_y"](frames, -0.5, (1, 2, 3))  # 0.225 of 10 pixels
    assert np.array_equal(up[:, :-2], frames[:, 2:])
    assert np.all(up[:, -2:] == (1, 2, 3))


def test_shears_and_rotations_keep_the_middle_and_go_both_ways() -> None:
    dot = np.zeros((1, 21, 21, 3), np.uint8)
    dot[0, 10, 10] = dot[0, 0, 10] = dot[0, 10, 20] = 255  # the middle, 10 above it, 10 to the right

    def found(name: str, strength: float) -> set[tuple[int, int]]:
        moved = CHANGES[name](dot, strength, (0, 0, 0))[0, :, :, 0]
        return {(int(y), int(x)) for y, x in np.argwhere(moved > 100)}

    assert found("shear_x", 1.0) == {(10, 10), (0, 7), (10, 20)}  # 0.3 * -10 to the right
    assert found("shear_x", -1.0) == {(10, 10), (0, 13), (10, 20)}
    assert found("shear_y", 1.0) == {(10, 10), (0, 10), (13, 20)}
    turned = CHANGES["rotate"](dot, 1.0, (0, 0, 0))[0, :, :, 0]
    assert turned[10, 10] == 255
    assert turned[14:16, 18:20].max() > 100  # 30 degrees clockwise: (10 cos, 10 sin) = 8.7 right, 5 down
    assert CHANGES["rotate"](dot, -1.0, (0, 0, 0))[0, 5:7, 18:20, 0].max() > 100


def test_a_rotation_is_pillows() -> None:
    smooth = cv2.GaussianBlur(noise(frames=1)[0], (9, 9), 0)
    pillow = Image.fromarray(smooth).rotate(-15, Image.Resampling.BILINEAR, fillcolor=GREY)
    assert np.abs(CHANGES["rotate"](smooth[None], 0.5, GREY)[0].astype(int) - np.asarray(pillow)).mean() < 1


def test_layers_are_drawn_evenly_with_both_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, float]] = []

    def record(name: str) -> Any:
        def change(frames: np.ndarray, strength: float, fill: Any) -> np.ndarray:
            drawn.append((name, strength))
            return frames

        return change

    monkeypatch.setattr(rand_augment, "CHANGES", {name: record(name) for name in CHANGES})
    frames = noise(1, 2, 2)
    for seed in range(300):
        run(RandAugment(num_layers=2, magnitude=7), frames, seed)
    assert len(drawn) == 600
    assert {abs(strength) for _, strength in drawn} == {0.7}
    assert 250 < sum(strength > 0 for _, strength in drawn) < 350
    counts = [sum(name == each for each, _ in drawn) for name in CHANGES]
    assert min(counts) > 20 and max(counts) < 70  # 43 each on average
    drawn.clear()
    for seed in range(300):
        run(RandAugment(num_layers=2, magnitude=7, magnitude_std=0.5, prob=0.5), frames, seed)
    assert 250 < len(drawn) < 350
    sizes = np.abs([strength for _, strength in drawn])
    assert 0.69 < sizes.mean() < 0.71 and 0.04 < sizes.std() < 0.06
    drawn.clear()
    run(RandAugment(num_layers=200, magnitude=5, magnitude_std=50), frames)
    assert {0.0, 1.0} < {abs(strength) for _, strength in drawn} and max(abs(s) for _, s in drawn) == 1


# --- boxes ------------------------------------------------------------------------------------------------------------

sides, shares, aspects = st.integers(8, 300), st.floats(0.02, 1), st.floats(0.2, 5)


@given(sides, sides, st.tuples(shares, shares), st.tuples(aspects, aspects), st.integers(0, 2**32))
@settings(deadline=None, max_examples=300)
def test_a_box_lies_in_the_frame_and_has_the_area_and_the_shape(
    height: int, width: int, area: tuple[float, float], aspect: tuple[float, float], seed: int
) -> None:
    (small, large), (narrow, wide) = sorted(area), sorted(aspect)
    box = random_box(height, width, (small, large), (narrow, wide), np.random.default_rng(seed))
    if box is None:
        return
    top, left, h, w = box[:4]
    assert 0 <= top <= top + h <= height and 0 <= left <= left + w <= width and h > 0 and w > 0
    # sides are rounded to pixels
    assert (h - 0.5) * (w - 0.5) <= large * height * width + 1e-6 or h == 1 or w == 1
    assert (h + 0.5) * (w + 0.5) >= small * height * width - 1e-6
    assert (w - 0.5) / (h + 0.5) <= wide + 1e-6 or w == 1
    assert (w + 0.5) / (h - 0.5) >= narrow - 1e-6 or h == 1


def test_boxes_are_drawn_evenly_by_the_logarithm_of_their_shape() -> None:
    rng = np.random.default_rng(0)
    boxes = [random_box(1000, 1000, (0.1, 0.2), (0.25, 4), rng) for _ in range(1000)]
    shapes = np.array([box[3] / box[2] for box in boxes if box])
    assert len(shapes) == 1000
    below = [(shapes < edge).mean() for edge in (0.5, 1, 2)]
    assert below == pytest.approx([0.25, 0.5, 0.75], abs=0.04)
    areas = np.array([box[2] * box[3] / 1e6 for box in boxes if box])
    assert areas.min() < 0.102 and areas.max() > 0.198 and 0.148 < areas.mean() < 0.152


def test_there_may_be_no_box() -> None:
    assert random_box(10, 100, (1, 1), (1, 1), np.random.default_rng(0)) is None
    assert random_box(10, 100, (1, 1), (10, 10), np.random.default_rng(0)) == Box(0, 0, 10, 100)


@pytest.mark.parametrize("backend", ["cv2", "pillow"])
def test_a_resized_crop_is_its_box_resized(backend: Any) -> None:
    frames, op = noise(height=60, width=80), RandomResizedCrop(target_size=32, backend=backend)
    for seed in range(5):
        box = random_box(60, 80, (0.08, 1), (3 / 4, 4 / 3), np.random.default_rng(seed))
        assert box is not None
        top, left, h, w = box[:4]
        for frame, crop in zip(frames, run(op, frames, seed)):
            cut = np.ascontiguousarray(frame[top : top + h, left : left + w])
            if backend == "cv2":
                assert np.array_equal(crop, cv2.resize(cut, (32, 32), interpolation=cv2.INTER_LINEAR))
            else:
                assert np.array_equal(crop, Image.fromarray(cut).resize((32, 32), Image.Resampling.BILINEAR))


@pytest.mark.parametrize(("size", "corner"), [((7, 20), (0, 6)), ((21, 8), (6, 0))])
def test_a_resized_crop_that_does_not_fit_is_the_middle_square(size: tuple[int, int], corner: tuple[int, int]) -> None:
    clip, side = positions(*size), min(size)
    op = RandomResizedCrop(area_range=(1, 1), aspect_ratio_range=(1, 1), target_size=side)
    crop = run(op, clip.pixels())
    assert crop.shape == (1, side, side, 3)
    assert tuple(crop[0, 0, 0, :2]) == corner and tuple(crop[0, -1, -1, :2]) == (
        corner[0] + side - 1,
        corner[1] + side - 1,
    )


@pytest.mark.parametrize("crop", [RandomResizedCrop((0.2, 0.5), target_size=24), MultiCenterCrop(24)])
def test_crops_after_a_scale_are_crops_of_the_scaled_frames(crop: Op) -> None:
    """`Scale` by Pillow is put off, so that only what is cut out is resized."""
    scaled = Scale(48)(Clip("a.mp4", frames=noise()), np.random.default_rng())
    at_once = Clip("a.mp4", frames=scaled.pixels())
    for seed in range(3):
        late, early = (crop(clip, np.random.default_rng(seed)).array() for clip in (scaled, at_once))
        assert late.shape == (len(late), 3, 24, 24) and np.array_equal(late, early)


def test_multi_center_crop_is_centre_left_right() -> None:
    cropped = MultiCenterCrop(4)(positions(13, 15, frames=2), np.random.default_rng(0))
    assert cropped.views == 3
    corners = [(int(frame[0, 0, 0]), int(frame[0, 0, 1])) for frame in cropped.pixels()]
    assert corners == [(4, 5)] * 2 + [(4, 0)] * 2 + [(4, 11)] * 2
    assert cropped.pixels()[:, 0, 0, 2].tolist() == [0, 1] * 3
    with pytest.raises(UserError, match="frames of 5x3 are smaller than the crop of 4; put a Scale first"):
        MultiCenterCrop(4)(positions(3, 5), np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(10))
def test_erasing_paints_one_box_of_every_frame(seed: int) -> None:
    frames = noise(high=200)
    erased = run(RandomErasing(erase_prob=1, fill_color=(250, 251, 252)), frames, seed)
    painted = np.all(erased == (250, 251, 252), axis=-1)  # [T, H, W]; no pixel of the clip has that colour
    assert np.array_equal(painted[0], painted[1]) and np.array_equal(painted[0], painted[2])
    assert np.array_equal(erased[~painted], frames[~painted])
    rows, columns = np.flatnonzero(painted[0].any(axis=1)), np.flatnonzero(painted[0].any(axis=0))
    h, w = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert painted[0].sum() == h * w  # a full box
    assert 0.015 < h * w / (40 * 52) < 0.42 and 0.25 < w / h < 4


def test_erasing_with_random_pixels_takes_the_same_in_every_frame() -> None:
    frames = np.zeros((2, 40, 40, 3), np.uint8)
    erased = run(RandomErasing(1.0, min_area_ratio=0.3, mode="rand"), frames)
    assert np.array_equal(erased[0], erased[1])
    painted = erased[0][erased[0].any(axis=-1)]
    assert len(painted) > 400 and 118 < painted.mean() < 138 and painted.max() == 255 and painted.min() == 0


def test_erasing_happens_as_often_as_asked() -> None:
    times = sum(
        not np.array_equal(run(RandomErasing(0.25), noise(1, 12, 12), seed), noise(1, 12, 12)) for seed in range(400)
    )
    assert 70 < times < 130
