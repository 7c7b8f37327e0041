"""`prepare frames`, `transcode` and `index`: what they make, from all kinds of videos, and after a kill."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import kinds
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import encode, numbered, read_number, turn_on_its_side

from paddlevideo.cli import prepare
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.loader.index import VideoIndex
from paddlevideo.loader.sources.frame_folder import FrameFolder
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.tasks.prepare.decoded import at_rate, fitted
from paddlevideo.tasks.prepare.frames import FrameOptions
from paddlevideo.tasks.prepare.journal import Journal
from paddlevideo.tasks.prepare.transcode import TranscodeOptions
from paddlevideo.tasks.prepare.videos import below, check_targets, listed, read_lists, renamed_lines
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def run(*words: object) -> None:
    """`paddlevideo prepare ...` in this process."""
    parser = argparse.ArgumentParser()
    prepare.add_arguments(parser)
    prepare.run(parser.parse_args([*map(str, words), "--workers", "0"]))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two videos of 12 and 7 frames, 96x64, in folders with a space in the name, and a text file."""
    folder = tmp_path / "videos"
    (folder / "a b").mkdir(parents=True)
    encode(folder / "a b" / "one.mp4", numbered(12))
    encode(folder / "two.avi", numbered(7))
    (folder / "notes.txt").write_text("not a video")
    return folder


