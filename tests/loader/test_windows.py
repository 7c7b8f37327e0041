"""What TimeSformer's pipelines add: windows of a video in time, jittered sizes, three crops in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import encode, numbered, read_number, write_frames

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.crop import UniformCrop
from paddlevideo.loader.pipelines.decode import FrameDecoder, VideoDecoder
from paddlevideo.loader.pipelines.resize import JitterScale, resize_frames
from paddlevideo.loader.pipelines.sample import Sampler, sample_linspace
from paddlevideo.loader.sources.packets import Timing
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.utils.errors import UserError

EVEN = Timing(np.arange(100) * 512, 512.0, 25.0, 100)
LINSPACE = Sampler(4, linspace_sample=True)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timing", "start", "span", "expected"),
    [
        (EVEN, 0, 10, (0, 11)),  # frames 0..9, and the first after the end
        (EVEN, 0, 10.5, (0, 11)),
        (EVEN, 20.0, 10, (20, 11)),
        (EVEN, 20.5, 10, (21, 10)),
        (EVEN, 90, 10, (90, 10)),
        (EVEN, 0, 300, (0, 100)),
        (EVEN, 99.9, 300, (99, 1)),
        (EVEN, 0, 0.4, (0, 1)),
        # frames shown at 0, 10, 20, 60, 70: an average step of 14
        (Timing(np.array([0, 10, 20, 60, 70]), 14.0, 1.0, 5), 0, 3, (0, 4)),
        (Timing(np.array([0, 10, 20, 60, 70]), 14.0, 1.0, 5), 1.5, 2, (3, 1)),
        (Timing(np.array([0, 10, 20, 60, 70]), 14.0, 1.0, 5), 1, 4, (2, 2)),
        (Timing(np.arange(5), 1.0, 25.0, 50), 40, 5, (4, 1)),  # the container promises more than there is
    ],
)
def test_window(timing: Timing, start: float, span: float, expected: tuple[int, int]) -> None:
    assert timing.window(start, span) == expected


@settings(deadline=None, max_examples=100)
@given(
    gaps=st.lists(st.integers(1, 50), min_size=1, max_size=40),
    start=st.floats(0, 60),
    span=st.floats(0.1, 100),
    step=st.floats(0.5, 60),
)
def test_a_window_is_never_empty_nor_outside(gaps: list[int], start: float, span: float, step: float) -> None:
    times = np.cumsum(gaps) - gaps[0]
    first, count = Timing(times, step, 25.0, len(times)).window(start, span)
    assert count >= 1 and first >= 0 and first + count <= len(times)


@pytest.mark.parametrize(
    ("n", "num_seg", "span", "expected"),
    [
        (11, 4, 10.0, [0, 3, 6, 9]),
        (239, 8, 238.93, [0, 33, 67, 101, 135, 169, 203, 237]),  # demo.mp4 of the reference's figures
        (5, 4, 10.0, [0, 3, 4, 4]),
        (1, 4, 10.0, [0, 0, 0, 0]),
        (10, 4, None, [0, 3, 6, 9]),
        (3, 4, None, [0, 0, 1, 2]),
        (8, 1, 8.0, [0]),
    ],
)
def test_linspace_covers_the_span(n: int, num_seg: int, span: float | None, expected: list[int]) -> None:
    assert sample_linspace(n, num_seg, span).tolist() == expected


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 numbered frames at 20 a second: Matroska does not say how many, VP8 packets cannot be counted."""
    folder = tmp_path_factory.mktemp("windows")
    for name in ("a.mp4", "a.mkv", "a.ts", "a.avi"):
        encode(folder / name, numbered(60), rate=20, bf="2", preset="medium", g="24")
    encode(folder / "a.webm", numbered(60), "libvpx", rate=20, b="1M", **{"cpu-used": "8", "auto-alt-ref": "1"})
    return folder


def read(path: Path, seed: int = 0, **decoder: Any) -> list[int]:
    """The numbers of the frames that LINSPACE reads from a window of one second (20 frames)."""
    decode = VideoDecoder(num_seg=4, sampling_rate=6, target_fps=24, **decoder)
    clip = LINSPACE(decode(Clip(str(path)), rng(seed)), rng(seed))
    return [read_number(frame) for frame in clip.pixels()]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.webm"])
def test_windows_of_real_files(videos: Path, name: str) -> None:
    assert read(videos / name, mode="test") == [0, 6, 12, 19]
    assert read(videos / name) == [0, 19, 39, 59]
    for mode in ("train", "valid"):
        clips = {seed: read(videos / name, seed, mode=mode) for seed in range(12)}
        assert clips[0] == read(videos / name, 0, mode=mode)  # by the clip's generator alone
        starts = {clip[0] for clip in clips.values()}
        assert min(starts) < 15 and 25 < max(starts) <= 41 and len(starts) > 6
        for first, *others in clips.values():
            assert [number - first for number in others] in ([6, 12, 19], [6, 12, 18])


