"""Lists in every layout: what is read, and what is said of lines that cannot be."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.loader.class_names import ClassNames, read_names
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.loader.list_columns import Form, Record
from paddlevideo.loader.lists import read_list
from paddlevideo.utils.errors import UserError

NAMES = "pouring tea\npouring coffee\ntea\nhigh_jump\nHigh Jump\n7\n"
FRAMES = Form(("path", "total", "label"), "folder num_frames label", ("name", "split", "offset"), ())


def write(tmp_path: Path, text: str | bytes, name: str = "train.list") -> str:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


def videos(tmp_path: Path, text: str, **arguments: object) -> list[tuple[str, int | tuple[int, ...]]]:
    data = VideoDataset(write(tmp_path, text), **arguments)  # type: ignore[arg-type]
    return [(data.clip(i).path, data.clip(i).label) for i in range(len(data))]


def message(tmp_path: Path, text: str | bytes, **arguments: object) -> str:
    """The error, without the folder of the list."""
    path = write(tmp_path, text)
    with pytest.raises(UserError) as caught:
        VideoDataset(path, **arguments)  # type: ignore[arg-type]
    assert str(caught.value).startswith(path)
    return str(caught.value).replace(str(tmp_path) + "/", "")


@pytest.mark.parametrize(
    "text",
    [
        "my clips/a.mp4 3\nb,c.mp4 0\n",
        "my clips/a.mp4\t3\r\nb,c.mp4\t0\r\n",
        'my clips/a.mp4,3\n"b,c.mp4", 0\n',
        "path label\nmy clips/a.mp4 3\nb,c.mp4 0\n",
        'Label,File Name\n3,my clips/a.mp4\n0,"b,c.mp4"\n',
        "class_id\tvideo\n# a comment\n3\tmy clips/a.mp4\n\n0\tb,c.mp4\n",
        "\ufefflabel video\n3 my clips/a.mp4\n0 b,c.mp4\n",
        '{"path": "my clips/a.mp4", "label": 3}\n{"label": "0", "path": "b,c.mp4"}\n',
    ],
    ids=["spaces", "tabs", "commas", "spaces+header", "commas+header", "tabs+header", "path last", "json"],
)
def test_every_layout_gives_the_same_records(text: str, tmp_path: Path) -> None:
    assert videos(tmp_path, text) == [("my clips/a.mp4", 3), ("b,c.mp4", 0)]


@pytest.mark.parametrize(
    ("line", "path", "label"),
    [
        ("Smith, John/v 1.mp4 3", "Smith, John/v 1.mp4", 3),  # a comma in every line does not make it a table
        ("my a.mp4, 3", "my a.mp4", 3),
        ("/data/abseiling/x.mp4 0", "/data/abseiling/x.mp4", 0),  # SlowFast's train.csv
        ("a  b.mp4   12", "a  b.mp4", 12),
        ('"quoted, name.mp4",2', "quoted, name.mp4", 2),
        ('"as it is.mp4" 2', '"as it is.mp4"', 2),
    ],
)
def test_what_parts_the_columns(line: str, path: str, label: int, tmp_path: Path) -> None:
    assert videos(tmp_path, line) == [(path, label)]


def test_frame_lists(tmp_path: Path) -> None:
    """PaddleVideo's Kinetics list of folders that end in .mp4, mit's and SlowFast's forms, and folders with spaces."""
    text = "abseiling/_4YTwq0-73Y_000044_000054.mp4 300 0\nsome folder/x 7 120 7\n"
    path = write(tmp_path, text)
    assert read_list(path, FRAMES) == [
        Record("abseiling/_4YTwq0-73Y_000044_000054.mp4", 0, 300, 1),
        Record("some folder/x 7", 7, 120, 2),
    ]
    clips = FrameDataset(write(tmp_path, "x 5 120 7\ny z 0 40 1\n"), with_offset=True)
    found = [(clip.path, clip.offset, clip.num_frames, clip.label) for clip in map(clips.clip, range(2))]
    assert found == [("x", 5, 120, 7), ("y z", 0, 40, 1)]
    assert read_list(write(tmp_path, "my x,120,7\ny,40,1\n"), FRAMES) == [
        Record("my x", 7, 120, 1),
        Record("y", 1, 40, 2),
    ]
    header = FrameDataset(write(tmp_path, "frame_dir,label,start_frame,num_frames\nx,7,5,120\ny,1,,\n"))
    found = [(clip.path, clip.offset, clip.num_frames, clip.label) for clip in map(header.clip, range(2))]
    assert found == [("x", 5, 120, 7), ("y", 0, 0, 1)]
    assert clips.clip(0).frame_pattern == ""


