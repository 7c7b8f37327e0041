"""Clips that are a part of a video, by seconds, or of a folder of frames, by numbers: exactly those frames."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from synthetic import encode, numbered, read_number, write_frames

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.loader.pipelines.decode import FrameDecoder, VideoDecoder
from paddlevideo.loader.sources.unreadable import Unreadable

RNG = np.random.default_rng(0)


def numbers(clip: Clip) -> list[int]:
    """The numbers that all frames of an opened clip show."""
    assert clip.source is not None and clip.num_frames == clip.source.num_frames
    return [read_number(frame) for frame in clip.source.read(range(clip.num_frames))]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """60 frames at 20 a second: frame i is shown at i / 20 s."""
    folder = tmp_path_factory.mktemp("parts")
    return str(encode(folder / "a.mp4", numbered(60), rate=20, g="12", bf="2"))


@pytest.mark.parametrize("backend", ["pyav", "decord", "cv2"])
@pytest.mark.parametrize(
    ("start", "end", "first", "after"),
    [(0.0, 1.0, 0, 20), (1.0, 2.0, 20, 40), (0.93, 0.97, 19, 20), (2.5, None, 50, 60), (2.9, 99.0, 58, 60)],
)
def test_seconds(backend: str, start: float, end: float | None, first: int, after: int, video: str) -> None:
    if backend == "decord":
        pytest.importorskip("decord")
    clip = VideoDecoder(backend=backend)(Clip(video, start=start, end=end), RNG)  # type: ignore[arg-type]
    assert numbers(clip) == list(range(first, after))


def test_parts_that_meet_share_no_frame(video: str) -> None:
    cuts = [0.0, 0.31, 0.36, 1.0, 1.0499, 2.95, None]
    parts = [VideoDecoder()(Clip(video, start=a or 0.0, end=b), RNG) for a, b in itertools.pairwise(cuts)]
    assert [number for part in parts for number in numbers(part)] == list(range(60))


def test_a_window_lies_inside_the_part(video: str) -> None:
    """4 frames 2 apart in 20 a second: a window of 8 frames, and the one after, as the reader has it."""
    decode = VideoDecoder(mode="test", num_seg=4, sampling_rate=2, target_fps=20)
    assert numbers(decode(Clip(video, start=1.0, end=2.0), RNG)) == list(range(20, 29))
    decode = VideoDecoder(mode="train", num_seg=4, sampling_rate=2, target_fps=20)
    windows = [numbers(decode(Clip(video, start=1.0, end=2.0), np.random.default_rng(i))) for i in range(40)]
    assert {window[0] for window in windows} == set(range(21, 33)), "any start, rounded up, that leaves 8 frames"
    assert max(window[-1] for window in windows) == 39


def test_a_part_without_frames(video: str) -> None:
    for start, end in ((3.5, None), (5.0, 6.0)):
        with pytest.raises(Unreadable, match=r"no frame between .*; the last is shown at 2.950 s"):
            VideoDecoder()(Clip(video, start=start, end=end), RNG)


def test_frames_after_an_offset(tmp_path: Path) -> None:
    write_frames(tmp_path / "x", numbered(12))
    (tmp_path / "a.list").write_text("x 5 4 1\nx 0 12 0\n")
    data = FrameDataset(str(tmp_path / "a.list"), str(tmp_path), "img_{:05}.jpg", with_offset=True)
    assert [numbers(FrameDecoder()(data.clip(i), RNG)) for i in range(2)] == [[5, 6, 7, 8], list(range(12))]


def test_a_list_with_times(tmp_path: Path, video: str) -> None:
    (tmp_path / "a.csv").write_text("path,start,end,label\na.mp4,1,1.5,0\na.mp4,,,1\n")
    data = VideoDataset(str(tmp_path / "a.csv"), str(Path(video).parent))
    assert [numbers(VideoDecoder()(data.clip(i), RNG)) for i in range(2)] == [list(range(20, 30)), list(range(60))]
