"""Frame i is frame i, whatever the container, the codec and the library."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import encode, numbered, read_number, turn_on_its_side

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.decode import BACKENDS, VideoDecoder, _has_decord
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import Unreadable

N = 97
B_FRAMES = {"bf": "3", "g": "24", "preset": "medium"}
VIDEOS = {
    "h264_b_frames.mp4": ("libx264", B_FRAMES),
    "h264_open_groups.mp4": ("libx264", {**B_FRAMES, "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}),
    "h264_one_keyframe.mp4": ("libx264", {**B_FRAMES, "g": "300", "x264-params": "scenecut=0"}),
    "h264_no_b_frames.mp4": ("libx264", {"bf": "0", "g": "12"}),
    "h264.mkv": ("libx264", B_FRAMES),
    "h264.ts": ("libx264", B_FRAMES),
    "h264.avi": ("libx264", B_FRAMES),
    "mpeg4.avi": ("mpeg4", {"g": "12", "b": "4M"}),
    "mpeg4_b_frames.avi": ("mpeg4", {"g": "12", "bf": "2", "b": "4M"}),
    "mpeg4_b_frames.mp4": ("mpeg4", {"g": "12", "bf": "2", "b": "4M"}),
    "mjpeg.avi": ("mjpeg", {}),
    "vp8_hidden_frames.webm": ("libvpx", {"b": "1M", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}),
}
RNG = np.random.default_rng(0)
BACKENDS_HERE = [name for name in BACKENDS if importlib.util.find_spec(name if name != "pyav" else "av")]


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    for name, (codec, options) in VIDEOS.items():
        encode(folder / name, numbered(N), codec, **options)
    return folder


@pytest.mark.parametrize("backend", BACKENDS_HERE)
@pytest.mark.parametrize("name", VIDEOS)
def test_every_backend_gives_the_frame_that_was_asked_for(videos: Path, name: str, backend: str) -> None:
    source = BACKENDS[backend](str(videos / name))
    assert source.num_frames == N
    for wanted in ([3, 40, 95, 10, 10, 50], [N - 1], [0, 0], [23, 24, 25, 26], [70, 7]):
        frames = source.read(wanted)
        assert frames.shape == (len(wanted), 64, 96, 3)
        assert frames.dtype == np.uint8
        assert [read_number(frame) for frame in frames] == wanted


@pytest.mark.parametrize("name", VIDEOS)
def test_every_single_frame(videos: Path, name: str) -> None:
    source = PyavVideo(str(videos / name))
    assert [read_number(source.read([i])[0]) for i in range(0, N, 3)] == list(range(0, N, 3))


@given(name=st.sampled_from(sorted(VIDEOS)), wanted=st.lists(st.integers(0, N - 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=60)
def test_skipped_frames_change_nothing(videos: Path, name: str, wanted: list[int]) -> None:
    path = str(videos / name)
    assert [read_number(frame) for frame in PyavVideo(path).read(wanted)] == wanted


def test_pixels_are_those_of_a_full_decode(videos: Path) -> None:
    path = str(videos / "h264_b_frames.mp4")
    whole = PyavVideo(path).read(range(N))
    some = [5, 31, 32, 77]
    assert np.array_equal(PyavVideo(path).read(some), whole[some])


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_colours_are_rgb(tmp_path: Path, backend: str) -> None:
    red = np.zeros((4, 64, 64, 3), np.uint8) + np.array([220, 30, 60], np.uint8)
    source = BACKENDS[backend](str(encode(tmp_path / "red.mp4", red)))
    assert np.abs(source.read([2])[0].astype(int) - [220, 30, 60]).max() < 4


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_a_video_held_upright_is_turned(tmp_path: Path, backend: str) -> None:
    path = encode(tmp_path / "upright.mp4", numbered(5))
    turn_on_its_side(path)
    frame = BACKENDS[backend](str(path)).read([4])[0]
    assert frame.shape == (96, 64, 3)
    assert read_number(np.rot90(frame)) == 4


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_unreadable_files(tmp_path: Path, backend: str) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video" * 1000)
    whole = encode(tmp_path / "whole.mp4", numbered(30)).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "folder").mkdir()
    reasons = {
        "missing.mp4": "no such file",
        "empty.mp4": "empty",
        "folder": "FrameDecoder",
        "text.mp4": ".+",
        "cut.mp4": ".+",
    }
    for name, reason in reasons.items():
        with pytest.raises(Unreadable, match=reason) as caught:
            VideoDecoder(backend)(Clip(str(tmp_path / name)), RNG)
        assert caught.value.path == str(tmp_path / name)
        assert len(caught.value.reason) > 5
        assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_damage_in_the_middle_is_never_silently_another_frame(tmp_path: Path, backend: str) -> None:
    path = encode(tmp_path / "damaged.ts", numbered(60), bf="0", g="10")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    path.write_bytes(data)
    try:
        source = BACKENDS[backend](str(path))
        frames = source.read([0, 1, 2])
    except Unreadable:
        return
    assert source.num_frames < 60
    assert [read_number(frame) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize("backend", BACKENDS_HERE)
def test_dropping_a_source_closes_its_file(videos: Path, backend: str) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("open files are counted on Linux only")
    before = open_files()
    for _ in range(10):
        BACKENDS[backend](str(videos / "h264_b_frames.mp4")).read([3])
    assert open_files() <= before + 1


def test_pyav_is_auto_and_stands_in_for_a_missing_decord_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert VideoDecoder().backend == "pyav"
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    _has_decord.cache_clear()
    with caplog.at_level("INFO", "paddlevideo"):
        assert [VideoDecoder("decord").backend for _ in range(2)] == ["pyav", "pyav"]
    _has_decord.cache_clear()
    assert [record.message for record in caplog.records] == [
        "backend: decord is not installed (pip install 'paddlevideo[decord]'); PyAV reads the same frames"
    ]