@pytest.fixture
def labels(tmp_path: Path) -> str:
    return write(tmp_path, NAMES, "labels.txt")


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("a b.mp4 pouring coffee", 1),
        ("a.mp4 pouring_coffee", 1),
        ("a.mp4\tPouring  Tea", 0),
        ("a.mp4\ttea", 2),
        ("a.mp4,high_jump", 3),
        ('a.mp4,"High Jump"', 4),
        ('{"path": "a.mp4", "class": "tea"}', 2),
        ("path,name\na.mp4,pouring tea", 0),
        ("path name\na b.mp4 pouring coffee", 1),
        ("name path\nhigh_jump a b.mp4", 3),
        ("path,label,name\na.mp4,2,tea", 2),
        ("a.mp4 3", 3),
    ],
)
def test_class_names(text: str, label: int, tmp_path: Path, labels: str) -> None:
    assert [found for _, found in videos(tmp_path, text, labels=labels)] == [label]


def test_class_names_given_themselves(tmp_path: Path) -> None:
    names = ["tea", "pouring tea"]
    assert videos(tmp_path, "a.mp4\tpouring tea\n", labels=names) == [("a.mp4", 1)]
    assert "is no class of the names given as labels" in message(tmp_path, "a.mp4 coffee\n", labels=names)


def test_class_names_of_frames(tmp_path: Path, labels: str) -> None:
    """The number before it shows where the name begins."""
    data = FrameDataset(write(tmp_path, "my dir 120 pouring tea\nx 40 tea\n"), labels=labels)
    assert [(record.path, record.num_frames, record.label) for record in data.records] == [
        ("my dir", 120, 0),
        ("x", 40, 2),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.mp4 pouring tea", "the label may be 'tea' or 'pouring tea'; part the columns by tabs"),
        ("path name\na.mp4 pouring tea", "the label may be 'tea' or 'pouring tea'; part the columns by tabs"),
        ("a.mp4\tHIGH JUMP", "'HIGH JUMP' may mean 'high_jump' or 'High Jump' of"),
        ("a.mp4\tpouring the", "did you mean 'pouring tea'?"),
        ("a.mp4 7", "'7' may be an id or the name of class 5; give ids"),
        ("path,label,name\na.mp4,1,tea", "the label is 1, but 'tea' is class 2"),
    ],
)
def test_class_names_that_are_not_clear(text: str, said: str, tmp_path: Path, labels: str) -> None:
    assert said in message(tmp_path, text, labels=labels)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a.mp4\n", "train.list:1: 'a.mp4'; expected 'path label'"),
        ("a.mp4\t1\nb.mp4\t1\t2\n", "train.list:2: 'b.mp4 1 2'; expected 'path <tab> label'"),
        ("a.mp4,1\nb.mp4,1,2\n", "train.list:2: 'b.mp4,1,2'; expected 'path,label'"),
        ("path,label\na,1\nb\n", "train.list:3: 'b'; expected 'path,label'"),
        ('path,label\n"a,1\n', "train.list:2: '\"a,1'; expected 'path,label' (unexpected end of data)"),
        ("a.mp4 -2\n", "train.list:1: 'a.mp4 -2'; expected 'path label' (the label is negative)"),
        (
            "a.mp4,tea\n",
            "train.list:1: 'a.mp4,tea'; expected 'path,label' ('tea' is no class id, and names need",
        ),
        ("a.mp4 " + "9" * 19, "is no class id"),
        ("path,label,class\na,1,1\n", "'label' and 'class' both name the label"),
        ("label,youtube_id,time_start\na,b,1\n", "no column says where the video is: path, file or video"),
        ("path,split\na,train\n", "there is no column label, nor name"),
        ("path,label,offset\na,1,5\n", "column offset is of no use to this data set, which takes end, label, name"),
        ("path,label\n", "the list holds no videos, only a header; expected lines 'path,label'"),
        ("path,label\n,1\n", "(no path)"),
        ("path,label\na,\n", "(no label)"),
        ("path,label,start,end\na,1,5,2\n", "(it ends at 2 s, which is not after its start at 5 s)"),
        ("path,label,start\na,1,soon\n", "(start 'soon' is no time in seconds)"),
        ('{"path": "a", "label": true}', "(True is neither text nor a number)"),
        ('{"path": "a"}', "there is no column label"),
        ('{"path": 3, "label": 1}', "(no path)"),
        ('{"path": "a", "label": 1', 'expected \'{"path": "...", "label": 0}\' (it is no JSON object)'),
        ('{"path": "a", "file": "b", "label": 1}', "'path' and 'file' both name the path"),
        ("# nothing\n\n", "the list holds no videos; expected lines 'path label'"),
        (b"a.mp4 \xe9\n", "the list of videos cannot be read: it is not UTF-8 text (byte 6)"),
        (b"\x00\x00\x00 ftypisom\x00", "cannot be read: it is no text (it holds zero bytes)"),
        ("a 0\n", "label 0, but they count from 1"),
    ],
)
def test_faults_are_named(text: str | bytes, said: str, tmp_path: Path) -> None:
    arguments = {"first_label": 1} if "count from 1" in said else {}
    found = message(tmp_path, text, **arguments)
    assert said in found and found.startswith("train.list") and "\n" not in found


