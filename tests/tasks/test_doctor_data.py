"""The checks of lists, files and what is in them, on small trees made for each."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from synthetic import encode, numbered, turn_on_its_side, write_frames

from paddlevideo.tasks import schema
from paddlevideo.tasks.doctor import config_checks, decode_checks, file_checks, label_checks, leakage
from paddlevideo.tasks.doctor.finding import Finding
from paddlevideo.tasks.doctor.probe import Seen
from paddlevideo.tasks.doctor.splits import SplitList, open_splits

CONFIG = """
MODEL:
  framework: Recognizer2D
  backbone: {{name: ConvNet, channels: [8], num_seg: 4}}
  head: {{name: TSMHead, num_classes: {classes}, in_channels: 8}}
DATASET:
  batch_size: 2
{splits}
PIPELINE:
{pipelines}
model_name: Small
"""
PIPELINE = """
  {split}:
    decode: {{name: {decoder}}}
    sample: {{name: Sampler, num_seg: 4, select_left: True}}
    transform: {transform}
"""
CROP = "[{CenterCrop: {target_size: 48}}]"
Lines = Sequence[str]


class Tree:
    """A folder with lists, files and a config for them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = folder / "files"
        self.files.mkdir()
        self.classes = 3
        self.lists: dict[str, list[str]] = {}
        self.extra: dict[str, str] = {}
        self.frames = False
        self.transform = CROP
        self.decoder = "VideoDecoder"

    def write(self, name: str, content: bytes = b"video") -> Path:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def listing(self, split: str, lines: Lines, extra: str = "") -> None:
        """A list, and keys of its data set."""
        self.lists[split], self.extra[split] = list(lines), extra

    def splits(self) -> tuple[list[SplitList], list[Finding], list[str]]:
        """The opened lists, what was found at that, and the names of the classes."""
        kind, decoder = ("FrameDataset", "FrameDecoder") if self.frames else ("VideoDataset", self.decoder)
        sections = []
        for split, lines in self.lists.items():
            (self.folder / f"{split}.list").write_text("\n".join(lines) + "\n")
            keys = f"file_path: {self.folder / split}.list, data_prefix: {self.files}"
            extra = self.extra[split]
            keys = extra if "file_path" in extra else f"{keys}, {extra}" if extra else keys
            keys = extra if "format" in extra else f"format: {kind}, {keys}"
            sections.append(f"  {split}: {{{keys}}}")
        pipelines = [PIPELINE.format(split=s, decoder=decoder, transform=self.transform) for s in self.lists]
        path = self.folder / "config.yaml"
        path.write_text(CONFIG.format(classes=self.classes, splits="\n".join(sections), pipelines="\n".join(pipelines)))
        cfg = schema.load(path).root
        return *open_splits(cfg), config_checks.names_of(cfg)

    def only(self) -> SplitList:
        """The one list there is."""
        ((split,), _, _) = self.splits()
        return split

    def labels(self) -> list[Finding]:
        """What the labels of the first list give rise to, but for what is in order."""
        (split, *_), _, names = self.splits()
        return [item for item in label_checks.check(split, names) if item.level != "ok"]

    def looked(self, frames: int | None = 2, videos: int | None = None) -> list[Finding]:
        """What decoding the only list's files gives rise to, in this process."""
        split = self.only()
        present, _ = file_checks.check(split)
        pairs = decode_checks.looked_at(split, [one.entry for one in present], frames, videos, workers=0)
        return list(decode_checks.check(split, pairs, frames))

    def leaks(self) -> list[Finding]:
        splits, _, _ = self.splits()
        return list(leakage.check([(split, file_checks.check(split)[0]) for split in splits], workers=2))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def worth_saying(findings: list[Finding]) -> list[Finding]:
    """Without what is in order, and the two lines that every list gets."""
    return [
        item
        for item in findings
        if item.level != "ok" and " frames, median " not in item.what and "a clip is prepared in" not in item.what
    ]


