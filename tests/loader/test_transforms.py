"""Every transform on arrays small enough to check by hand, or against the library it stands on."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from paddlevideo.loader.clip import Clip, Op
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.crop import (
    CenterCrop,
    GroupFullResSample,
    MultiScaleCrop,
    RandomCrop,
    TenCrop,
    ThreeCrop,
)
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.loader.pipelines.resize import Scale
from paddlevideo.utils.errors import UserError


def noise(height: int, width: int, frames: int = 2) -> Clip:
    pixels = np.random.default_rng(0).integers(0, 256, (frames, height, width, 3), dtype=np.uint8)
    return Clip("noise.mp4", frames=pixels)


def positions(height: int, width: int, frames: int = 1) -> Clip:
    """Every pixel holds (its row, its column, its frame)."""
    t, y, x = np.meshgrid(range(frames), range(height), range(width), indexing="ij")
    return Clip("positions.mp4", frames=np.stack([y, x, t], axis=-1).astype(np.uint8))


def corners(clip: Clip) -> list[tuple[int, int]]:
    """(row, column) of the top left pixel of each frame."""
    return [(int(frame[0, 0, 0]), int(frame[0, 0, 1])) for frame in clip.pixels()]


def run(op: Op, clip: Clip, seed: int = 0) -> Clip:
    before = clip.pixels().copy()
    result = op(clip, np.random.default_rng(seed))
    assert np.array_equal(clip.pixels(), before), "an op changed its input"
    return result


# --- Scale ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, size, expected",
    [
        ({}, (240, 320), (256, 341)),
        ({}, (320, 240), (341, 256)),
        ({}, (300, 300), (341, 256)),
        ({}, (256, 500), (256, 500)),  # left alone, although not 4:3
        ({"fixed_ratio": False}, (240, 426), (256, 454)),
        ({"fixed_ratio": False, "keep_ratio": True}, (240, 427), (256, 455)),
        ({"fixed_ratio": False, "keep_ratio": True, "do_round": True}, (240, 427), (256, 455)),
        ({"fixed_ratio": False, "keep_ratio": True, "do_round": True}, (240, 426), (256, 454)),
        ({"fixed_ratio": False, "keep_ratio": True, "do_round": True}, (362, 241), (385, 256)),
        ({"fixed_ratio": False, "keep_ratio": True}, (362, 241), (384, 256)),
        ({"fixed_ratio": False, "keep_ratio": False}, (240, 426), (256, 256)),
    ],
)
def test_scale_sizes(options: dict, size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert run(Scale(256, backend="cv2", **options), noise(*size, frames=1)).pixels().shape == (1, *expected, 3)


def test_scale_is_what_each_library_gives() -> None:
    clip = noise(60, 80)
    pillow = run(Scale(30), clip).pixels()
    opencv = run(Scale(30, backend="cv2"), clip).pixels()
    for i, frame in enumerate(clip.pixels()):
        assert np.array_equal(pillow[i], np.asarray(Image.fromarray(frame).resize((40, 30), Image.Resampling.BILINEAR)))
        assert np.array_equal(opencv[i], cv2.resize(frame, (40, 30), interpolation=cv2.INTER_LINEAR))
    assert np.abs(pillow.astype(int) - opencv).mean() > 5  # Pillow averages when it shrinks


def test_scale_refuses_two_ratios() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Scale(256, keep_ratio=True)


# --- crops ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "do_round, size, corner",
    [
        (True, (9, 11), (2, 4)),  # 2.5 -> 2 and 3.5 -> 4: half to even
        (False, (9, 11), (2, 3)),
        (True, (10, 10), (3, 3)),
    ],
)
def test_center_crop(do_round: bool, size: tuple[int, int], corner: tuple[int, int]) -> None:
    cropped = run(CenterCrop(4, do_round=do_round), positions(*size))
    assert cropped.pixels().shape == (1, 4, 4, 3)
    assert corners(cropped) == [corner]


def test_ten_crop_gives_each_corner_and_the_centre_with_its_mirror_image() -> None:
    cropped = run(TenCrop(4), positions(13, 15, frames=2))  # 9 and 11 to spare: steps of 2, so 8, not 9 and 11
    assert cropped.views == 10
    assert cropped.pixels().shape == (20, 4, 4, 3)
    expected = [(0, 0), (0, 3), (0, 8), (0, 11), (8, 0), (8, 3), (8, 8), (8, 11), (4, 4), (4, 7)]
    assert corners(cropped) == [corner for corner in expected for _ in range(2)]
    assert cropped.pixels()[:, 0, 0, 2].tolist() == [0, 1] * 10


def test_group_full_res_sample_gives_left_right_centre() -> None:
    assert corners(run(GroupFullResSample(4), positions(13, 15))) == [(4, 0), (4, 8), (4, 4)]
    flipped = run(GroupFullResSample(4, flip=True), positions(13, 15))
    assert corners(flipped) == [(4, 0), (4, 3), (4, 8), (4, 11), (4, 4), (4, 7)]
    assert flipped.views == 6


def test_three_crop_is_left_right_middle_of_the_longer_side() -> None:
    landscape = run(ThreeCrop(4), positions(4, 11, frames=2))  # 7 to spare: steps of 3
    assert landscape.views == 3
    assert corners(landscape) == [(0, 0), (0, 0), (0, 6), (0, 6), (0, 3), (0, 3)]
    assert landscape.pixels()[:, 0, 0, 2].tolist() == [0, 1] * 3  # crop by crop, its frames in order
    assert corners(run(ThreeCrop(4), positions(10, 4))) == [(0, 0), (6, 0), (3, 0)]
    assert corners(run(ThreeCrop(4), positions(4, 4))) == [(0, 0)] * 3


def test_three_crop_needs_the_short_side() -> None:
    with pytest.raises(UserError, match=r"neither side of the frames of 6x5 is the crop of 4; put a Scale with short"):
        run(ThreeCrop(4), positions(5, 6))


def test_crops_of_a_video_sampled_twice_go_crop_by_crop() -> None:
    """[crop][clip][segment]: 3 crops of 2 clips of 2 frames."""
    twice = Clip("twice.mp4", frames=positions(4, 11, frames=4).pixels(), views=2)
    cropped = run(ThreeCrop(4), twice)
    assert cropped.views == 6
    assert [column for _, column in corners(cropped)] == [0] * 4 + [6] * 4 + [3] * 4
    assert cropped.pixels()[:, 0, 0, 2].tolist() == [0, 1, 2, 3] * 3


def test_views_multiply() -> None:
    clip = run(TenCrop(4), run(GroupFullResSample(8), positions(13, 15)))
    assert clip.views == 30


def test_random_crop_reaches_every_place_and_keeps_one_box_for_all_frames() -> None:
    seen = set()
    for seed in range(200):
        cropped = run(RandomCrop(6), positions(8, 9, frames=3), seed)
        assert cropped.pixels().shape == (3, 6, 6, 3)
        assert len(set(corners(cropped))) == 1
        seen.add(corners(cropped)[0])
    assert seen == {(y, x) for y in range(3) for x in range(4)}


@pytest.mark.parametrize("op", [RandomCrop(10), CenterCrop(10), TenCrop(10), GroupFullResSample(10), ThreeCrop(10)])
def test_a_crop_that_does_not_fit_names_the_video(op: Op) -> None:
    with pytest.raises(UserError, match=r"positions.mp4: frames of 12x9 are smaller than the crop of 10"):
        run(op, positions(9, 12))
    assert run(op, positions(10, 10)).pixels().shape[1:3] == (10, 10)


# --- MultiScaleCrop ---------------------------------------------------------------------------------------------------


def test_multi_scale_sizes() -> None:
    sizes = MultiScaleCrop(224).sizes(256, 340)
    sides = [256, 224, 192, 168]  # 0.66 * 256 = 168.96, cut
    assert sizes == [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= 1]
    assert MultiScaleCrop(224, scales=[0.875]).sizes(258, 400) == [(224, 224)]  # 225.75, within 2 of the target
    assert MultiScaleCrop(224, scales=[0.875]).sizes(260, 400) == [(227, 227)]


def test_multi_scale_places() -> None:
    few = MultiScaleCrop(224, allow_duplication=True, more_fix_crop=False)
    assert few.places(8, 10) == [(0, 0), (0, 10), (8, 0), (8, 10), (4, 5)]
    assert len(few.places(0, 0)) == 5
    plain = MultiScaleCrop(224, more_fix_crop=False)
    assert plain.places(0, 10) == [(0, 0), (0, 10), (0, 5)]
    assert plain.places(8, 0) == [(0, 0), (8, 0), (4, 0)]
    assert plain.places(0, 0) == [(0, 0)]
    assert len(MultiScaleCrop(224).places(8, 10)) == 13
    assert set(MultiScaleCrop(224).places(4, 4)) == {
        *((0, 0), (0, 4), (4, 0), (4, 4), (2, 2), (2, 0), (2, 4), (4, 2), (0, 2), (1, 1), (1, 3), (3, 1), (3, 3))
    }


def test_multi_scale_places_with_integer_steps() -> None:
    """mmaction2's 13 places for 11 down and 18 right: quarters of 2 and 4 pixels; a place counts once for each name."""
    crop = MultiScaleCrop(224, allow_duplication=True, integer_steps=True)
    corners_and_centre = [(0, 0), (0, 16), (8, 0), (8, 16), (4, 8)]
    edges_and_quarters = [(4, 0), (4, 16), (8, 8), (0, 8), (2, 4), (2, 12), (6, 4), (6, 12)]
    assert sorted(crop.places(11, 18)) == sorted(corners_and_centre + edges_and_quarters)
    assert crop.places(3, 3) == [(0, 0)] * 13
    five = MultiScaleCrop(224, allow_duplication=True, integer_steps=True, more_fix_crop=False)
    assert five.places(11, 18) == corners_and_centre


