"""Clips of several frames: temporal jitter, and a pace in frames a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import encode, numbered, read_number, write_frames

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.decode import FrameDecoder, VideoDecoder
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.loader.pipelines.sample_frames import SampleFrames
from paddlevideo.utils.errors import UserError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


AT_30 = {"clip_len": 4, "frame_interval": 2, "target_fps": 30, "test_mode": True}


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (None, [146, 148, 150, 152]),  # starts 0..292, the middle is 146.5
        (30, [146, 148, 150, 152]),
        (30000 / 1001, [146, 148, 150, 152]),  # the nearest frames are the same
        (60, [142, 146, 150, 154]),  # starts 0..284
        (120, [134, 142, 150, 158]),
        (15, [148, 149, 150, 151]),
        (25, [147, 149, 150, 152]),  # 5/3 apart: 0, 1.67, 3.33, 5
        (10, [149, 150, 150, 151]),  # 2/3 apart: frames are shown twice
    ],
)
def test_a_clip_lasts_equally_long_at_every_rate(fps: float | None, expected: list[int]) -> None:
    assert SampleFrames(**AT_30).indices(300, rng(), fps).tolist() == expected
    same = Sampler(num_seg=1, seg_len=4, frame_interval=2, target_fps=30, valid_mode=True)
    assert same.indices(300, rng(), fps).tolist() == expected


def test_without_a_target_the_rate_does_not_count() -> None:
    plain = SampleFrames(clip_len=4, frame_interval=2, test_mode=True)
    assert plain.indices(300, rng(), 60).tolist() == plain.indices(300, rng()).tolist() == [146, 148, 150, 152]


@pytest.mark.parametrize("make", [SampleFrames, Sampler])
def test_jitter_moves_each_frame_by_less_than_the_interval(make: Any) -> None:
    if make is Sampler:
        sampler: Any = Sampler(num_seg=1, seg_len=6, frame_interval=5, temporal_jitter=True)
    else:
        sampler = SampleFrames(clip_len=6, frame_interval=5, temporal_jitter=True)
    moves = np.stack([sampler.indices(30, rng(seed)) for seed in range(60)]) - np.arange(6) * 5  # one start only: 0
    assert moves.min() == 0 and moves.max() == 4
    assert all(set(column.tolist()) == {0, 1, 2, 3, 4} for column in moves.T)  # each frame by itself
    assert len({tuple(row) for row in moves.tolist()}) > 50


def test_jitter_of_neighbouring_frames_is_none() -> None:
    jittered = SampleFrames(clip_len=6, num_clips=3, temporal_jitter=True)
    starts = jittered.indices(100, rng()).reshape(3, 6)
    assert (starts - np.arange(6)).tolist() == np.repeat(starts[:, :1], 6, axis=1).tolist()


@given(
    st.integers(1, 400),
    st.integers(2, 9),
    st.integers(1, 6),
    st.integers(1, 5),
    st.none() | st.floats(1, 240),
    st.sampled_from(["train", "jitter", "test"]),
    st.integers(0, 2**32),
)
@settings(deadline=None, max_examples=300)
def test_frames_are_in_the_video_and_in_order(
    n: int, clip_len: int, interval: int, clips: int, fps: float | None, mode: str, seed: int
) -> None:
    sampler = SampleFrames(
        clip_len, interval, clips, test_mode=mode == "test", temporal_jitter=mode == "jitter", target_fps=30
    )
    indices, again = (sampler.indices(n, rng(seed), fps) for _ in range(2))
    assert indices.tolist() == again.tolist()
    assert indices.dtype == np.int64 and indices.shape == (clips * clip_len,)
    assert indices.min() >= 0 and indices.max() < n
    seconds = clip_len * interval / 30
    if n >= seconds * (fps or 30) + 1 + clips:  # clips fit, so none goes round to frame 0 or lasts longer
        steps = np.diff(indices.reshape(clips, clip_len), axis=1)
        assert steps.min() >= 0
        assert steps.sum(axis=1).max() / (fps or 30) <= seconds + 0.5 / (fps or 30)  # the nearest frames


@pytest.mark.parametrize("backend", ["pyav", "decord", "cv2"])
@pytest.mark.parametrize(("rate", "step"), [(25, 2), (50, 4)])
def test_videos_tell_their_rate(backend: Any, rate: int, step: int, tmp_path: Path) -> None:
    video = encode(tmp_path / "a.mp4", numbered(60), rate=rate)
    clip = VideoDecoder(backend=backend)(Clip(str(video)), rng())
    sampled = SampleFrames(clip_len=4, frame_interval=2, target_fps=25, test_mode=True)(clip, rng())
    assert np.diff([read_number(frame) for frame in sampled.pixels()]).tolist() == [step] * 3


def test_a_window_of_a_video_has_its_rate(tmp_path: Path) -> None:
    video = encode(tmp_path / "a.mp4", numbered(60), rate=50)
    window = VideoDecoder(mode="test", num_seg=8, sampling_rate=2, target_fps=30)(Clip(str(video)), rng())
    sampler = Sampler(num_seg=1, seg_len=4, frame_interval=2, target_fps=25, valid_mode=True)
    numbers = [read_number(frame) for frame in sampler(window, rng()).pixels()]
    assert window.num_frames < 60 and np.diff(numbers).tolist() == [4, 4, 4]


def test_folders_of_images_do_not_tell_their_rate(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "a", numbered(30), "{:05}.png")
    clip = Clip(str(folder), num_frames=30, frame_pattern="{:05}.png")
    sampler = SampleFrames(clip_len=4, frame_interval=1, target_fps=15, test_mode=True)
    told = sampler(FrameDecoder(fps=30)(clip, rng()), rng()).pixels()
    assert [read_number(frame) for frame in told] == [11, 13, 15, 17]
    with pytest.raises(UserError, match=rf"^{folder}: target_fps needs the frame rate, .*FrameDecoder: \{{fps: 30\}}"):
        sampler(FrameDecoder()(clip, rng()), rng())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SampleFrames(clip_len=4, target_fps=0), "target_fps must be above 0, got 0"),
        (lambda: SampleFrames(num_clips=8, target_fps=30), "target_fps=30 sets the pace of clips of several frames"),
        (lambda: SampleFrames(clip_len=4, temporal_jitter=True, test_mode=True), "temporal_jitter is random"),
        (lambda: Sampler(8, temporal_jitter=True), "temporal_jitter and target_fps go with frame_interval"),
        (lambda: Sampler(8, seg_len=2, target_fps=30), "temporal_jitter and target_fps go with frame_interval"),
        (lambda: Sampler(8, 2, 2, valid_mode=True, temporal_jitter=True), "temporal_jitter is random"),
        (lambda: FrameDecoder(fps=0), "fps must be above 0, got 0"),
    ],
)
def test_values_are_checked(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