def tree(folder: Path) -> dict[str, bytes]:
    """Relative path -> content of all files, hidden ones included, without the journal."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".prepare.jsonl")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# ---- frames


def test_every_frame_becomes_an_image_that_shows_its_number(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "frames"
    run("frames", source, out)
    assert sorted(tree(out)) == [f"a b/one/img_{i:05}.jpg" for i in range(1, 13)] + [
        f"two/img_{i:05}.jpg" for i in range(1, 8)
    ]
    read = FrameFolder(str(out / "a b" / "one"), "img_{:05}.jpg", 12).read(range(12))
    assert [read_number(frame) for frame in read] == list(range(12))


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "mjpeg"])
def test_png_frames_are_what_the_video_reader_gives(codec: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video = encode(tmp_path / "in" / "v.mkv", numbered(9), codec)
    run("frames", tmp_path / "in", tmp_path / "out", "--pattern", "{:03}.png")
    read = FrameFolder(str(tmp_path / "out" / "v"), "{:03}.png", 9).read(range(9))
    np.testing.assert_array_equal(read, PyavVideo(str(video)).read(range(9)))


def test_frames_of_a_video_on_its_side_are_upright(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    turn_on_its_side(encode(tmp_path / "in" / "v.mp4", numbered(3)))
    run("frames", tmp_path / "in", tmp_path / "out", "--short_side", 0)
    image = cv2.imread(str(tmp_path / "out" / "v" / "img_00003.jpg"))
    assert image.shape == (96, 64, 3)
    assert read_number(np.rot90(image)) == 2


@pytest.mark.parametrize(
    ("flags", "shape"),
    [
        ([], (64, 96)),  # 256 by default, but never larger
        (["--short_side", "32"], (32, 48)),
        (["--short_side", "0"], (64, 96)),
        (["--size", "340x256"], (256, 340)),
        (["--size", "10x20"], (20, 10)),
    ],
)
def test_size_of_frames(flags: list[str], shape: tuple[int, int], source: Path, tmp_path: Path) -> None:
    run("frames", source, tmp_path / "out", *flags)
    assert cv2.imread(str(tmp_path / "out" / "two" / "img_00001.jpg")).shape == (*shape, 3)


def test_quality_of_jpeg(source: Path, tmp_path: Path) -> None:
    for quality in (30, 95):
        run("frames", source, tmp_path / str(quality), "--quality", quality)
    frame = PyavVideo(str(source / "two.avi")).read([4])[0]
    expected = cv2.imencode(".jpg", frame[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 30])[1].tobytes()
    assert (tmp_path / "30" / "two" / "img_00005.jpg").read_bytes() == expected
    assert len((tmp_path / "95" / "two" / "img_00005.jpg").read_bytes()) > len(expected)


@pytest.mark.parametrize(
    ("times", "fps", "shown"),
    [
        ([0, 0.04, 0.08, 0.12], 25, [0, 1, 2, 3]),
        ([0, 0.04, 0.08, 0.12], 12.5, [0, 2]),
        ([0, 0.04, 0.08, 0.12], 5, [0]),
        ([0, 0.04, 0.08, 0.12], 50, [0, 0, 1, 1, 2, 2, 3, 3]),
        ([0, 0.1, 0.9], 10, [0, 1, 1, 1, 1, 1, 1, 1, 1, 2]),  # shown from 0.9 to 0.94
        ([0.0], 25, [0]),
        ([], 25, []),
    ],
)
def test_frames_at_a_rate(times: list[float], fps: float, shown: list[int]) -> None:
    assert list(at_rate(((time, i) for i, time in enumerate(times)), fps, 0.04)) == shown


@given(steps=st.lists(st.floats(0.001, 0.2), min_size=1, max_size=30), fps=st.floats(1, 60), last=st.floats(0.01, 0.1))
@settings(max_examples=60, deadline=None)
def test_each_moment_shows_the_frame_of_that_moment(steps: list[float], fps: float, last: float) -> None:
    times = np.cumsum([0, *steps[1:]])
    shown = list(at_rate(((float(time), i) for i, time in enumerate(times)), fps, last))
    moments = np.arange(len(shown)) / fps
    assert shown == (np.searchsorted(times, moments + 2e-4, side="right") - 1).tolist() or np.any(
        np.abs(times[:, None] - moments) < 4e-4  # the moment of a change, where rounding decides
    )
    assert abs(len(shown) - (times[-1] + last) * fps) < 1 + 1e-3 * fps


def test_frames_at_a_rate_from_a_video(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    encode(tmp_path / "in" / "v.mp4", numbered(25), rate=25)
    run("frames", tmp_path / "in", tmp_path / "out", "--fps", "5")
    read = FrameFolder(str(tmp_path / "out" / "v"), "img_{:05}.jpg", 5).read(range(5))
    assert [read_number(frame) for frame in read] == [0, 5, 10, 15, 20]
    assert len(tree(tmp_path / "out")) == 5


def test_list_of_frames(source: Path, tmp_path: Path) -> None:
    old = tmp_path / "train.csv"
    old.write_text("path,label\na b/one.mp4,3\ntwo.avi,1\nmissing.mp4,0\n")
    run("frames", source, tmp_path / "out", "--list", old)
    assert (tmp_path / "out" / "train.csv").read_text() == "a b/one\t12\t3\ntwo\t7\t1\n"
    assert (tmp_path / "out" / "failed.txt").read_text() == "missing.mp4\tno such file\n"
    dataset = FrameDataset(str(tmp_path / "out" / "train.csv"), data_prefix=str(tmp_path / "out"))
    assert [(clip.num_frames, clip.label) for clip in map(dataset.clip, range(2))] == [(12, 3), (7, 1)]


def test_list_of_frames_with_suffix_names_and_several_labels(source: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("run\njump\nplay guitar\n")
    (tmp_path / "val.list").write_text("two play guitar\n")
    flags = ["--suffix", ".avi", "--labels", tmp_path / "labels.txt", "--keep_suffix"]
    run("frames", source, tmp_path / "out", "--list", tmp_path / "val.list", *flags)
    assert (tmp_path / "out" / "val.list").read_text() == "two.avi 7 2\n"
    (tmp_path / "multi.list").write_text("two 0 2\n")
    run("frames", source, tmp_path / "out2", "--list", tmp_path / "multi.list", "--multi_label", "--suffix", ".avi")
    assert (tmp_path / "out2" / "multi.list").read_text() == "two 7 0 2\n"


@pytest.mark.parametrize(
    ("text", "multi_label", "lines"),
    [
        ("two.avi 0 2\na b/one.mp4 1\n", True, ["two\t7\t0 2", "a b/one\t12\t1"]),
        ("video,label,split\ntwo.avi,4,val\n", False, ["path,num_frames,label,split", "two,7,4,val"]),
        ('{"path": "two.avi", "label": []}\n', True, ["path,num_frames,label,split", "two,7,,"]),
    ],
)
def test_lists_of_frames_say_what_the_lists_of_videos_say(
    text: str, multi_label: bool, lines: list[str], source: Path, tmp_path: Path
) -> None:
    (tmp_path / "list").write_text(text)
    flags = ["--multi_label"] if multi_label else []
    run("frames", source, tmp_path / "out", "--list", tmp_path / "list", *flags)
    assert (tmp_path / "out" / "list").read_text().splitlines() == lines
    before = VideoDataset(str(tmp_path / "list"), multi_label=multi_label).records
    after = FrameDataset(str(tmp_path / "out" / "list"), multi_label=multi_label).records
    assert [(record.label, record.split) for record in after] == [(record.label, record.split) for record in before]


def test_parts_of_videos_have_no_frames(source: Path, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("path,label,start,end\ntwo.avi,0,0,\ntwo.avi,0,0.1,0.2\n")
    with pytest.raises(UserError, match=r"list:3: a part of a video \(start, end\)"):
        run("frames", source, tmp_path / "out", "--list", tmp_path / "list")


def test_folders_that_would_collide(source: Path, tmp_path: Path) -> None:
    shutil.copy(source / "two.avi", source / "two.mp4")
    with pytest.raises(UserError, match=r"two.avi and two.mp4 would both become .*/two; give --keep_suffix"):
        run("frames", source, tmp_path / "out")
    run("frames", source, tmp_path / "out", "--keep_suffix")
    assert (tmp_path / "out" / "two.avi" / "img_00007.jpg").exists()
    (source / "two.mp4").unlink()
    (tmp_path / "out" / "two").mkdir()
    (tmp_path / "out" / "two" / "mine").write_text("precious")
    run("frames", source, tmp_path / "out")  # another target than before: what is there is not ours
    assert (tmp_path / "out" / "two" / "mine").read_text() == "precious"
    with pytest.raises(UserError, match=r"b/c.mp4 would become o/b/c, inside of what b.mp4 becomes; x"):
        check_targets({"b.mp4": "o/b", "b/c.mp4": "o/b/c"}, "x")


BROKEN = {
    "text.mp4": b"this is no video",
    "empty.mp4": b"",
}


@pytest.fixture
def damaged(source: Path) -> Path:
    """A file that is no video, an empty one, a folder called like a video, and the half of one."""
    for name, content in BROKEN.items():
        (source / name).write_bytes(content)
    whole = (source / "a b" / "one.mp4").read_bytes()
    (source / "half.mp4").write_bytes(whole[: len(whole) // 2])
    return source


@pytest.mark.parametrize("what", ["frames", "transcode"])
def test_damaged_videos_are_listed_and_leave_nothing(what: str, damaged: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(what, damaged, out)
    reasons = dict(line.split("\t") for line in (out / "failed.txt").read_text().splitlines())
    assert reasons.pop("empty.mp4") == "the file is empty"
    assert set(reasons) == {"text.mp4", "half.mp4"}
    assert all(reasons.values())
    made = {path.split("/")[0] for path in tree(out)} - {"failed.txt"}
    assert made == ({"a b", "two"} if what == "frames" else {"a b", "two.mp4"})


def test_failures_that_are_mended_are_no_longer_listed(damaged: Path, tmp_path: Path) -> None:
    run("frames", damaged, tmp_path / "out")
    for name in (*BROKEN, "half.mp4"):
        (damaged / name).unlink()
    run("frames", damaged, tmp_path / "out")
    assert not (tmp_path / "out" / "failed.txt").exists()


def test_nothing_but_damaged_videos(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_bytes(b"")
    out = tmp_path / "out"
    with pytest.raises(UserError) as error:
        run("frames", tmp_path / "in", out)
    assert str(error.value) == (
        f"frames: none of 1 videos can be used, such as a.mp4: the file is empty ({out}/failed.txt)"
    )


def test_a_second_run_mends_what_is_missing_and_nothing_else(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("frames", source, out)
    before = tree(out)
    kept = (out / "two").stat().st_mtime_ns
    (out / "a b" / "one" / "img_00004.jpg").unlink()
    run("frames", source, out)
    assert tree(out) == before
    assert (out / "two").stat().st_mtime_ns == kept


def test_a_changed_video_is_done_again(source: Path, tmp_path: Path) -> None:
    run("frames", source, tmp_path / "out")
    encode(source / "two.avi", numbered(5))
    run("frames", source, tmp_path / "out")
    assert len(list((tmp_path / "out" / "two").iterdir())) == 5


def test_folders_that_others_made_are_left_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "two").mkdir(parents=True)
    (out / "two" / "img_00001.jpg").write_bytes(b"mine")
    run("frames", source, out)
    assert (out / "two" / "img_00001.jpg").read_bytes() == b"mine"
    assert (out / "failed.txt").read_text() == (
        f"two.avi\t{out}/two is there already, and is not what this run makes (7 frames); remove it\n"
    )


def test_a_video_of_the_same_name_from_elsewhere_does_not_take_the_place(source: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "out", tmp_path / "other"
    run("frames", source, out)
    other.mkdir()
    encode(other / "two.avi", numbered(4))
    encode(other / "new.avi", numbered(4))
    before = tree(out / "two")
    run("frames", other, out)
    assert tree(out / "two") == before
    assert (out / "failed.txt").read_text() == f"two.avi\t{out}/two is there already, made from {source}/two.avi\n"


def test_one_folder_one_kind_of_frames(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("frames", source, out, "--short_side", "32")
    with pytest.raises(UserError) as error:
        run("frames", source, out, "--short_side", "48")
    assert str(error.value) == (
        f"{out}: was begun with short_side 32, now it is 48; go on with the old value or choose another place"
    )


def test_out_below_source_is_not_a_source(source: Path) -> None:
    run("transcode", source, source / "small")
    run("transcode", source, source / "small")
    assert sorted(tree(source / "small")) == ["a b/one.mp4", "two.mp4"]


MISTAKES = [
    (["frames", "{in}", "{in}"], "OUT must be another folder than SOURCE"),
    (["frames", "{tmp}/none", "{tmp}/out"], "none: there is no such folder; give the one that holds the videos"),
    (["frames", "{tmp}", "{tmp}/out", "--quality", "101"], "quality must be 1 to 100, got 101"),
    (["frames", "{in}", "{tmp}/out", "--pattern", "img.jpg"], "pattern must be a file name as"),
    (["frames", "{in}", "{tmp}/out", "--pattern", "a/{:05}.jpg"], "pattern must be a file name as"),
    (["frames", "{in}", "{tmp}/out", "--pattern", "{:05}.gif"], "pattern must be a file name as"),
    (["frames", "{in}", "{tmp}/out", "--pattern", "{x}.jpg"], "pattern must be a file name as"),
    (["frames", "{in}", "{tmp}/out", "--suffix", ".avi"], "there is no list"),
    (["transcode", "{in}", "{tmp}/out", "--crf", "52"], "crf must be 0 to 51, got 52"),
    (["transcode", "{in}", "{tmp}/out", "--preset", "quick"], "preset must be one of ultrafast"),
    (["index", "{tmp}/none"], "none: the list of videos cannot be read"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_mistakes(words: list[str], message: str, source: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        run(*[word.replace("{in}", str(source)).replace("{tmp}", str(tmp_path)) for word in words])
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_lists_are_not_overwritten(source: Path, tmp_path: Path) -> None:
    (source / "train.list").write_text("two.avi 0\n")
    (tmp_path / "train.list").write_text("two.avi 0\n")
    with pytest.raises(UserError, match="the new list would overwrite"):
        run("frames", source, tmp_path, "--list", tmp_path / "train.list")
    with pytest.raises(UserError, match="the new list would overwrite"):
        run("frames", source, tmp_path / "out", "--list", tmp_path / "train.list", source / "train.list")


def test_videos_below_a_folder(tmp_path: Path) -> None:
    for name in ("b.mp4", "c/d.MKV", "c/.hidden.mp4", ".git/x.mp4", "out/e.mp4", "text.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "c" / "loop").symlink_to(tmp_path)
    assert below(tmp_path, apart_from=tmp_path / "out") == ["b.mp4", "c/d.MKV"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: there is no video in this folder"):
        below(tmp_path / "empty")


# ---- transcode


def packets(path: Path) -> tuple[list[bool], list[float]]:
    """Keyframe or not, in the order of the file, and the times of the frames as shown, seconds."""
    with av.open(str(path)) as container:
        found = [packet for packet in container.demux(video=0) if packet.size]
    return [packet.is_keyframe for packet in found], sorted(float(packet.pts * packet.time_base) for packet in found)


@pytest.mark.parametrize("keyint", [1, 4, 16])
def test_keyframes_come_at_the_asked_interval(keyint: int, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    encode(tmp_path / "in" / "v.mp4", numbered(37), keyint="250")
    run("transcode", tmp_path / "in", tmp_path / "out", "--keyint", keyint, "--crf", 0)
    keys, times = packets(tmp_path / "out" / "v.mp4")
    video = PyavVideo(str(tmp_path / "out" / "v.mp4"))
    assert [i for i, key in enumerate(keys) if key] == list(range(0, 37, keyint))
    assert video.packets is not None
    assert video.packets.closed
    np.testing.assert_allclose(np.diff(times), 1 / 25, atol=1e-4)
    assert [read_number(frame) for frame in video.read(range(37))] == list(range(37))


def variable(path: Path, ticks: list[int]) -> Path:
    """A video whose frame i is shown at ticks[i] milliseconds."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for tick, pixels in zip(ticks, numbered(len(ticks))):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