def test_multi_scale_crop_with_integer_steps_takes_each_place_alike() -> None:
    clip = positions(20, 27)
    crop = MultiScaleCrop(13, scales=[0.65], allow_duplication=True, integer_steps=True)  # 7 down, 14 right: steps 1, 3
    seen = [corners(run(crop, clip, seed))[0] for seed in range(1300)]
    assert set(seen) == {(row, column) for row in (0, 2, 4) for column in (0, 6, 12)} | {(1, 3), (1, 9), (3, 3), (3, 9)}
    assert all(60 < seen.count(place) < 145 for place in set(seen))


def test_multi_scale_crop_prefers_no_size() -> None:
    """Sizes are drawn alike from the pairs that differ by at most one step: here 4 + 3 + 3."""
    sizes = MultiScaleCrop(224).sizes(256, 340)
    assert len(sizes) == 10 == len(set(sizes))
    assert (256, 192) not in sizes and (256, 224) in sizes


def test_multi_scale_crop_is_a_crop_then_a_resize() -> None:
    clip = noise(20, 27)
    crop = MultiScaleCrop(8, scales=[0.55], backend="pillow", more_fix_crop=False)  # a box of 11 x 11
    # It can move 9 down and 16 right. Half way down, 4.5 to 15.5, becomes 4 to 16: both edges are rounded half to even.
    edges = [(0, 11, 0, 11), (0, 11, 16, 27), (9, 20, 0, 11), (9, 20, 16, 27), (4, 16, 8, 19)]
    boxes = [clip.pixels()[:, top:bottom, left:right] for top, bottom, left, right in edges]
    expected = {np.stack([np.asarray(Image.fromarray(f).resize((8, 8), 2)) for f in box]).tobytes() for box in boxes}
    assert {run(crop, clip, seed).pixels().tobytes() for seed in range(100)} == expected


