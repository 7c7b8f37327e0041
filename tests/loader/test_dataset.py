"""Lists of videos: what is read, and what is said of lines that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.utils.errors import UserError


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "train.list"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_video_lines(tmp_path: Path) -> None:
    text = "# a comment\n\na.mp4 3\n  my clips/b c.mp4\t0 \n日本/動画.mp4 12\n"
    data = VideoDataset(write(tmp_path, text), data_prefix="data/k400")
    assert len(data) == 3
    assert [(data.clip(i).path, data.clip(i).label) for i in range(3)] == [
        ("data/k400/a.mp4", 3),
        ("data/k400/my clips/b c.mp4", 0),
        ("data/k400/日本/動画.mp4", 12),
    ]
    assert [record.line for record in data.records] == [3, 4, 5]


def test_video_suffix_and_no_prefix(tmp_path: Path) -> None:
    data = VideoDataset(write(tmp_path, "v_Archery_g01 2"), suffix=".avi")
    assert data.clip(0).path == "v_Archery_g01.avi"


def test_frame_lines(tmp_path: Path) -> None:
    data = FrameDataset(write(tmp_path, "some folder/x 120 7\ny 1 0\n"), data_prefix="frames", suffix="{:06d}.png")
    clip = data.clip(0)
    assert (clip.path, clip.num_frames, clip.label, clip.frame_pattern) == (
        "frames/some folder/x",
        120,
        7,
        "{:06d}.png",
    )


def test_broken_lines_are_all_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "a.mp4 1\nb.mp4\nc.mp4 -1\nd.mp4 x\ne.mp4 1.5\n5\nf.mp4 ²\ng.mp4 two\n")
    with pytest.raises(UserError) as caught:
        VideoDataset(path)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}:2: 'b.mp4'; expected 'path label'"
    assert lines[1] == f"{path}:3: 'c.mp4 -1'; expected 'path label' (the label is negative)"
    assert lines[2].endswith("('x' is no class id, and names need a file of them: DATASET.labels)")
    assert len(lines) == 6
    assert lines[-1] == "... 7 broken lines in all"


def test_a_video_list_given_to_frames(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'a.mp4 1'; expected 'folder num_frames label'"):
        FrameDataset(write(tmp_path, "a.mp4 1\n"))


def test_lists_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none.list: the list of videos cannot be read: No such file"):
        VideoDataset(str(tmp_path / "none.list"))
    with pytest.raises(UserError, match="holds no videos"):
        VideoDataset(write(tmp_path, "# nothing\n"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="not UTF-8 text"):
        VideoDataset(str(tmp_path / "binary"))


def test_check_labels(tmp_path: Path) -> None:
    path = write(tmp_path, "# x\na 0\nb 101\nc 100\nd 500\n")
    data = VideoDataset(path)
    data.check_labels(501)
    with pytest.raises(UserError) as caught:
        data.check_labels(101)
    assert str(caught.value).splitlines() == [
        f"{path}:3: label 101",
        f"{path}:5: label 500",
        "2 of 4 labels are outside 0..100 (num_classes: 101)",
    ]


@pytest.mark.parametrize("suffix", ["img.jpg", "img_{:05.jpg", "{name}.jpg", "", "{}{}.jpg"])
def test_a_frame_suffix_needs_the_place_of_a_number(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="place of its number"):
        FrameDataset(write(tmp_path, "a 1 1\n"), suffix=suffix)