TICKS = [0, 40, 50, 130, 131, 400, 440, 470, 2000, 2040]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_frames_keep_their_times(suffix: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    variable(tmp_path / "in" / f"v{suffix}", TICKS)
    run("transcode", tmp_path / "in", tmp_path / "out")
    _, times = packets(tmp_path / "out" / "v.mp4")
    np.testing.assert_allclose(times, np.array(TICKS) / 1000, atol=1e-6)
    read = PyavVideo(str(tmp_path / "out" / "v.mp4")).read(range(len(TICKS)))
    assert [read_number(frame) for frame in read] == list(range(len(TICKS)))


@pytest.mark.parametrize("codec", ["mpeg4", "libvpx-vp9", "mjpeg", "mpeg2video", "ffv1"])
def test_other_codecs_give_the_same_frames(codec: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video = encode(tmp_path / "in" / "v.mkv", numbered(20), codec)
    run("transcode", tmp_path / "in", tmp_path / "out", "--crf", 10)
    before, after = PyavVideo(str(video)), PyavVideo(str(tmp_path / "out" / "v.mp4"))
    assert after.num_frames == before.num_frames == 20
    assert np.abs(after.read(range(20)).astype(int) - before.read(range(20))).mean() < 3
    assert after.timing.rate == pytest.approx(25)


@pytest.mark.parametrize(
    ("size", "short_side", "new"),
    [
        ((64, 96), 256, (64, 96)),
        ((64, 96), 32, (32, 48)),
        ((96, 64), 32, (48, 32)),
        ((61, 97), 0, (60, 96)),
        ((61, 97), 30, (30, 48)),
        ((100, 35), 33, (94, 32)),
    ],
)
def test_size_of_videos(size: tuple[int, int], short_side: int, new: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    frames = np.zeros((3, *size, 3), np.uint8)
    encode(tmp_path / "in" / "v.mkv", frames, "ffv1")
    run("transcode", tmp_path / "in", tmp_path / "out", "--short_side", short_side)
    assert PyavVideo(str(tmp_path / "out" / "v.mp4")).read([0]).shape == (1, *new, 3)


@given(width=st.integers(1, 2000), height=st.integers(1, 2000), short_side=st.integers(0, 400), even=st.booleans())
@settings(max_examples=100, deadline=None)
def test_fitted_sizes(width: int, height: int, short_side: int, even: bool) -> None:
    new = fitted(width, height, short_side, even)
    step = 2 if even else 1
    assert all(side % step == 0 and side >= step for side in new)
    assert all(side <= max(old, step) + even for side, old in zip(new, (width, height)))
    if 2 <= short_side < min(width, height):
        assert abs(min(new) - short_side) <= step / 2
        assert new[0] * height == pytest.approx(new[1] * width, abs=step * (width + height))


def test_a_video_on_its_side_becomes_upright(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    before = encode(tmp_path / "in" / "v.mp4", numbered(18))
    turn_on_its_side(before)
    run("transcode", tmp_path / "in", tmp_path / "out", "--crf", "0", "--short_side", "64")
    after = tmp_path / "out" / "v.mp4"
    with av.open(str(after)) as container:
        frame = next(container.decode(video=0))
        assert (frame.rotation, frame.width, frame.height) == (0, 64, 96)
    read = PyavVideo(str(after)).read(range(18))
    assert [read_number(np.rot90(frame)) for frame in read] == list(range(18))
    assert np.abs(read.astype(int) - PyavVideo(str(before)).read(range(18))).max() <= 3


COLOURS = {
    "plain": ("yuv420p", {}),
    "high definition": ("yuv420p", {"colorspace": 1, "color_primaries": 1, "color_trc": 1}),
    "full range": ("yuv420p", {"color_range": 2}),
    "full range, high definition": ("yuv420p", {"color_range": 2, "colorspace": 1}),
    "10 bit": ("yuv420p10le", {"colorspace": 1}),
    "4:4:4": ("yuv444p", {}),
    "grey": ("gray", {}),
    "RGB": ("bgr0", {}),
}


@pytest.mark.parametrize(("pixels", "tags"), COLOURS.values(), ids=COLOURS)
def test_colours_stay(pixels: str, tags: dict[str, int], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video = tmp_path / "in" / "v.mkv"
    colours = np.array([[200, 30, 40], [20, 160, 60], [30, 60, 220], [128, 128, 128], [250, 250, 250], [5, 5, 5]])
    image = np.kron(colours.reshape(2, 3, 3), np.ones((32, 32, 1))).astype(np.uint8)  # [64, 96, 3]
    with av.open(str(video), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, pixels
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    run("transcode", tmp_path / "in", tmp_path / "out", "--crf", "1")
    before, after = (PyavVideo(str(path)).read([0])[0].astype(int) for path in (video, tmp_path / "out" / "v.mp4"))
    centres = np.s_[16::32, 16::32]
    assert np.abs(before[centres] - after[centres]).max() <= 4


def test_list_of_transcoded_videos(source: Path, tmp_path: Path) -> None:
    old = tmp_path / "train.list"
    old.write_text("# mine\na b/one.mp4 3\ntwo.avi 1\nmissing.avi 0\n")
    run("transcode", source, tmp_path / "out", "--list", old)
    new = tmp_path / "out" / "train.list"
    assert new.read_text() == "# mine\na b/one.mp4 3\ntwo.mp4 1\n"
    dataset = VideoDataset(str(new), data_prefix=str(tmp_path / "out"))
    assert [PyavVideo(dataset.clip(i).path).num_frames for i in range(2)] == [12, 7]


def test_lists_keep_their_form(source: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"path": "two.avi", "label": 1, "start": 0.1}\n')
    (tmp_path / "b.csv").write_text('video,label\n"a b/one.mp4",0\n')
    (tmp_path / "c.list").write_text("two 1\n")
    run("transcode", source, tmp_path / "out", "--list", tmp_path / "a.jsonl", tmp_path / "b.csv")
    assert (tmp_path / "out" / "a.jsonl").read_text() == '{"path": "two.mp4", "label": 1, "start": 0.1}\n'
    assert (tmp_path / "out" / "b.csv").read_text() == 'video,label\n"a b/one.mp4",0\n'
    run("transcode", source, tmp_path / "out", "--list", tmp_path / "c.list", "--suffix", ".avi")
    assert (tmp_path / "out" / "c.list").read_text() == "two 1\n"


@pytest.mark.parametrize(
    ("what", "lines"),
    [("frames", "a b/one\t12\t3\ntwo\t7\t1\n"), ("transcode", "a b/one.mp4 3\ntwo.mp4 1\n")],
)
def test_absolute_paths_in_lists_stay_below_source_and_go_below_out(
    what: str, lines: str, source: Path, tmp_path: Path
) -> None:
    before, new = tree(source), tmp_path / "out" / "train.list"
    (tmp_path / "train.list").write_text(f"{source}/a b/one.mp4 3\n{source}/two.avi 1\n")
    run(what, source, tmp_path / "out", "--list", tmp_path / "train.list")
    assert tree(source) == before
    assert new.read_text() == lines
    format_of = {"frames": FrameDataset, "transcode": VideoDataset}
    dataset = format_of[what](str(new), data_prefix=str(tmp_path / "out"))
    assert [Path(dataset.clip(i).path).exists() for i in range(2)] == [True, True]
    (tmp_path / "short.list").write_text(f"{source}/two 1\n")
    run(what, source, tmp_path / "out", "--list", tmp_path / "short.list", "--suffix", ".avi")
    assert (tmp_path / "out" / "short.list").read_text() == ("two 7 1\n" if what == "frames" else "two 1\n")


@pytest.mark.parametrize("name", ["../two.avi", "/elsewhere/two.avi"])
@pytest.mark.parametrize("what", ["frames", "transcode"])
def test_listed_videos_outside_of_source(what: str, name: str, source: Path, tmp_path: Path) -> None:
    (tmp_path / "train.list").write_text(f"a b/one.mp4 3\n{name} 1\n")
    with pytest.raises(UserError, match=rf"train\.list:2: {name} is not below SOURCE \("):
        run(what, source, tmp_path / "out", "--list", tmp_path / "train.list")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "new"),
    [
        ("é.avi 1", "é.mp4 1"),
        ('{"label": 0, "path": "\\u00e9.avi"}', '{"label": 0, "path": "\\u00e9.mp4"}'),
        ('"say ""a"".avi",2', '"say ""a"".mp4",2'),
    ],
)
def test_paths_in_lists_are_renamed_however_they_are_written(line: str, new: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text(line + "\n", encoding="utf-8")
    (item,) = read_lists([tmp_path / "list"], "", None, False)
    (path,) = listed([item])
    assert renamed_lines(item, lambda path: path.replace(".avi", ".mp4"), {path}) == [new, ""]


def test_transcoded_files_are_made_once_and_again_when_damaged(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run("transcode", source, out)
    before, modified = tree(out), (out / "two.mp4").stat().st_mtime_ns
    (out / "a b" / "one.mp4").write_bytes(b"cut")
    run("transcode", source, out)
    assert tree(out) == before
    assert (out / "two.mp4").stat().st_mtime_ns == modified


def test_files_that_others_made_are_left_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    encode(out / "two.mp4", numbered(5))
    before = (out / "two.mp4").read_bytes()
    run("transcode", source, out)
    assert (out / "two.mp4").read_bytes() == before
    assert "two.avi\t" in (out / "failed.txt").read_text()


def test_options_of_the_encoder() -> None:
    options = TranscodeOptions(keyint=8, crf=20, preset="slow").encoder()
    assert (options["g"], options["keyint_min"], options["crf"], options["preset"]) == ("8", "8", "20", "slow")
    assert FrameOptions().pattern == "img_{:05}.jpg"


# ---- index


def test_index_of_a_folder(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(damaged / "two.avi", damaged / "copy.avi")
    turn_on_its_side(encode(damaged / "side.mp4", numbered(3)))
    variable(damaged / "variable.mkv", TICKS)
    run("index", damaged)
    index = VideoIndex.open(str(damaged / "index.jsonl"))
    one, side = index.facts(str(damaged / "a b" / "one.mp4")), index.facts(str(damaged / "side.mp4"))
    assert one is not None
    assert side is not None
    assert (one.frames, one.fps, one.width, one.height, one.rotation) == (12, 25.0, 96, 64, 0)
    assert (one.duration, one.decoder, one.reason, one.declared, one.variable) == (0.48, "pyav", "", 12, False)
    assert one.size == (damaged / "a b" / "one.mp4").stat().st_size
    assert len(one.sha256) == 64
    assert (side.width, side.height, side.rotation) == (64, 96, 270)
    known = {Path(path).name: facts for path, facts in index.entries.items()}
    assert known["variable.mkv"].variable
    assert known["empty.mp4"].reason == "the file is empty"
    assert (known["text.mp4"].frames, known["text.mp4"].decoder) == (0, "")
    assert known["copy.avi"].sha256 == known["two.avi"].sha256
    assert set(known) == {"one.mp4", "two.avi", "copy.avi", "side.mp4", "variable.mkv", *BROKEN, "half.mp4"}
    said = capsys.readouterr().out
    assert "index: 8 files, 0.00 hours, 39 frames; unreadable: 3, copies of another: 1" in said
    assert f"  {damaged}/copy.avi = {damaged}/two.avi" in said
    assert f"  {damaged}/empty.mp4: the file is empty" in said
    assert "of variable frame rate: 1, to be rotated: 1" in said


def test_index_of_lists(source: Path, tmp_path: Path) -> None:
    (tmp_path / "train.list").write_text("two 0\ngone 1\n")
    run("index", tmp_path / "train.list", "--data_prefix", source, "--suffix", ".avi", "--no_hash")
    rows = [json.loads(line) for line in (tmp_path / "index.jsonl").read_text().splitlines()]
    assert [(row["path"], row["frames"], row["reason"], row["sha256"]) for row in rows[1:]] == [
        ("videos/gone.avi", 0, "no such file", ""),
        ("videos/two.avi", 7, "", ""),
    ]


def times_decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that `prepare index` decodes from now on."""
    from paddlevideo.tasks.prepare import index

    names, decode = [], index.decode

    def counted(path: str, *rest: object) -> object:
        names.append(Path(path).name)
        return decode(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(index, "decode", counted)
    return names


def test_only_changed_files_are_decoded_again(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = times_decoded(monkeypatch)
    run("index", source, "--no_hash")
    assert sorted(names) == ["one.mp4", "two.avi"]
    plain = (source / "index.jsonl").read_text()
    names.clear()
    run("index", source)  # only hashes
    assert names == []
    hashed = (source / "index.jsonl").read_text()
    assert hashed != plain
    run("index", source, "--no_hash")
    assert (source / "index.jsonl").read_text() == hashed
    os.utime(source / "two.avi", ns=(0, 0))  # touched, not changed
    run("index", source)
    assert names == []
    facts = VideoIndex.open(str(source / "index.jsonl")).facts(str(source / "two.avi"))
    assert facts is not None
    assert (facts.frames, facts.modified) == (7, 0)
    encode(source / "two.avi", numbered(5))
    run("index", source)
    assert names == ["two.avi"]


def test_an_index_is_kept_up(source: Path, tmp_path: Path) -> None:
    run("index", source)
    (source / "a b" / "one.mp4").unlink()
    encode(tmp_path / "three.mp4", numbered(3))
    (tmp_path / "list").write_text("three.mp4 0\n")
    run("index", tmp_path / "list", "--data_prefix", tmp_path, "--out", source / "index.jsonl")
    index = VideoIndex.open(str(source / "index.jsonl"))
    assert sorted(Path(path).name for path in index.entries) == ["three.mp4", "two.avi"]


def test_a_damaged_index_is_made_anew_and_another_file_is_left_alone(source: Path, tmp_path: Path) -> None:
    run("index", source)
    good = (source / "index.jsonl").read_text()
    (source / "index.jsonl").write_text(good[:-20])
    run("index", source)
    assert (source / "index.jsonl").read_text() == good
    (tmp_path / "other").write_text("precious\n")
    with pytest.raises(UserError, match="other: is there already, and is no index of videos; choose another --out"):
        run("index", source, "--out", tmp_path / "other")
    assert (tmp_path / "other").read_text() == "precious\n"


def test_an_index_does_not_wait_for_pipes_and_devices(source: Path) -> None:
    os.mkfifo(source / "pipe.mp4")
    (source / "zero.mp4").symlink_to("/dev/zero")
    run("index", source)
    index = VideoIndex.open(str(source / "index.jsonl"))
    reasons = {Path(path).name: facts.reason for path, facts in index.entries.items()}
    assert reasons == {
        "one.mp4": "",
        "two.avi": "",
        "pipe.mp4": "this is a named pipe, not a video",
        "zero.mp4": "this is a device, not a video",
    }


def test_a_folder_is_no_index(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError) as error:
        run("index", source, "--out", tmp_path)
    example = tmp_path / "index.jsonl"
    assert str(error.value) == f"{tmp_path}: is a folder; --out is the file of the index, such as {example}"
    assert capsys.readouterr().out == ""  # before anything is read
    assert not list(tmp_path.parent.glob(".*.part"))


def test_names_that_are_no_text(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (b"no utf-8 \xff.mp4", b"two\nlines.mp4"):
        Path(source, os.fsdecode(name)).write_text("no video")
    run("frames", source, tmp_path / "out")
    listed = (tmp_path / "out" / "failed.txt").read_text(encoding="utf-8").splitlines()
    assert [line.split("\t")[0] for line in listed] == ["no utf-8 \\udcff.mp4", "two\\nlines.mp4"]
    run("index", source)
    said = [line.split(": ", 1)[0].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()]
    assert {"no utf-8 \\udcff.mp4", "two\\nlines.mp4"} <= set(said)


def test_settings_may_change_while_nothing_is_made(source: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.mp4").write_text("no video")
    with pytest.raises(UserError, match="none of 1 videos can be used"):
        run("frames", tmp_path / "in", tmp_path / "out")
    run("transcode", source, tmp_path / "out")
    with pytest.raises(UserError, match="out: was begun with what transcode, now it is frames; go on"):
        run("frames", source, tmp_path / "out")


def test_an_index_of_nothing_readable(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    with pytest.raises(UserError, match=r"index.jsonl: none of 1 files can be read"):
        run("index", tmp_path)
    assert len((tmp_path / "index.jsonl").read_text().splitlines()) == 2


# ---- all three, of files of all kinds


WHOLE = ["h264_edit_both.mp4", "h264_open.ts", "h264_irregular.ts", "h264_180.mp4", "h264_cover.mp4", "vp9_live.webm"]
KINDS = [*((kinds.WHOLE, name) for name in WHOLE), *((kinds.CUT, name) for name in kinds.CUT)]


@pytest.mark.parametrize(("group", "name"), KINDS, ids=[name for _, name in KINDS])
def test_all_count_the_same_frames_at_the_same_times(group: dict, name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    video = PyavVideo(str(group[name].write(tmp_path / "in" / name)))
    stem = Path(name).stem
    run("frames", tmp_path / "in", tmp_path / "frames", "--pattern", "{:03}.png")
    run("transcode", tmp_path / "in", tmp_path / "small", "--crf", "1")
    run("index", tmp_path / "in")
    facts = VideoIndex.open(str(tmp_path / "in" / "index.jsonl")).facts(str(tmp_path / "in" / name))
    assert facts is not None
    assert facts.frames == video.num_frames
    every = video.read(range(video.num_frames))
    images = FrameFolder(str(tmp_path / "frames" / stem), "{:03}.png", 0)
    assert images.num_frames == video.num_frames
    np.testing.assert_array_equal(images.read(range(video.num_frames)), every)
    small = PyavVideo(str(tmp_path / "small" / f"{stem}.mp4"))
    assert small.num_frames == video.num_frames
    assert np.abs(small.read(range(small.num_frames)).astype(int) - every).mean() < 2
    before, after = (source.timing.times * source.timing.unit for source in (video, small))
    np.testing.assert_allclose(after, before, atol=1e-4)


@pytest.mark.parametrize("name", ["h264_no_b.mp4", "mjpeg.avi", "vp9.mp4"])
def test_videos_that_are_damaged_in_the_middle_are_failures(name: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    kinds.HURT[name].write(tmp_path / "in" / name)
    encode(tmp_path / "in" / "good.mp4", numbered(3))
    for what in ("frames", "transcode"):
        run(what, tmp_path / "in", tmp_path / what)
        assert (tmp_path / what / "failed.txt").read_text().startswith(f"{name}\tdamaged after frame ")
        assert not [path for path in tree(tmp_path / what) if not path.startswith(("good", "failed.txt"))]
    run("index", tmp_path / "in")
    facts = VideoIndex.open(str(tmp_path / "in" / "index.jsonl")).facts(str(tmp_path / "in" / name))
    assert facts is not None
    assert (facts.frames, facts.decoder, facts.reason[:20]) == (0, "", "damaged after frame ")


# ---- killed, stopped, out of space: in a process of their own


PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from paddlevideo.cli import launch, prepare
if __name__ == "__main__":
    launch.start(prepare)
"""
LOTS = 8


@pytest.fixture
def lots(tmp_path: Path) -> Path:
    """Videos of about 60 frames, and the program that prepares them."""
    (tmp_path / "program.py").write_text(PROGRAM)
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(LOTS):
        encode(folder / f"{i}.mp4", numbered(60)[i:])
    return folder


def start(tmp_path: Path, *words: object, workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, str(tmp_path / "program.py"), *map(str, words), "--workers", str(workers)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path
    )


def when_two_are_done(journal: Path) -> None:
    end = time.monotonic() + 60
    while not journal.exists() or len(journal.read_bytes().splitlines()) < 3:
        assert time.monotonic() < end
        time.sleep(0.005)


def group_is_gone(process: subprocess.Popen[str]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


COMMANDS = {
    "frames": (["frames", "in", "out", "--size", "340x256"], "out/.prepare.jsonl"),
    "transcode": (["transcode", "in", "out", "--preset", "veryslow"], "out/.prepare.jsonl"),
    "index": (["index", "in", "--out", "out/index.jsonl"], "out/.index.jsonl.part"),
}


@pytest.mark.parametrize(
    ("what", "number"),
    [*((what, signal.SIGKILL) for what in COMMANDS), ("frames", signal.SIGINT)],
)
def test_stopped_half_way_and_run_again(
    what: str, number: int, lots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, journal = COMMANDS[what]
    process = start(tmp_path, *words)
    when_two_are_done(tmp_path / journal)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in said
    assert group_is_gone(process)
    left = tree(tmp_path / "out")
    assert not [name for name in left if ".part" in name and not name.endswith(".jsonl.part")]
    done = {json.loads(line)["path"] for line in (tmp_path / journal).read_bytes().splitlines()[1:]}
    assert 2 <= len(done) < LOTS
    monkeypatch.chdir(tmp_path)
    run(*words)
    run(*[word.replace("out", "whole") if word != "--out" else word for word in words])
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert all(content == tree(tmp_path / "out")[name] for name, content in left.items() if "part" not in name)


LIMITS = {"frames": 3000, "transcode": 3000, "index": 700}


@pytest.mark.parametrize("what", COMMANDS)
def test_a_full_disk(what: str, lots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words, _ = COMMANDS[what]
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({LIMITS[what]}, {LIMITS[what]}))"
    (tmp_path / "program.py").write_text(PROGRAM.replace("    launch.start", f"    {limit}\n    launch.start"))
    process = start(tmp_path, *words, workers=2 if what == "frames" else 0)
    out, said = process.communicate(timeout=60)
    assert process.returncode == 2, out + said
    assert said.startswith("error: ")
    assert "cannot be written (" in said
    assert "out/" in said
    assert len(said.splitlines()) == 1
    assert [name for name in tree(tmp_path / "out") if not name.endswith(".jsonl.part")] == []
    assert group_is_gone(process)
    monkeypatch.chdir(tmp_path)
    run(*words)


def test_two_runs_at_once(source: Path, tmp_path: Path) -> None:
    with Journal(tmp_path / "out" / ".prepare.jsonl", {}), pytest.raises(UserError) as error:
        run("frames", source, tmp_path / "out")
    assert str(error.value) == f"{tmp_path}/out: another run is writing here; wait for its end"