@given(st.integers(16, 60), st.integers(16, 60), st.booleans(), st.booleans(), st.integers(0, 1000))
@settings(deadline=None, max_examples=60)
def test_multi_scale_crop_fits_any_frame(h: int, w: int, fix: bool, duplicate: bool, seed: int) -> None:
    op = MultiScaleCrop(24, fix_crop=fix, allow_duplication=duplicate, backend="cv2")
    assert run(op, noise(h, w), seed).pixels().shape == (2, 24, 24, 3)


# --- flip, layout, numbers --------------------------------------------------------------------------------------------


def test_flip_mirrors_whole_clips_half_of_the_time() -> None:
    clip = positions(2, 5, frames=3)
    flipped = [run(RandomFlip(), clip, seed) for seed in range(400)]
    mirrored = sum(np.array_equal(each.pixels(), clip.pixels()[:, :, ::-1]) for each in flipped)
    untouched = sum(np.array_equal(each.pixels(), clip.pixels()) for each in flipped)
    assert mirrored + untouched == 400
    assert 160 < mirrored < 240
    assert run(RandomFlip(p=0), clip).pixels() is clip.pixels()
    with pytest.raises(ValueError, match=r"got 1\.5"):
        RandomFlip(p=1.5)


def test_flip_changes_the_label_with_the_picture() -> None:
    op = RandomFlip(flip_label_map={86: 87, 87: 86, 93: 94, 94: 93})  # type: ignore[dict-item]
    for label, mirrored in {86: 87, 87: 86, 94: 93, 5: 5}.items():
        clip = replace(positions(2, 5), label=label)
        for seed in range(20):
            result = run(op, clip, seed)
            flipped = not np.array_equal(result.pixels(), clip.pixels())
            assert result.label == (mirrored if flipped else label)
    op.check_labels(95)
    with pytest.raises(ValueError, match="flip_label_map names class 94, but num_classes is 94"):
        op.check_labels(94)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({1: 2}, "flip_label_map says 1: 2, so it must say 2: 1 too"),
        ({1: 2, 2: 3, 3: 1}, "flip_label_map says 1: 2"),
        ({-1: -1}, "not negative"),
        ({"left": 1}, "maps class ids to class ids"),
    ],
)
def test_a_flip_map_is_a_pairing_of_classes(labels: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomFlip(flip_label_map=labels)


@pytest.mark.parametrize(
    "op, shape",
    [
        (Image2Array(), (2, 3, 4, 5)),
        (Image2Array(data_format="cthw"), (3, 2, 4, 5)),
        (Image2Array(transpose=False), (2, 4, 5, 3)),
    ],
)
def test_layouts(op: Op, shape: tuple[int, ...]) -> None:
    array = run(op, noise(4, 5)).array()
    assert array.shape == shape
    assert array.flags.c_contiguous


def test_normalization() -> None:
    clip = noise(4, 5)
    mean, std = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    expected = (clip.pixels() / 255 - np.array(mean)) / np.array(std)
    noted = run(Normalization(mean, std), clip)
    assert noted.pixels() is clip.pixels()  # left to the model
    settled = noted.settled()
    assert settled.normal is None
    assert settled.pixels().dtype == np.float32
    np.testing.assert_allclose(settled.pixels(), expected, atol=1e-6)
    as_float = Clip("a", frames=clip.pixels().astype(np.float32))
    np.testing.assert_allclose(run(Normalization(mean, std), as_float).settled().pixels(), expected, atol=1e-6)
    assert clip.settled() is clip


def test_normalization_inplace_is_in_the_scale_of_pixels() -> None:
    clip = noise(4, 5)
    expected = (clip.pixels() - np.array([123.7, 116.3, 103.5])) / np.array([58.4, 57.1, 57.4])
    op = Normalization([123.7, 116.3, 103.5], [58.4, 57.1, 57.4], inplace=True)
    found = run(op, clip).settled().pixels()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_normalization_of_a_mirrored_clip() -> None:
    clip = noise(4, 5)
    op = Normalization([0, 0, 0], [1, 1, 1])
    flipped = run(op, run(RandomFlip(p=1), clip)).settled().pixels()
    assert np.array_equal(flipped, run(op, clip).settled().pixels()[:, :, ::-1])
    assert np.array_equal(run(RandomFlip(p=1), run(op, clip)).settled().pixels(), flipped)


@pytest.mark.parametrize("mean, std, message", [([0.5], [0.5], "three numbers"), ([0, 0, 0], [1, 0, 1], "above 0")])
def test_normalization_checks_its_values(mean: list, std: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Normalization(mean, std)
