"""Which frames: tables measured on PaddleVideo, and properties that hold for every length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.sample import Sampler

RNG = np.random.default_rng(0)

LEFT = {
    9: [0, 1, 2, 3, 5, 6, 7, 8],
    30: [1, 5, 9, 13, 16, 20, 24, 28],
    100: [6, 18, 31, 43, 56, 68, 81, 93],
    131: [8, 24, 40, 57, 73, 90, 106, 122],
    250: [15, 46, 78, 109, 140, 171, 203, 234],
    300: [18, 56, 93, 131, 168, 206, 243, 281],
}
SEGMENTS = {
    8: [0, 1, 2, 3, 4, 5, 6, 7],
    9: [0, 1, 2, 3, 4, 5, 6, 7],
    30: [1, 4, 7, 10, 13, 16, 19, 22],
    100: [5, 17, 29, 41, 53, 65, 77, 89],
    131: [7, 23, 39, 55, 71, 87, 103, 119],
    250: [15, 46, 77, 108, 139, 170, 201, 232],
    300: [18, 55, 92, 129, 166, 203, 240, 277],
}
LINSPACE = {
    5: [0, 0, 1, 1, 2, 2, 3, 4],
    8: [0, 1, 2, 3, 4, 5, 6, 7],
    9: [0, 1, 2, 3, 4, 5, 6, 8],
    30: [0, 4, 8, 12, 16, 20, 24, 29],
    100: [0, 14, 28, 42, 56, 70, 84, 99],
    131: [0, 18, 37, 55, 74, 92, 111, 130],
    250: [0, 35, 71, 106, 142, 177, 213, 249],
    300: [0, 42, 85, 128, 170, 213, 256, 299],
}
# Videos with no more frames than segments: spread over what there is (the reference gives zeros or reads past the end).
SHORT = {1: [0] * 8, 3: [0, 0, 0, 1, 1, 2, 2, 2], 5: [0, 0, 1, 2, 2, 3, 4, 4], 8: [0, 1, 2, 3, 4, 5, 6, 7]}


def rows(**tables: dict[int, list[int]]) -> list[tuple[str, int, list[int]]]:
    return [(name, n, expected) for name, table in tables.items() for n, expected in table.items()]


@pytest.mark.parametrize(
    "option, n, expected",
    rows(select_left=LEFT, seg_len=SEGMENTS, linspace_sample=LINSPACE) + rows(select_left=SHORT, seg_len=SHORT),
)
def test_eight_segments(option: str, n: int, expected: list[int]) -> None:
    sampler = Sampler(8, valid_mode=True, **{option: True if option != "seg_len" else 1})
    assert sampler.indices(n, RNG).tolist() == expected


def test_dense_takes_ten_windows_of_64_frames() -> None:
    sampler = Sampler(8, valid_mode=True, dense_sample=True)
    indices = sampler.indices(131, RNG).reshape(10, 8)
    assert indices[0].tolist() == [0, 8, 16, 24, 32, 40, 48, 56]
    assert indices[-1].tolist() == [67, 75, 83, 91, 99, 107, 115, 123]
    assert sampler.views == 10


def test_dense_wraps_round_in_a_video_shorter_than_its_window() -> None:
    indices = Sampler(8, valid_mode=True, dense_sample=True).indices(40, RNG).reshape(10, 8)
    assert indices.tolist() == [[0, 8, 16, 24, 32, 0, 8, 16]] * 10


def test_dense_of_a_very_short_video_is_spread_too() -> None:
    assert Sampler(8, valid_mode=True, dense_sample=True).indices(5, RNG).tolist() == SHORT[5] * 10


def test_consecutive_frames_of_each_segment() -> None:
    sampler = Sampler(3, seg_len=5, valid_mode=True)
    expected = [16, 17, 18, 19, 20, 49, 50, 51, 52, 53, 82, 83, 84, 85, 86]
    assert sampler.indices(100, RNG).tolist() == expected


@pytest.mark.parametrize(
    "n, expected",
    [
        (100, [23, 25, 27, 29, 69, 71, 73, 75]),  # 93 starts in 2 parts of 46.5: their middles are 23.25 and 69.75
        (8, [0, 2, 4, 6, 0, 2, 4, 6]),
        (5, [0, 2, 4, 1, 0, 2, 4, 1]),
        (2, [0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_frame_interval(n: int, expected: list[int]) -> None:
    indices = Sampler(2, seg_len=4, frame_interval=2, valid_mode=True).indices(n, RNG)
    assert indices.tolist() == expected


def test_training_is_random_within_each_segment() -> None:
    for options in ({}, {"select_left": True}):
        drawn = np.stack([Sampler(4, **options).indices(40, np.random.default_rng(seed)) for seed in range(300)])
        assert [set(column) for column in drawn.T.tolist()] == [set(range(10 * i, 10 * i + 10)) for i in range(4)]


def test_dense_training_starts_anywhere_but_at_the_last_window() -> None:
    sampler = Sampler(8, dense_sample=True)
    starts = {int(sampler.indices(70, np.random.default_rng(seed))[0]) for seed in range(200)}
    assert starts == {0, 1, 2, 3, 4, 5}
    assert sampler.views == 1


def test_frame_interval_training_uses_the_whole_video() -> None:
    sampler = Sampler(2, seg_len=2, frame_interval=3)
    drawn = np.stack([sampler.indices(20, np.random.default_rng(seed)) for seed in range(300)])  # 15 starts, 7 a part
    assert set(drawn[:, 0]) == set(range(7))
    assert set(drawn[:, 2]) == set(range(7, 14))
    assert np.all(drawn[:, 1] == drawn[:, 0] + 3)


options = st.fixed_dictionaries(
    {
        "num_seg": st.integers(1, 40),
        "seg_len": st.integers(1, 6),
        "frame_interval": st.none() | st.integers(1, 5),
        "valid_mode": st.booleans(),
        "select_left": st.booleans(),
        "dense_sample": st.booleans(),
        "linspace_sample": st.booleans(),
    }
)


@given(options, st.integers(1, 400), st.integers(0, 2**32))
@settings(deadline=None, max_examples=300)
def test_indices_are_in_range_and_as_many_as_promised(options: dict, n: int, seed: int) -> None:
    sampler = Sampler(**options)
    indices = sampler.indices(n, np.random.default_rng(seed))
    assert indices.dtype == np.int64
    assert indices.min() >= 0
    assert indices.max() < n
    frames = sampler.seg_len if sampler.strategy in ("segments", "frame_interval") else 1
    assert len(indices) == sampler.views * sampler.num_seg * frames
    if sampler.strategy in ("left", "linspace") or (sampler.strategy == "segments" and sampler.seg_len == 1):
        assert np.all(np.diff(indices) >= 0)


@pytest.mark.parametrize("option", ["select_left", "dense_sample", "linspace_sample", "valid_mode"])
def test_the_same_generator_gives_the_same_frames(option: str) -> None:
    sampler = Sampler(8, **{option: True})
    first, second = (sampler.indices(200, np.random.default_rng(7)).tolist() for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_seg": 0}, "num_seg must be at least 1, got 0"),
        ({"num_seg": 8, "seg_len": -1}, "seg_len must be at least 1, got -1"),
        ({"num_seg": 65, "dense_sample": True}, "got num_seg 65"),
    ],
)
def test_values_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Sampler(**options)


def test_a_clip_that_is_not_open_is_a_misordered_pipeline() -> None:
    with pytest.raises(ValueError, match="before its `decode` step"):
        Sampler(8)(Clip("a.mp4"), RNG)
