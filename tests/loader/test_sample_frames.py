"""mmaction2's samplers: tables of its own figures, and properties that hold for every length."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.pipelines.sample_frames import DenseSampleFrames, SampleFrames

RNG = np.random.default_rng(0)


class Dice:
    """Stands for a generator: gives what it is told to, and remembers the range that was asked for."""

    def __init__(self, *values: int) -> None:
        self.values, self.asked = np.array(values, dtype=np.int64), (0, 0)

    def integers(self, low: int, high: int, size: int) -> np.ndarray:
        self.asked = (low, high)
        assert size == len(self.values)
        return self.values


UNIFORM = {
    300: [18, 56, 93, 131, 168, 206, 243, 281],
    250: [15, 46, 78, 109, 140, 171, 203, 234],
    64: [4, 12, 20, 28, 36, 44, 52, 60],
    10: [0, 1, 3, 4, 5, 6, 8, 9],
    9: [0, 1, 2, 3, 5, 6, 7, 8],
    8: [0, 1, 2, 3, 4, 5, 6, 7],
    5: [0, 0, 1, 2, 2, 3, 4, 4],
    3: [0, 0, 0, 1, 1, 2, 2, 2],
    1: [0] * 8,
}


@pytest.mark.parametrize(("n", "expected"), UNIFORM.items())
def test_testing_takes_the_middles_of_equal_parts(n: int, expected: list[int]) -> None:
    sampler = SampleFrames(num_clips=8, test_mode=True)
    assert sampler.indices(n, RNG).tolist() == expected
    assert sampler.views == 1


@pytest.mark.parametrize(
    ("n", "beginnings"),
    [
        (300, [0, 37, 75, 112, 150, 187, 225, 262]),
        (10, [0, 1, 2, 3, 5, 6, 7, 8]),
        (8, [0, 1, 2, 3, 4, 5, 6, 7]),
        (3, [0, 0, 0, 1, 1, 1, 2, 2]),
    ],
)
def test_twice_sample_adds_a_view_of_the_beginnings(n: int, beginnings: list[int]) -> None:
    sampler = SampleFrames(num_clips=8, twice_sample=True, test_mode=True)
    assert sampler.indices(n, RNG).tolist() == UNIFORM[n] + beginnings
    assert sampler.views == 2


def test_training_draws_one_frame_of_each_part() -> None:
    dice = Dice(0, 36, 5, 0, 1, 2, 3, 36)  # 300 frames: parts of 37
    indices = SampleFrames(num_clips=8).indices(300, dice)  # type: ignore[arg-type]
    assert dice.asked == (0, 37)
    assert indices.tolist() == [0, 73, 79, 111, 149, 187, 225, 295]


@pytest.mark.parametrize(
    ("n", "expected"),
    [(8, [0, 1, 2, 3, 4, 5, 6, 7]), (7, [0, 1, 2, 3, 4, 4, 5, 6]), (3, [0, 0, 1, 1, 2, 2, 2, 0]), (1, [0] * 8)],
)
def test_training_on_a_short_video_spreads_what_there_is(n: int, expected: list[int]) -> None:
    """around(i * n / 8): of 3 frames the last one would be 2.625, rounded to 3, which goes on from frame 0."""
    assert SampleFrames(num_clips=8).indices(n, RNG).tolist() == expected


def test_training_on_long_clips_of_a_short_video_draws_sorted_starts() -> None:
    dice = Dice(4, 0, 2, 1, 3, 3, 0, 1)  # 14 frames, clips that span 10: 5 starts for 8 clips
    indices = SampleFrames(clip_len=5, frame_interval=2, num_clips=8).indices(14, dice)  # type: ignore[arg-type]
    assert dice.asked == (0, 5)
    assert indices.reshape(8, 5)[:, 0].tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    assert indices[-5:].tolist() == [4, 6, 8, 10, 12]


@pytest.mark.parametrize(
    ("n", "expected"),
    [
        (100, [[23, 25, 27, 29], [69, 71, 73, 75]]),  # 93 starts: middles of two parts of 46.5
        (8, [[0, 2, 4, 6], [0, 2, 4, 6]]),
        (5, [[0, 2, 4, 1], [0, 2, 4, 1]]),  # shorter than a clip: from frame 0, and round
    ],
)
def test_clips_of_several_frames(n: int, expected: list[list[int]]) -> None:
    sampler = SampleFrames(clip_len=4, frame_interval=2, num_clips=2, test_mode=True)
    assert sampler.indices(n, RNG).reshape(2, 4).tolist() == expected
    assert sampler.views == 2


DENSE = {  # first and last window
    300: ([0, 8, 16, 24, 32, 40, 48, 56], [236, 244, 252, 260, 268, 276, 284, 292]),
    131: ([0, 8, 16, 24, 32, 40, 48, 56], [67, 75, 83, 91, 99, 107, 115, 123]),
    64: ([0, 8, 16, 24, 32, 40, 48, 56], [0, 8, 16, 24, 32, 40, 48, 56]),
    40: ([0, 8, 16, 24, 32, 0, 8, 16], [0, 8, 16, 24, 32, 0, 8, 16]),
    5: ([0, 3, 1, 4, 2, 0, 3, 1], [0, 3, 1, 4, 2, 0, 3, 1]),
}


@pytest.mark.parametrize(("n", "first", "last"), [(n, *rows) for n, rows in DENSE.items()])
def test_dense_testing_takes_ten_windows(n: int, first: list[int], last: list[int]) -> None:
    sampler = DenseSampleFrames(num_clips=8, test_mode=True)
    windows = sampler.indices(n, RNG).reshape(10, 8)
    assert (windows[0].tolist(), windows[-1].tolist()) == (first, last)
    assert sampler.views == 10


def test_dense_windows_start_at_even_distances() -> None:
    starts = DenseSampleFrames(num_clips=8, test_mode=True).indices(300, RNG).reshape(10, 8)[:, 0]
    assert starts.tolist() == [0, 26, 52, 78, 104, 131, 157, 183, 209, 236]
    few = DenseSampleFrames(num_clips=4, sample_range=32, num_sample_positions=3, test_mode=True)
    expected = [[0, 8, 16, 24], [34, 42, 50, 58], [68, 76, 84, 92]]
    assert few.indices(100, RNG).reshape(3, 4).tolist() == expected
    assert few.views == 3


@pytest.mark.parametrize(("n", "asked"), [(300, (0, 236)), (66, (0, 2)), (65, (0, 1)), (64, (0, 1)), (10, (0, 1))])
def test_dense_training_draws_a_window_but_the_last(n: int, asked: tuple[int, int]) -> None:
    dice = Dice(asked[1] - 1)
    indices = DenseSampleFrames(num_clips=8).indices(n, dice)  # type: ignore[arg-type]
    assert dice.asked == asked
    assert indices.tolist() == [(asked[1] - 1 + 8 * i) % n for i in range(8)]


common = {"clip_len": st.integers(1, 6), "frame_interval": st.integers(1, 5), "num_clips": st.integers(1, 40)}
uniform = st.tuples(st.booleans(), st.booleans()).flatmap(
    lambda pair: st.fixed_dictionaries(common | {"test_mode": st.just(any(pair)), "twice_sample": st.just(pair[0])})
)
dense = st.fixed_dictionaries(
    common
    | {"sample_range": st.integers(40, 90), "num_sample_positions": st.integers(1, 12), "test_mode": st.booleans()}
)


@given(st.builds(lambda o: SampleFrames(**o), uniform) | st.builds(lambda o: DenseSampleFrames(**o), dense), st.data())
@settings(deadline=None, max_examples=300)
def test_indices_are_in_range_and_as_many_as_promised(sampler: Any, data: Any) -> None:
    n, seed = data.draw(st.integers(1, 400)), data.draw(st.integers(0, 2**32))
    indices, again = (sampler.indices(n, np.random.default_rng(seed)) for _ in range(2))
    assert indices.dtype == np.int64
    assert indices.min() >= 0 and indices.max() < n
    frames_a_view = sampler.num_clips if sampler.clip_len == 1 else sampler.clip_len
    assert len(indices) == sampler.views * frames_a_view
    assert indices.tolist() == again.tolist()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SampleFrames(num_clips=0), "num_clips must be at least 1, got 0"),
        (lambda: SampleFrames(clip_len=-1), "clip_len must be at least 1, got -1"),
        (lambda: SampleFrames(num_clips=8, twice_sample=True), "twice_sample is for testing; set test_mode: True"),
        (lambda: DenseSampleFrames(num_clips=65), "sample_range=64 must hold num_clips=65 frames"),
        (lambda: DenseSampleFrames(num_clips=8, num_sample_positions=0), "num_sample_positions must be at least 1"),
    ],
)
def test_values_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