# --- lists ------------------------------------------------------------------------------------------------------------


def test_a_list_that_cannot_be_read_is_one_finding(tree: Tree) -> None:
    tree.listing("train", ["a.mp4 0", "a.mp4 zero", "b.mp4"])
    splits, (item,), _ = tree.splits()
    assert splits == [] and (item.level, item.where) == ("error", "DATASET.train")
    assert f"{tree.folder}/train.list:2: 'a.mp4 zero'" in item.what and "train.list:3: 'b.mp4'" in item.what


def test_one_list_for_valid_and_test_is_opened_once(tree: Tree) -> None:
    for split in ("train", "valid", "test"):
        tree.listing(split, ["a.mp4 0"], f"file_path: {tree.folder / 'valid.list'}")
    splits, (item,), _ = tree.splits()
    assert [split.names for split in splits] == [["train"], ["valid", "test"]]
    assert item == Finding("note", "DATASET.test", "reads the same list as DATASET.valid")


LABELS = {
    "in order": (3, [0, 1, 2, 2], []),
    "outside": (
        3,
        [0, 1, 2, 7, 5],
        [
            Finding(
                "error",
                "DATASET.train",
                "2 of 5 labels are outside 0..2: label 7 in line 4, label 5 in line 5",
                "correct them, or -o MODEL.head.num_classes=8",
            )
        ],
    ),
    "from one": (
        3,
        [1, 2, 3, 3],
        [
            Finding(
                "error",
                "DATASET.train",
                "labels run from 1 to 3: they are counted from 1, classes from 0",
                "-o DATASET.train.first_label=1",
            )
        ],
    ),
    "too many classes": (
        5,
        [0, 1, 2],
        [
            Finding(
                "warning",
                "DATASET.train",
                "labels run from 0 to 2, but the model has 5 classes",
                "-o MODEL.head.num_classes=3, if there are no more",
            )
        ],
    ),
    "without samples": (
        4,
        [0, 3, 3],
        [
            Finding(
                "warning",
                "DATASET.train",
                "2 of 4 classes have no sample: 1, 2",
                "see whether the list is whole, and whether its labels and num_classes belong together",
            )
        ],
    ),
    "uneven": (
        2,
        [0] * 20 + [1],
        [
            Finding(
                "warning",
                "DATASET.train",
                "21 samples of 2 classes, 1 to 20 each (evenness 0.28): '0' has 20 times as many as '1'",
                "look at the accuracy of each class (paddlevideo eval --per-class), not at the mean alone",
            )
        ],
    ),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels(case: str, tree: Tree) -> None:
    tree.classes, labels, expected = LABELS[case]
    tree.listing("train", [f"{i}.mp4 {label}" for i, label in enumerate(labels)])
    assert tree.labels() == expected


def test_few_classes_in_a_test_list_are_only_noted(tree: Tree) -> None:
    tree.listing("test", ["a.mp4 0", "b.mp4 2"])
    what = "has samples of 2 of the 3 classes; its accuracy says nothing about the others"
    assert tree.labels() == [Finding("note", "DATASET.test", what)]


def test_what_is_listed_twice(tree: Tree) -> None:
    tree.listing("train", ["a.mp4 0", "./a.mp4 0", "b.mp4 1", "c.mp4 2", "x/../b.mp4 2"])
    assert tree.labels() == [
        Finding(
            "warning",
            "DATASET.train",
            f"1 file with two labels: {tree.files}/b.mp4 (1 in line 3, 2 in line 5)",
            "keep one line a file",
        ),
        Finding(
            "warning",
            "DATASET.train",
            "1 line listed already: line 2 is line 1",
            "remove them, unless these files are to count more than once",
        ),
    ]


def test_several_labels_and_none(tree: Tree) -> None:
    tree.listing("train", ["path,label", "a.mp4,0 2", "b.mp4,1", "c.mp4,"], "multi_label: True")
    assert tree.labels() == []
    tree.listing("train", ["path,label", "a.mp4,"], "multi_label: True")
    (item,) = tree.labels()
    assert (item.level, item.what) == ("error", "none of its 1 samples has a label")


def test_pieces_of_one_video_are_no_repetition(tree: Tree) -> None:
    tree.listing("train", ["path,label,start,end", "a.mp4,0,0,2", "a.mp4,1,2,4", "b.mp4,2,0,2"])
    assert tree.labels() == []


# --- files ------------------------------------------------------------------------------------------------------------


def files(tree: Tree) -> list[Finding]:
    return [item for item in file_checks.check(tree.only())[1] if item.level != "ok"]


def test_all_files_are_there(tree: Tree) -> None:
    tree.listing("train", [f"{tree.write('a.mp4').name} 0", f"{tree.write('b c.mp4').name} 1"])
    present, found = file_checks.check(tree.only())
    assert [(one.entry.listed, one.size) for one in present] == [("a.mp4", 5), ("b c.mp4", 5)]
    assert found == [Finding("ok", "DATASET.train", "all 2 of its files are there")]


@pytest.mark.parametrize(("extra", "level"), [("", "error"), ("on_error: skip", "warning")])
def test_missing_empty_and_odd_files(extra: str, level: str, tree: Tree) -> None:
    tree.write("a.mp4")
    tree.write("empty.mp4", b"")
    (tree.files / "folder.mp4").mkdir()
    os.mkfifo(tree.files / "pipe.mp4")
    lines = ["a.mp4 0", "empty.mp4 0", "folder.mp4 0", "pipe.mp4 0", *(f"none{i}.mp4 0" for i in range(7))]
    tree.listing("train", lines, extra)
    missing, empty, folder, pipe = files(tree)
    assert [item.level for item in (missing, empty, folder, pipe)] == [level] * 4
    five = ", ".join(f"{tree.files}/none{i}.mp4 (line {i + 5})" for i in range(5))
    assert missing.what == f"7 of 11 files missing: {five} and 2 more"
    assert empty.what == f"1 of 11 files empty: {tree.files}/empty.mp4 (line 2)"
    assert folder.what == f"1 of 11 are folders instead of videos: {tree.files}/folder.mp4 (line 3)"
    assert pipe.what == f"1 of 11 are pipes or devices instead of videos: {tree.files}/pipe.mp4 (line 4)"


def test_nothing_but_folders_is_an_error_even_where_they_would_be_left_out(tree: Tree) -> None:
    (tree.files / "folder.mp4").mkdir()
    tree.listing("train", ["folder.mp4 0"], "on_error: skip")
    (item,) = files(tree)
    assert (item.level, item.what) == (
        "error",
        f"1 of 1 are folders instead of videos: {tree.files}/folder.mp4 (line 1)",
    )


def test_files_where_folders_of_frames_should_be(tree: Tree) -> None:
    tree.frames = True
    tree.write("a.mp4")
    tree.listing("train", ["a.mp4 10 0"])
    (item,) = files(tree)
    assert item.what == f"1 of 1 are files instead of folders of frames: {tree.files}/a.mp4 (line 1)"
    assert item.fix == "list folders of frames here, or use VideoDataset and VideoDecoder"


WRONG_PREFIX = {
    "one folder too high": ("a/1.mp4", "", "-o DATASET.train.data_prefix={files}/deep"),
    "only the name agrees": (
        "b/1.mp4",
        "",
        "there is {files}/deep/a/1.mp4: correct the paths of the list, or make data_prefix fit",
    ),
    "suffix given twice": (
        "deep/a/1.mp4",
        "suffix: .mp4",
        "the paths of the list end in .mp4 already: -o DATASET.train.suffix=''",
    ),
    "suffix and prefix": ("a/1", "suffix: .mp4", "-o DATASET.train.data_prefix={files}/deep"),
    "nowhere": ("a/none.mp4", "", "set data_prefix to the folder that the paths of the list begin in"),
}


@pytest.mark.parametrize("case", WRONG_PREFIX)
def test_the_way_to_files_none_of_which_is_there(case: str, tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    listed, extra, fix = WRONG_PREFIX[case]
    monkeypatch.chdir(tree.folder)
    tree.write("deep/a/1.mp4")
    tree.listing("train", [f"{listed} 0", f"{listed.replace('1', '2')} 1"], extra)
    (item,) = files(tree)
    assert item.level == "error" and item.what.startswith("none of its 2 files is there: ")
    assert item.fix == fix.format(files=tree.files)


def test_most_files_are_elsewhere(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.folder)
    for name in ("0.mp4", "deep/a/1.mp4", "deep/a/2.mp4"):
        tree.write(name)
    tree.listing("train", ["0.mp4 0", "a/1.mp4 1", "a/2.mp4 1"])
    (item,) = files(tree)
    assert (
        item.what.startswith("2 of 3 files missing: ") and item.fix == f"-o DATASET.train.data_prefix={tree.files}/deep"
    )


def test_the_search_gives_up(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.write("a/b/c/1.mp4")
    assert file_checks.find_below(tree.files, "1.mp4") == tree.files / "a/b/c/1.mp4"
    monkeypatch.setattr(file_checks, "WALK_LIMIT", 1)
    assert file_checks.find_below(tree.files, "1.mp4") is None


# --- what is in them --------------------------------------------------------------------------------------------------


def video(tree: Tree, name: str, frames: int = 12, **options: object) -> str:
    encode(tree.files / name, numbered(frames), **options)  # type: ignore[arg-type]
    return name


def test_sound_videos(tree: Tree) -> None:
    tree.listing("train", [f"{video(tree, 'a.mp4')} 0", f"{video(tree, 'b.mp4', 20)} 1"])
    decoded, sizes, speed = tree.looked()
    assert decoded == Finding("ok", "DATASET.train", "2 frames of each of 2 files can be decoded")
    assert sizes == Finding("note", "DATASET.train", "12 to 20 frames, median 16; 96x64 (2)")
    assert speed.level == "note" and speed.what.startswith("a clip is prepared in ") and not speed.fix
    assert "(median of 2): a batch of 2 every " in speed.what and speed.what.endswith("with num_workers: 0")


def test_what_cannot_be_decoded(tree: Tree) -> None:
    whole = tree.files / video(tree, "a.mp4", 40, g="10", bf="0")
    tree.write("text.mp4", b"this is text")
    data = bytearray(whole.read_bytes())
    middle = len(data) // 2
    tree.listing("train", ["a.mp4 0", "text.mp4 1"])
    (item,) = worth_saying(tree.looked())
    assert item.level == "error"
    assert item.what.startswith(f"1 of 2 looked into unreadable: {tree.files}/text.mp4 (line 2): ")
    del data[middle:]  # an mp4's index is at its end
    tree.write("text.mp4", bytes(data))
    (item,) = worth_saying(tree.looked())
    assert "text.mp4 (line 2)" in item.what


def test_a_frame_in_the_middle_is_found_by_decoding_all(tree: Tree) -> None:
    tree.frames = True
    write_frames(tree.files / "a", numbered(9))
    (tree.files / "a/img_00005.jpg").write_bytes(b"no picture")
    tree.listing("train", ["a 9 0"])
    assert worth_saying(tree.looked(frames=2)) == []
    (item,) = worth_saying(tree.looked(frames=None))
    assert "1 of 1 looked into unreadable" in item.what and "img_00005.jpg" in item.what


def test_a_sample_of_the_files(tree: Tree) -> None:
    lines = [f"{tree.write(f'{i}.mp4', b'text').name} 0" for i in range(9)]
    tree.listing("train", lines)
    first, again = (worth_saying(tree.looked(videos=4)) for _ in range(2))
    assert first == again and first[0].what.startswith("4 of 4 looked into unreadable")


def test_short_and_small_videos(tree: Tree) -> None:
    tree.transform = (
        "[{Scale: {short_size: 80, fixed_ratio: False, keep_ratio: True}}, {CenterCrop: {target_size: 72}}]"
    )
    tree.listing("train", [f"{video(tree, 'a.mp4', 3)} 0"])
    short, small = worth_saying(tree.looked())
    assert short == Finding(
        "warning",
        "DATASET.train",
        f"1 of 1 with fewer than the 4 frames of a clip, which repeats some: {tree.files}/a.mp4 (line 1): 3",
        "remove them, or ask for fewer frames (num_seg)",
    )
    assert small.what == (
        f"1 of 1 smaller than the 72 pixels of a clip, and enlarged: {tree.files}/a.mp4 (line 1): 96x64"
    )


def test_a_crop_that_is_too_large(tree: Tree) -> None:
    tree.transform = "[{CenterCrop: {target_size: 80}}]"
    tree.listing("train", [f"{video(tree, 'a.mp4')} 0"])
    (item,) = [one for one in tree.looked() if "refuses" in one.what]
    assert item.level == "error" and item.fix == "change the pipeline, or remove these files"
    assert item.what == (
        f"PIPELINE.train refuses 1 of 1: {tree.files}/a.mp4 (line 1): frames of 96x64 are smaller than the crop of 80; "
        "put a Scale first"
    )


def test_time_and_rotation(tree: Tree) -> None:
    tree.transform = "[{CenterCrop: {target_size: 48}}]"
    lines = [f"{video(tree, 'a.mp4')} 0", f"{video(tree, 'b.mp4', rate=50)} 0", f"{video(tree, 'c.mp4')} 0"]
    turn_on_its_side(tree.files / "c.mp4")
    tree.listing("train", lines)
    rates, turned = worth_saying(tree.looked())
    assert rates.what == "frame rates differ, 25 to 50 a second, so clips of equal frames differ in time"
    assert turned.what == f"1 of 3 stored turned, and put upright: {tree.files}/c.mp4 (line 3)"


def test_variable_frame_rates(tree: Tree) -> None:
    tree.listing("train", ["a.mp4 0"])
    split = tree.only()
    entry = split.entries[0]
    (item,) = decode_checks.times(split, [(entry, Seen(frames=9, width=9, height=9, fps=25, uneven=True))])
    assert item.what == f"1 of 1 with a variable frame rate: {tree.files}/a.mp4 (line 1)"


def test_a_variable_frame_rate_is_seen(tree: Tree) -> None:
    frames = numbered(9)
    with av.open(str(tree.files / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for i, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i + (5 if i > 4 else 0), Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    tree.listing("train", ["a.mp4 0"])
    (item,) = worth_saying(tree.looked())
    assert item.what == f"1 of 1 with a variable frame rate: {tree.files}/a.mp4 (line 1)"


def test_the_whole_video_is_looked_at_where_the_pipeline_takes_a_window(tree: Tree) -> None:
    tree.decoder = "VideoDecoder, mode: test, num_seg: 4, sampling_rate: 2"
    tree.listing("train", [f"{video(tree, 'a.mp4', 40)} 0"])
    assert "40 to 40 frames, median 40; 96x64 (1)" in [item.what for item in tree.looked()]


def test_a_slow_list_gets_advice(tree: Tree) -> None:
    tree.listing("train", ["a.mp4 0"] * 100)
    split = replace(tree.only(), workers=2, batch_size=8)
    (item,) = decode_checks.speed(split, [1.0, 30.0, 20.0])
    assert item.what == (
        "a clip is prepared in 20 s (median of 3): a batch of 8 every 1.3 min, "
        "the whole list in 17 min with num_workers: 2"
    )
    assert item.fix == "paddlevideo prepare frames or transcode make it faster; benchmark data measures it"


# --- folders of frames ------------------------------------------------------------------------------------------------


@pytest.fixture
def frames(tree: Tree) -> Callable[..., Tree]:
    """A tree of one folder "a" with images of these numbers, listed with `count` of them."""

    def make(numbers: Sequence[int], count: int, pattern: str = "img_{:05}.jpg", extra: str = "") -> Tree:
        (tree.files / "a").mkdir()
        write_frames(tree.folder / "made", numbered(1))
        for number in numbers:
            (tree.files / "a" / pattern.format(number)).write_bytes((tree.folder / "made/img_00001.jpg").read_bytes())
        tree.frames = True
        tree.listing("train", [f"a {count} 0"], extra)
        return tree

    return make


def said_of(tree: Tree) -> list[str]:
    place = f"{tree.files}/a (line 1)"
    return [item.what.replace(place, "A") for item in worth_saying(tree.looked())]


def test_folders_that_agree_with_the_list(frames: Callable[..., Tree]) -> None:
    assert said_of(frames(range(1, 9), 8)) == []


@pytest.mark.parametrize(
    ("numbers", "count", "expected"),
    [
        (range(1, 6), 8, "1 folder with fewer images than listed: A: 5 of 8"),
        (range(1, 9), 6, "1 folder with more images than listed, which are not used: A: 8, listed 6"),
        ([1, 2, 5, 6, 9, 10, 11, 12], 12, "1 folder with holes in the numbers: A lacks 3-4, 7-8"),
        (range(8), 8, "1 folder numbered from 0: A"),
    ],
)
def test_folders_that_do_not(numbers: Sequence[int], count: int, expected: str, frames: Callable[..., Tree]) -> None:
    assert expected in said_of(frames(numbers, count))


def test_images_of_another_name(frames: Callable[..., Tree]) -> None:
    tree = frames(range(1, 9), 8, "{:06}.jpg", "suffix: 'img_{:05}.jpg'")
    (item,) = [item for item in tree.looked() if "images named like" in item.what]
    assert item.what == "1 folder of 1 with images named like {:06}.jpg, not img_{:05}.jpg"
    assert item.fix == "-o DATASET.train.suffix={:06}.jpg"


# --- leakage ----------------------------------------------------------------------------------------------------------


def test_lists_that_share_nothing(tree: Tree) -> None:
    tree.write("a/v_X_g01_c01.avi", b"one")
    tree.listing("train", ["a/v_X_g01_c01.avi 0"])
    tree.write("b/v_X_g02_c01.avi", b"two")
    tree.listing("valid", ["b/v_X_g02_c01.avi 0"])
    assert tree.leaks() == [Finding("ok", "train and valid", "share no path, no content and no recording")]


def test_every_way_to_leak_is_told_once_for_a_file(tree: Tree) -> None:
    big = np.random.default_rng(0).bytes(300_000)
    other = bytearray(big)
    other[150_000] ^= 1  # of the same size, and the same at both ends
    for name, content in {
        "same.avi": b"1",
        "copy.avi": big,
        "v_X_g01_c01.avi": b"22",
        "v_X_g01_c02.avi": b"333",
        "copied.avi": big,
        "near.avi": bytes(other),
        "v_Y_g01_c01.avi": b"4444",
    }.items():
        tree.write(name, content)
    tree.listing("train", ["same.avi 0", "copy.avi 1", "v_X_g01_c01.avi 2"])
    tree.listing("valid", ["near.avi 0", "./same.avi 0", "copied.avi 1", "v_X_g01_c02.avi 2", "v_Y_g01_c01.avi 2"])
    at, remove = tree.files, f"remove the lines from {tree.folder}/train.list"
    assert tree.leaks() == [
        Finding("error", "train and valid", f"1 file in both lists: {at}/./same.avi (lines 1 and 2)", remove),
        Finding(
            "warning",
            "train and valid",
            f"1 file with the same content under two names: {at}/copy.avi and {at}/copied.avi",
            remove,
        ),
        Finding(
            "warning",
            "train and valid",
            f"1 clip of recordings in both lists: {at}/v_X_g01_c01.avi and {at}/v_X_g01_c02.avi",
            "split by recording (paddlevideo prepare split), or the accuracy looks better than it is",
        ),
    ]


def test_pieces_of_one_video_are_one_recording(tree: Tree) -> None:
    tree.write("a.mp4")
    tree.listing("train", ["path,label,start,end", "a.mp4,0,0,2"])
    tree.listing("test", ["path,label,start,end", "a.mp4,0,2,4"])
    (item,) = tree.leaks()
    assert item.what == f"1 clip of recordings in both lists: {tree.files}/a.mp4 and {tree.files}/a.mp4"


def test_folders_of_frames_with_the_same_content(tree: Tree) -> None:
    tree.frames = True
    for name, first in (("a", 0), ("b", 0), ("c", 50)):
        write_frames(tree.files / name, numbered(60)[first : first + 9])
    tree.listing("train", ["a 9 0"])
    tree.listing("valid", ["c 9 0", "b 9 0"])
    (item,) = tree.leaks()
    assert item.what == f"1 file with the same content under two names: {tree.files}/a and {tree.files}/b"
    tree.extra = dict.fromkeys(tree.extra, "suffix: 'img_{:05}.jpg'")
    assert tree.leaks() == [item]


def test_class_folders_need_no_lists(tree: Tree) -> None:
    for name in ("a/1.mp4", "b/1.mp4", "b/2.mp4"):
        tree.write(name, name.encode())
    tree.classes = 2
    for split in ("train", "valid"):
        tree.listing(split, [], f"format: FolderDataset, folder: {tree.files}")
    (train, _), found, names = tree.splits()
    assert (found, names) == ([], ["a", "b"])
    assert [(entry.listed, entry.labels) for entry in train.entries] == [
        ("a/1.mp4", (0,)),
        ("b/1.mp4", (1,)),
        ("b/2.mp4", (1,)),
    ]
    (item,) = tree.leaks()
    at = tree.files
    assert item.what == f"3 files in both lists: {at}/a/1.mp4, {at}/b/1.mp4, {at}/b/2.mp4"
    assert item.fix == "give each split files of its own"


def test_every_two_of_three_lists_are_compared(tree: Tree) -> None:
    for split in ("train", "valid", "test"):
        tree.listing(split, [f"{tree.write(f'{split}.mp4', split.encode()).name} 0"])
    assert [(item.where, item.what) for item in tree.leaks()] == [
        ("train and valid", "share no path, no content and no recording"),
        ("train and test", "share no path, no content and no recording"),
        ("valid and test", "share no path and no content"),
    ]


def test_what_valid_and_test_share_is_no_leak(tree: Tree) -> None:
    for split in ("valid", "test"):
        tree.listing(
            split, [f"{tree.write('v_X_g01_c01.avi', b'1').name} 0", f"{tree.write(f'{split}_g01_c02.avi').name} 0"]
        )
    (item, copies) = tree.leaks()
    assert (item.level, item.what) == ("note", f"1 file in both lists: {tree.files}/v_X_g01_c01.avi (lines 1 and 1)")
    assert copies.what.startswith("1 file with the same content under two names: ") and copies.level == "note"


def test_copies_in_one_list(tree: Tree) -> None:
    for name, content in {"a": b"1", "a2": b"1", "b": b"1", "c": b"22", "d": b"22", "e": b"3"}.items():
        tree.write(f"{name}.mp4", content)
    tree.listing("train", ["a.mp4 0", "a2.mp4 0", "b.mp4 1", "c.mp4 2", "d.mp4 2", "e.mp4 2"])
    at = tree.files
    what = f"1 file with the same content under two names and labels: {at}/a.mp4 (0) and {at}/b.mp4 (1)"
    assert tree.leaks() == [
        Finding("warning", "DATASET.train", what, "keep one of each"),
        Finding("note", "DATASET.train", f"1 file with the same content under two names: {at}/c.mp4 and {at}/d.mp4"),
    ]