def test_a_folder_in_place_of_the_list(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"videos cannot be read: Is a directory"):
        VideoDataset(str(tmp_path))


def test_the_first_five_faults_are_shown_and_all_counted(tmp_path: Path) -> None:
    text = "path,label\na,0\n" + "".join(f"b{i},-1\n" for i in range(9))
    lines = message(tmp_path, text).splitlines()
    assert [line.split(":")[1] for line in lines[:5]] == ["3", "4", "5", "6", "7"]
    assert lines[5:] == ["... 9 broken lines in all"]


def test_columns_that_mean_nothing_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "paddlevideo"):
        assert videos(tmp_path, "path,label,notes,num_frames,is_cc\na,1,x,300,0\n") == [("a", 1)]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path}/train.list: columns that are not used: notes, is_cc"
    ]


def test_labels_that_count_from_1(tmp_path: Path) -> None:
    assert videos(tmp_path, "a 1\nb 3\n", first_label=1) == [("a", 0), ("b", 2)]
    data = VideoDataset(write(tmp_path, "a 1\nb 2\nc 3\n"))
    with pytest.raises(UserError) as caught:
        data.check_labels(3)
    assert str(caught.value).splitlines() == [
        f"{tmp_path}/train.list:3: label 3",
        "1 of 3 labels are outside 0..2 (num_classes: 3); they seem to count from 1: set first_label: 1 beside "
        "file_path",
    ]


MULTI = [
    ("my a.mp4 1 5\nb.mp4 0\n", [("my a.mp4", (1, 5)), ("b.mp4", (0,))]),
    ("a.mp4\t1\t5\nb.mp4\t0\n", [("a.mp4", (1, 5)), ("b.mp4", (0,))]),
    ("my a.mp4,1,5\nb.mp4,0\n", [("my a.mp4", (1, 5)), ("b.mp4", (0,))]),
    ("a.mp4\t5 1 5\nb.mp4\t0\n", [("a.mp4", (5, 1)), ("b.mp4", (0,))]),
    ("path,labels\na.mp4,1 5\nb.mp4,\n", [("a.mp4", (1, 5)), ("b.mp4", ())]),
    ('path,labels\na.mp4,"tea;pouring tea"\nb.mp4,high_jump|3\n', [("a.mp4", (2, 0)), ("b.mp4", (3,))]),
    ('{"path": "a.mp4", "labels": [1, "tea"]}\n{"path": "b.mp4", "label": []}\n', [("a.mp4", (1, 2)), ("b.mp4", ())]),
]


@pytest.mark.parametrize(("text", "expected"), MULTI)
def test_several_labels(text: str, expected: list, tmp_path: Path, labels: str) -> None:
    assert videos(tmp_path, text, labels=labels, multi_label=True) == expected


def test_several_labels_of_frames(tmp_path: Path) -> None:
    data = FrameDataset(write(tmp_path, "my dir 120 4 7\n9 30 1\n"), multi_label=True)
    found = [(clip.path, clip.num_frames, clip.label) for clip in map(data.clip, range(2))]
    assert found == [("my dir", 120, (4, 7)), ("9", 30, (1,))]
    with pytest.raises(UserError, match=r"'dir 120'; expected 'folder num_frames label \[label \.\.\.\]'"):
        FrameDataset(write(tmp_path, "dir 120\n"), multi_label=True)


def test_several_labels_are_asked_for(tmp_path: Path) -> None:
    """Without multi_label a list of them does not read as something else: only the last number is a label."""
    assert "expected 'path,label'" in message(tmp_path, "a.mp4,1,5\nb.mp4,0,2\n")
    assert "(['1', '5'] is neither text nor a number)" in message(tmp_path, '{"path": "a", "label": ["1", "5"]}')