def test_only_the_wanted_frames_are_read(videos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    whole = PyavVideo.read
    monkeypatch.setattr(PyavVideo, "read", lambda self, indices: asked.append(list(indices)) or whole(self, indices))
    read(videos / "a.mp4", mode="test")
    assert asked == [[0, 6, 12, 19]]


def test_a_short_video_repeats_its_last_frame(videos: Path) -> None:
    decode = VideoDecoder(mode="train", num_seg=8, sampling_rate=32, target_fps=30)
    clip = decode(Clip(str(videos / "a.mp4")), rng())
    assert (clip.num_frames, clip.span) == (60, pytest.approx(8 * 32 / 30 * 20))
    numbers = [read_number(frame) for frame in Sampler(8, linspace_sample=True)(clip, rng()).pixels()]
    assert numbers == [0, 24, 48, 59, 59, 59, 59, 59]


def test_folders_of_frames_are_covered_whole(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "frames", numbered(30))
    clip = Clip(str(folder), num_frames=30, frame_pattern="img_{:05}.jpg")
    assert [read_number(frame) for frame in LINSPACE(FrameDecoder()(clip, rng()), rng()).pixels()] == [0, 9, 19, 29]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"num_seg": 0}, "num_seg must be at least 1"),
        ({"sampling_rate": 0}, "sampling_rate must be at least 1"),
        ({"target_fps": -1}, "target_fps must be at least 1"),
        ({"time_limit": 0}, r"time_limit must be above 0 \(None: no limit\), got 0"),
    ],
)
def test_bad_windows(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VideoDecoder(**values)


# --- sizes and crops --------------------------------------------------------------------------------------------------


def noise(height: int, width: int) -> Clip:
    return Clip("noise.mp4", frames=rng().normal(size=(2, height, width, 3)).astype("float32"))


@pytest.mark.parametrize(
    ("size", "expected"),
    [((120, 213), (64, 113)), ((213, 120), (113, 64)), ((100, 100), (64, 64)), ((64, 200), (64, 200))],
)
def test_jitter_scale_keeps_the_shape(size: tuple[int, int], expected: tuple[int, int]) -> None:
    clip = JitterScale(64, 64)(noise(*size), rng())
    assert clip.pixels().shape == (2, *expected, 3)
    assert clip.pixels().dtype == np.float32
    by_opencv = cv2.resize(noise(*size).pixels()[1], expected[::-1], interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(clip.pixels()[1], by_opencv)


def test_jitter_scale_draws_every_size() -> None:
    sizes = {JitterScale(10, 13)(noise(20, 40), rng(seed)).pixels().shape[1] for seed in range(60)}
    assert sizes == {10, 11, 12, 13}
    for bad in ((0, 5), (6, 5)):
        with pytest.raises(ValueError, match="1 <= min <= max"):
            JitterScale(*bad)


def test_pillow_cannot_resize_normalised_frames() -> None:
    with pytest.raises(ValueError, match="put Normalization after it, or set backend: cv2"):
        resize_frames(noise(8, 8).pixels(), 4, 4, "pillow")


@pytest.mark.parametrize(
    ("size", "corners"),
    [
        ((4, 9), [(0, 0), (0, 4), (0, 2)]),  # one column short of the edge
        ((4, 10), [(0, 0), (0, 6), (0, 3)]),
        ((9, 4), [(0, 0), (4, 0), (2, 0)]),
        ((4, 4), [(0, 0), (0, 0), (0, 0)]),
        ((6, 8), [(1, 0), (1, 4), (1, 2)]),
    ],
)
def test_uniform_crop(size: tuple[int, int], corners: list[tuple[int, int]]) -> None:
    y, x = np.meshgrid(range(size[0]), range(size[1]), indexing="ij")
    frames = np.stack([np.stack([y, x, np.full_like(x, t)], axis=-1) for t in range(2)]).astype(np.uint8)
    clip = UniformCrop(4)(Clip("positions.mp4", frames=frames), rng())
    assert clip.views == 3
    assert clip.pixels().shape == (6, 4, 4, 3)
    firsts = [tuple(frame[0, 0].tolist()) for frame in clip.pixels()]
    assert firsts == [(*corner, t) for corner in corners for t in range(2)]  # view after view
    with pytest.raises(UserError, match="smaller than the crop of 10"):
        UniformCrop(10)(Clip("positions.mp4", frames=frames), rng())
