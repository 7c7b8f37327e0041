"""Folders of image files: what is read, under which names, and what is said about those that are not there."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from synthetic import numbered, read_number, write_frames

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.decode import FrameDecoder
from paddlevideo.loader.sources import frame_folder, images
from paddlevideo.loader.sources.frame_folder import FrameFolder
from paddlevideo.loader.sources.frame_names import find_frames, spans
from paddlevideo.loader.sources.images import decode_image
from paddlevideo.loader.sources.unreadable import Unreadable

RNG = np.random.default_rng(0)


def write_numbered(folder: Path, numbers: range, pattern: str = "img_{:05}.jpg") -> Path:
    """Image files of these numbers; each shows its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        cv2.imwrite(str(folder / pattern.format(number)), numbered(number + 1)[number])
    return folder


def shown(source: FrameFolder, indices: list[int]) -> list[int]:
    return [read_number(frame) for frame in source.read(indices)]


# --- reading ----------------------------------------------------------------------------------------------------------


def test_frames_are_counted_from_one_and_only_wanted_files_are_read(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", numbered(10))
    (folder / "img_00005.jpg").unlink()
    source = FrameFolder(str(folder), "img_{:05}.jpg", 10)
    assert shown(source, [9, 0, 0, 3]) == [9, 0, 0, 3]
    with pytest.raises(Unreadable, match=r"frame file img_00005.jpg is missing: frames 5 of 1..10"):
        source.read([3, 4])


def test_every_file_is_opened_once_and_no_folder_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_frames(tmp_path / "clip", numbered(6))
    opened: list[int] = []
    plain = FrameFolder.image
    monkeypatch.setattr(FrameFolder, "image", lambda self, i, room=None: (opened.append(i), plain(self, i, room))[1])
    monkeypatch.setattr(frame_folder, "find_frames", None)
    assert shown(FrameFolder(str(folder), "", 6), [5, 2, 2, 5, 0]) == [5, 2, 2, 5, 0]
    assert opened == [5, 2, 0]


def test_frame_files_that_are_not_what_they_should_be(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", numbered(3), "{:03d}.png")
    (folder / "002.png").write_bytes(b"")
    with pytest.raises(Unreadable, match=r"002.png is no image"):
        FrameFolder(str(folder), "{:03d}.png", 3).read([0, 1])
    write_frames(tmp_path / "clip", numbered(2)[:, :32], "{:03d}.png")
    with pytest.raises(Unreadable, match=r"differ in size: \[\(32, 96\), \(64, 96\)\]"):
        FrameFolder(str(folder), "{:03d}.png", 3).read([0, 2])
    (folder / "002.png").unlink()
    (folder / "002.png").mkdir()
    with pytest.raises(Unreadable, match=r"002.png cannot be read: it is not a regular file"):
        FrameFolder(str(folder), "{:03d}.png", 3).read([1])


def encoded(image: np.ndarray, suffix: str, mode: str | None = None, **options: object) -> bytes:
    if suffix == ".webp":
        options = {"lossless": True, **options}
    file = io.BytesIO()
    Image.fromarray(image, mode).save(file, {".jpg": "jpeg"}.get(suffix, suffix[1:]), **options)
    return file.getvalue()


COLOUR = cv2.GaussianBlur(RNG.integers(0, 256, (24, 40, 3), dtype=np.uint8), (7, 7), 0)
WITH_ALPHA = np.dstack([COLOUR, COLOUR[..., :1]])


@pytest.mark.parametrize(
    ("image", "suffix", "expected"),
    [
        (COLOUR, ".png", COLOUR),
        (COLOUR, ".webp", COLOUR),
        (COLOUR, ".bmp", COLOUR),
        (COLOUR[..., 0], ".png", np.repeat(COLOUR[..., :1], 3, axis=2)),
        (WITH_ALPHA, ".png", COLOUR),
        (WITH_ALPHA, ".webp", COLOUR),
        (COLOUR[..., 0].astype(np.uint16) * 257, ".png", np.repeat(COLOUR[..., :1], 3, axis=2)),
    ],
)
def test_any_image_becomes_eight_bit_rgb(tmp_path: Path, image: np.ndarray, suffix: str, expected: np.ndarray) -> None:
    (tmp_path / f"7{suffix}").write_bytes(encoded(image, suffix, **({"exact": True} if suffix == ".webp" else {})))
    (tmp_path / f"1{suffix}").write_bytes(encoded(image, suffix))
    frames = FrameFolder(str(tmp_path), f"{{}}{suffix}", 7).read([6])
    assert frames.dtype == np.uint8
    np.testing.assert_array_equal(frames[0], expected)


def test_without_the_newer_flag_of_opencv_colours_are_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1.jpg").write_bytes(encoded(COLOUR, ".jpg", quality=95))
    found = FrameFolder(str(tmp_path), "{}.jpg", 1).read([0])
    monkeypatch.setattr(images, "JPEG", None)
    monkeypatch.setattr(images, "RGB", None)
    monkeypatch.setattr(images, "FLAGS", cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    np.testing.assert_array_equal(FrameFolder(str(tmp_path), "{}.jpg", 1).read([0]), found)
    assert np.abs(found[0].astype(int) - COLOUR).mean() < 4


def test_frames_are_read_as_stored_whatever_the_camera_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    (tmp_path / "1.jpg").write_bytes(encoded(COLOUR, ".jpg", exif=exif))
    (tmp_path / "2.jpg").write_bytes(encoded(COLOUR, ".jpg"))
    first, second = FrameFolder(str(tmp_path), "{}.jpg", 2).read([0, 1])
    np.testing.assert_array_equal(first, second)
    assert first.shape == (24, 40, 3)


JPEGS = {
    "4:4:4": encoded(COLOUR, ".jpg", quality=100, subsampling=0),
    "4:2:2": encoded(COLOUR, ".jpg", quality=80, subsampling=1),
    "4:2:0": encoded(COLOUR, ".jpg", quality=30, subsampling=2),
    "odd size": encoded(COLOUR[:23, :37], ".jpg"),
    "one pixel": encoded(COLOUR[:1, :1], ".jpg"),
    "progressive": encoded(COLOUR, ".jpg", progressive=True),
    "restarts": encoded(COLOUR, ".jpg", restart_marker_rows=1),
    "grey": encoded(COLOUR[..., 0], ".jpg"),
    "cmyk": encoded(WITH_ALPHA, ".jpg", mode="CMYK"),
}


def by_opencv(data: bytes) -> np.ndarray | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if image is None else image[..., ::-1]


@pytest.mark.parametrize("kind", JPEGS)
def test_jpeg_files_give_the_pixels_that_opencv_gives(kind: str) -> None:
    data, expected = JPEGS[kind], by_opencv(JPEGS[kind])
    assert expected is not None
    height, width = expected.shape[:2]
    np.testing.assert_array_equal(decode_image(data), expected)
    for more in (0, 1, -1):  # into room of this size, of more than that, of less
        room = np.zeros((max(1, height + more), width, 3), np.uint8)
        np.testing.assert_array_equal(decode_image(data, room), expected)
    for end in (0.5, 0.9):
        cut = data[: int(len(data) * end)]
        found, expected = decode_image(cut), by_opencv(cut)
        assert (found is None) == (expected is None)
        if found is not None:
            np.testing.assert_array_equal(found, expected)


@given(st.sampled_from(sorted(JPEGS)), st.lists(st.tuples(st.integers(2, 2000), st.integers(0, 255)), max_size=3))
@settings(deadline=None, max_examples=150)
def test_damaged_jpeg_files_are_opencvs_to_judge(kind: str, changes: list[tuple[int, int]]) -> None:
    data = bytearray(JPEGS[kind])
    for place, value in changes:
        data[place % len(data)] = value
    found, expected = decode_image(bytes(data)), by_opencv(bytes(data))
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_array_equal(found, expected)


def test_jpeg_files_of_one_clip_may_not_differ_in_size(tmp_path: Path) -> None:
    for number, size in ((1, (24, 40)), (2, (20, 40))):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(COLOUR[: size[0], : size[1]], ".jpg"))
    with pytest.raises(Unreadable, match=r"differ in size: \[\(20, 40\), \(24, 40\)\]"):
        FrameFolder(str(tmp_path), "{}.jpg", 2).read([0, 1])


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize(
    "pattern",
    ["img_{:05}.jpg", "{:05}.jpg", "{:06}.jpg", "{:04}.png", "frame{:03}.jpeg", "{}.webp", "v_A-1_g01_{:04}.JPG"],
)
@pytest.mark.parametrize("counted", [True, False])
def test_names_are_found_from_the_files(tmp_path: Path, pattern: str, first: int, counted: bool) -> None:
    folder = write_numbered(tmp_path / "clip", range(first, first + 12), pattern)
    (folder / "notes.txt").write_text("3 4")
    (folder / ".hidden_00001.jpg").write_bytes(b"")
    source = FrameFolder(str(folder), "", 12 if counted else 0)
    assert (source.pattern, source.first, source.num_frames) == (pattern, first, 12)
    assert shown(source, [0, 11, 4]) == [first, first + 11, first + 4]


@pytest.mark.parametrize("first", [0, 1])
def test_a_named_pattern_counts_from_zero_where_the_files_do(tmp_path: Path, first: int) -> None:
    folder = write_numbered(tmp_path / "clip", range(first, first + 4), "{:03d}.jpg")
    for count in (4, 0):
        source = FrameFolder(str(folder), "{:03d}.jpg", count)
        assert source.num_frames == 4
        assert shown(source, [0, 3]) == [first, first + 3]


def test_one_more_frame_than_counted_does_not_move_the_others(tmp_path: Path) -> None:
    folder = write_numbered(tmp_path / "clip", range(5))
    assert shown(FrameFolder(str(folder), "img_{:05}.jpg", 4), [0, 3]) == [1, 4]


def test_optical_flow_beside_the_usual_frames_is_no_riddle(tmp_path: Path) -> None:
    folder = write_numbered(tmp_path / "clip", range(1, 4))
    write_numbered(folder, range(1, 4), "flow_x_{:05}.jpg")
    assert FrameFolder(str(folder), "", 0).pattern == "img_{:05}.jpg"
    write_numbered(tmp_path / "flow", range(1, 4), "flow_x_{:05}.jpg")
    write_numbered(tmp_path / "flow", range(1, 4), "flow_y_{:05}.jpg")
    with pytest.raises(Unreadable, match=r"in 2 ways \(flow_x_00001.jpg and flow_y_00001.jpg\); say which with suffix"):
        FrameFolder(str(tmp_path / "flow"), "", 0)
    assert FrameFolder(str(tmp_path / "flow"), "flow_y_{:05}.jpg", 0).num_frames == 3


def test_a_folder_that_grows_is_listed_anew(tmp_path: Path) -> None:
    folder = write_numbered(tmp_path / "clip", range(1, 4), "{:04}.jpg")
    assert FrameFolder(str(folder), "", 0).num_frames == 3
    write_numbered(folder, range(4, 5), "{:04}.jpg")
    assert FrameFolder(str(folder), "", 0).num_frames == 4


@pytest.mark.parametrize(
    ("there", "pattern", "count", "reason"),
    [
        ([1, 2, 3], "", 5, r"the list counts 5 frames, the folder holds 3: img_00004.jpg is missing"),
        ([1, 2, 3], "img_{:05}.jpg", 5, r"the list counts 5 frames, the folder holds 3: img_00004.jpg is missing"),
        ([0, 1, 2], "", 5, r"the list counts 5 frames, the folder holds 3: img_00003.jpg is missing"),
        ([1, 2, 4, 8], "", 0, r"frames 3, 5-7 are missing of 1..8 \(img_\{:05\}.jpg\)"),
        ([3, 4], "", 0, r"frames 1-2 are missing of 1..4"),
        ([1, 2, 4], "img_{:05}.jpg", 5, r"frames 3 are missing of 1..4"),
        ([], "", 5, r"there is no numbered image in this folder of 0 files"),
        ([1], "{:05}.png", 5, r"there is no 00001.png in this folder of 1 files"),
        ([1], "", -1, r"the list counts -1 frames"),
    ],
)
def test_what_is_missing_is_said(tmp_path: Path, there: list[int], pattern: str, count: int, reason: str) -> None:
    for number in there:
        (tmp_path / f"img_{number:05}.jpg").write_bytes(b"x")
    with pytest.raises(Unreadable, match=reason) as error:
        FrameFolder(str(tmp_path), pattern, count)
    assert error.value.path == str(tmp_path)


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name, why in (("none", "No such file"), ("file", "Not a directory")):
        for pattern in ("", "{}.jpg"):
            with pytest.raises(Unreadable, match=f"no such folder of frames .{why}"):
                FrameFolder(str(tmp_path / name), pattern, 3)


def test_gaps_in_words() -> None:
    assert spans([5, 9, 10, 11, 12]) == "5, 9-12"
    assert spans(range(0, 20, 2)) == "0, 2, 4, 6, 8, 10 and 4 more gaps"


@given(
    st.text(st.sampled_from("ab_{}-1. "), max_size=5),
    st.integers(1, 6),
    st.integers(0, 1),
    st.integers(1, 12),
    st.sampled_from([".jpg", ".png"]),
)
@settings(deadline=None, max_examples=60)
def test_any_prefix_and_width(
    tmp_path_factory: pytest.TempPathFactory, before: str, width: int, first: int, count: int, suffix: str
) -> None:
    before = before.rstrip("1").lstrip(".")
    folder = tmp_path_factory.mktemp("names")
    for number in range(first, first + count):
        (folder / f"{before}{number:0{width}}{suffix}").write_bytes(b"")
    found = find_frames(str(folder))
    assert (found.first, found.last, found.missing) == (min(first, 1), first + count - 1, ())
    for number in range(first, first + count):
        assert (folder / found.pattern.format(number)).exists()


# --- the decode step --------------------------------------------------------------------------------------------------


def test_frame_decoder_takes_count_and_pattern_from_the_clip(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", numbered(3))
    clip = FrameDecoder()(Clip(str(folder), num_frames=3, frame_pattern="img_{:05}.jpg"), RNG)
    assert clip.source is not None
    assert read_number(clip.source.read([2])[0]) == 2
    (tmp_path / "a.mp4").write_bytes(b"x")
    for pattern in ("", "img_{:05}.jpg"):
        with pytest.raises(Unreadable, match="this is a file, not a folder of frames; videos are read by VideoDecoder"):
            FrameDecoder()(Clip(str(tmp_path / "a.mp4"), frame_pattern=pattern), RNG)


def test_frame_decoder_finds_what_the_list_does_not_say(tmp_path: Path) -> None:
    folder = write_frames(tmp_path / "clip", numbered(5), "{:06d}.png")
    clip = FrameDecoder()(Clip(str(folder)), RNG)
    assert clip.source is not None
    assert clip.num_frames == clip.source.num_frames == 5
    assert [read_number(frame) for frame in clip.source.read([4, 0])] == [4, 0]
    part = FrameDecoder()(Clip(str(folder), offset=3), RNG)
    assert part.source is not None
    assert part.num_frames == 2
    assert [read_number(frame) for frame in part.source.read([0, 1])] == [3, 4]