def test_a_list_that_may_be_read_in_two_ways(tmp_path: Path) -> None:
    said = message(tmp_path, "clip 3,1,5\n", multi_label=True)
    assert "line 1 may be of the path 'clip 3' or 'clip'; add a header line" in said


def test_several_labels_outside_the_classes(tmp_path: Path) -> None:
    data = VideoDataset(write(tmp_path, "a 0 9\nb 1\nc 2 0\n"), multi_label=True)
    with pytest.raises(UserError, match=r"train.list:1: label 9\n1 of 3 labels are outside 0..2"):
        data.check_labels(3)


SPLIT = "path,label,split\n" + "".join(f"{i}.mp4,{i % 2},{'val' if i > 5 else 'train'}\n" for i in range(8))


def test_the_column_split(tmp_path: Path) -> None:
    assert videos(tmp_path, SPLIT, split="val") == [("6.mp4", 0), ("7.mp4", 1)]
    assert "its column split says 'train', 'val'; choose with split: train" in message(tmp_path, SPLIT)
    assert "no line is of split: test; found: 'train', 'val'" in message(tmp_path, SPLIT, split="test")
    assert "no line is of split: test; found: no such column" in message(tmp_path, "a 1\n", split="test")
    assert len(videos(tmp_path, SPLIT.replace("val", "train"))) == 8, "one split alone needs no choice"


def test_clip_times(tmp_path: Path) -> None:
    data = VideoDataset(write(tmp_path, "path,start,end,label\na.mp4,1.5,4,0\nb.mp4,2,,1\nc.mp4,,,1\n"))
    clips = [data.clip(i) for i in range(3)]
    assert [(clip.start, clip.end) for clip in clips] == [(1.5, 4.0), (2.0, None), (0.0, None)]


PATHS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1).filter(
    lambda text: text.strip() == text and "\ufeff" not in text and not text.startswith(("#", "{", '"'))
)
ROWS = st.lists(st.tuples(PATHS, st.integers(0, 10**9)), min_size=1, max_size=6)


@settings(deadline=None, max_examples=150)
@given(ROWS, st.sampled_from(["commas", "tabs", "json", "spaces"]), st.booleans())
def test_what_is_written_is_read(rows: list[tuple[str, int]], layout: str, header: bool) -> None:
    buffer = io.StringIO()
    separators = {"commas": ",", "tabs": "\t"}
    if layout in separators:
        writer = csv.writer(buffer, delimiter=separators[layout], lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([("path", "label")] * header + rows)
    elif layout == "json":
        buffer.writelines(json.dumps({"path": path, "label": label}) + "\n" for path, label in rows)
    else:
        if any(path.endswith(",") for path, _ in rows):
            return  # refused: see the table of separators
        buffer.writelines(["path label\n"] * header + [f"{path} {label}\n" for path, label in rows])
    assert read(buffer.getvalue(), Form()) == rows


def read(text: str | bytes, form: Form) -> list[tuple[str, int]]:
    """(path, label) of the lines of a text."""
    with tempfile.TemporaryDirectory() as folder:
        found = read_list(write(Path(folder), text), form)
    return [(record.path, record.label) for record in found]  # type: ignore[misc]


PIECES = st.sampled_from(
    ["path", "label", ",", "\t", " ", "\n", '"', "{", "}", "[", ":", "-1", "3", "a.mp4", "#", "\0"]
)
TEXTS = st.one_of(st.binary(max_size=60), st.text(max_size=60), st.lists(PIECES, max_size=30).map("".join))


@settings(deadline=None, max_examples=300)
@given(TEXTS, st.booleans(), st.booleans(), st.booleans())
def test_no_text_raises_anything_but_a_user_error(text: str | bytes, frames: bool, several: bool, named: bool) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    classes = ClassNames(NAMES.splitlines(), "labels.txt") if named else None
    form = replace(FRAMES if frames else Form(), multi_label=several, classes=classes)
    try:
        assert read(data, form)
    except UserError as error:
        assert len(str(error).split("\n")) <= 6


@pytest.mark.parametrize("start", ["[", '{"path": [', '{"label": 9', "a 9"])
def test_texts_that_break_parsers(start: str, tmp_path: Path) -> None:
    """Nesting without end, and numbers of more digits than Python reads."""
    assert len(message(tmp_path, start + start[-1] * 100_000)) < 500


@settings(deadline=None, max_examples=100)
@given(TEXTS)
def test_no_label_file_raises_anything_but_a_user_error(text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        try:
            names = read_names(write(Path(folder), data))
        except UserError:
            return
    assert len(set(names)) == len(names)
