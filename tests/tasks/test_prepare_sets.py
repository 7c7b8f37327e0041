"""Lists of the known data sets, from small trees in the official formats."""

import argparse
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from synthetic import encode, numbered, write_frames

from paddlevideo.cli import prepare_sets
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.tasks.prepare import k400 as k400_task
from paddlevideo.tasks.prepare import something
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of two frames in three containers, and a folder of two frames."""
    folder = tmp_path_factory.mktemp("made")
    for name in ("a.mp4", "a.avi", "a.webm", "a.mkv"):
        encode(folder / name, numbered(2), "libvpx-vp9" if name == "a.webm" else "libx264")
    write_frames(folder / "frames", numbered(2), "{:05}.jpg")
    return folder


class Tree:
    """A folder of annotations, videos and frames."""

    def __init__(self, root: Path, made: Path) -> None:
        self.root, self.made = root, made

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def video(self, *names: str) -> None:
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.made / f"a{path.suffix}", path)

    def frames(self, name: str, count: int, pattern: str = "img_{:05}.jpg", first: int = 1) -> Path:
        (self.root / name).mkdir(parents=True, exist_ok=True)
        for i in range(first, first + count):
            shutil.copy(self.made / "frames/00001.jpg", self.root / name / pattern.format(i))
        return self.root / name

    def text(self, name: str) -> str:
        return (self.root / name).read_text()

    def lines(self, name: str) -> list[str]:
        return self.text(name).splitlines()

    def lists(self) -> set[str]:
        """The files that preparing has made."""
        return {p.name for p in self.root.iterdir() if p.suffix in (".list", ".tsv", ".tmp") or "split" in p.name}


@pytest.fixture
def tree(tmp_path: Path, made: Path) -> Tree:
    return Tree(tmp_path, made)


def prepare(*arguments: object) -> None:
    """`paddlevideo prepare ...` in this process."""
    parser = argparse.ArgumentParser()
    prepare_sets.add(parser.add_subparsers())
    args = parser.parse_args([*map(str, arguments), *([] if arguments[0] == "split" else ["--workers", "0"])])
    args.prepare(args)


def fails(*arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        prepare(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Kinetics-400

HEADER = "label,youtube_id,time_start,time_end,split,is_cc\n"


@pytest.fixture
def k400(tree: Tree) -> Tree:
    """Three classes; what is there: two-level folders, renamed or not, flat files, other containers and times."""
    tree.write(
        "train.csv",
        "\ufeff"
        + HEADER.replace("\n", "\r\n")
        + 'zumba,AAAAAAAAAAA,0,10,train,0\r\n"air drumming",_bbbbbbbb-b,44,54,train,0\r\n'
        + '"""hurling"" (sport)",ccccccccccc,7,17,train,1\r\n\r\nair drumming,missing1111,1,11,train,0\r\n'
        + "zumba,emptyeeeeee,3,13,train,0\r\nzumba,brokenbbbbb,3,13,train,0\r\n"
        + "air drumming,offbyone111,20,30,train,0\r\n"
        + "zumba,AAAAAAAAAAA,0,10,train,0\r\n",
    )
    tree.write("val.csv", HEADER + "air drumming,ddddddddddd,100000,100010,val,0\nzumba,AAAAAAAAAAA,60,70,val,0\n")
    tree.write("test.csv", "youtube_id,time_start,time_end,split\neeeeeeeeeee,1,11,test\n")
    tree.video(
        "videos/zumba/AAAAAAAAAAA_000000_000010.mp4",
        "videos/zumba/AAAAAAAAAAA_000060_000070.mp4",
        "videos/air_drumming/_bbbbbbbb-b_000044_000054.webm",
        "videos/hurling (sport)/ccccccccccc_000007_000017.mkv",
        "videos/ddddddddddd_100000_100010.mp4",
        "videos/air drumming/offbyone111_000021_000031.mp4",
        "videos/air drumming/unknown1111_000021_000031.mp4",
    )
    tree.write("videos/zumba/emptyeeeeee_000003_000013.mp4", "")
    tree.write("videos/zumba/brokenbbbbb_000003_000013.mp4", "this is not a video at all")
    return tree


def test_k400(k400: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("k400", k400.root)
    assert k400.text("labels.txt") == "0 air drumming\n1 hurling (sport)\n2 zumba\n"
    assert k400.lines("train.list") == [
        "zumba/AAAAAAAAAAA_000000_000010.mp4 2",
        "air_drumming/_bbbbbbbb-b_000044_000054.webm 0",
        "hurling (sport)/ccccccccccc_000007_000017.mkv 1",
        "air drumming/offbyone111_000021_000031.mp4 0",
    ]
    assert k400.lines("val.list") == [
        "ddddddddddd_100000_100010.mp4 0",
        "zumba/AAAAAAAAAAA_000060_000070.mp4 2",
    ]
    table = [line.split("\t") for line in k400.lines("prepare_videos.tsv")]
    assert [row[:2] for row in table] == [
        ["clip", "what"],
        ["missing1111_000001_000011", "missing"],
        ["emptyeeeeee_000003_000013", "zero bytes"],
        ["brokenbbbbb_000003_000013", "unreadable"],
        ["AAAAAAAAAAA_000000_000010", "repeated"],
    ]
    assert [row[3].rpartition("/")[2] for row in table[1:]] == [f"train.csv:{n}" for n in (6, 7, 8, 10)]
    assert table[3][2].startswith("zumba/brokenbbbbb_000003_000013.mp4: ") and "Invalid data" in table[3][2]
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "Kinetics-400: 3 classes, not 400: set MODEL.head.num_classes=3"
    assert f"  {k400.root}/train.list: 4 of 7 videos" in said and f"  {k400.root}/val.list: 2 of 2 videos" in said
    assert "  missing: 1 (missing1111_000001_000011)" in said and "  zero bytes: 1 (emptyeeeeee_000003_000013)" in said
    assert f"  {k400.root}/test.csv: 1 clips without labels; there is no list of them" in said
    assert said[-1].startswith("6 of 9 videos are in the lists; what is wrong with the others: ")
    data = VideoDataset(str(k400.root / "train.list"), str(k400.root / "videos"))
    assert Path(data.clip(2).path).is_file() and data.clip(2).label == 1
    assert k400.lists() == {"train.list", "val.list", "prepare_videos.tsv"}


def test_the_copies_of_k400_are_told_by_their_counts(
    k400: Tree, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare("k400", k400.root, "--no_check")
    assert "8 and 2 clips, none of the copies we know by their counts\n" in capsys.readouterr().out
    monkeypatch.setitem(k400_task.COPIES, (8, 2), "the tests")
    prepare("k400", k400.root, "--no_check")
    assert "8 and 2 clips, the copy of the tests\n" in capsys.readouterr().out


def test_k400_frames_and_a_test_list_with_labels(k400: Tree) -> None:
    k400.write("test.csv", HEADER + "zumba,eeeeeeeeeee,1,11,test,0\n")
    k400.frames("rawframes/zumba/AAAAAAAAAAA_000000_000010.mp4", 4)
    k400.frames("rawframes/zumba/eeeeeeeeeee_000001_000011", 12)
    k400.frames("rawframes/zumba/eeeeeeeeeee_000001_000011", 12, "flow_x_{:05}.jpg")
    k400.frames("rawframes/air_drumming/offbyone111_000020_000030", 3)
    (k400.root / "rawframes/air_drumming/offbyone111_000020_000030/img_00002.jpg").unlink()
    k400.frames("rawframes/air_drumming/_bbbbbbbb-b_000044_000054", 3, "{:05}.jpg")
    k400.frames("rawframes/air_drumming/ddddddddddd_100000_100010", 2)
    (k400.root / "rawframes/air_drumming/ddddddddddd_100000_100010/img_00001.jpg").write_bytes(b"")
    prepare("k400", k400.root, "--frames", k400.root / "rawframes", "--out", k400.root / "out")
    out = {path.name: path.read_text() for path in (k400.root / "out").iterdir()}
    assert sorted(out) == ["labels.txt", "prepare_frames.tsv"] + [f"{n}_frames.list" for n in ("test", "train", "val")]
    assert out["train_frames.list"] == "zumba/AAAAAAAAAAA_000000_000010.mp4 4 2\n"
    assert out["test_frames.list"] == "zumba/eeeeeeeeeee_000001_000011 12 2\n" and out["val_frames.list"] == ""
    reasons = {line.split("\t")[0]: line.split("\t")[1:3] for line in out["prepare_frames.tsv"].splitlines()}
    assert reasons["offbyone111_000020_000030"] == [
        "unreadable",
        "air_drumming/offbyone111_000020_000030: frames 2 are missing of 1..3 (img_{:05}.jpg)",
    ]
    assert reasons["_bbbbbbbb-b_000044_000054"] == [
        "unreadable",
        "air_drumming/_bbbbbbbb-b_000044_000054: its frames are called {:05}.jpg, those of most folders img_{:05}.jpg",
    ]
    assert reasons["ddddddddddd_100000_100010"][1].endswith("img_00001.jpg has zero bytes")
    data = FrameDataset(str(k400.root / "out/test_frames.list"), str(k400.root / "rawframes"), "img_{:05}.jpg")
    assert (data.clip(0).num_frames, data.clip(0).label) == (12, 2)


def test_a_file_serves_one_clip_only(tree: Tree) -> None:
    tree.write("train.csv", HEADER + "a,xxxxxxxxxxx,1,11,train,0\na,xxxxxxxxxxx,0,10,train,0\n")
    tree.write("val.csv", HEADER + "a,yyyyyyyyyyy,0,10,val,0\n")
    tree.video("videos/a/xxxxxxxxxxx_000000_000010.mp4", "videos/a/yyyyyyyyyyy_000000_000010.mp4")
    tree.write("videos/yyyyyyyyyyy_000000_000010.webm", "")
    prepare("k400", tree.root)
    assert tree.lines("train.list") == ["a/xxxxxxxxxxx_000000_000010.mp4 0"]
    assert tree.lines("prepare_videos.tsv")[1].startswith("xxxxxxxxxxx_000001_000011\tmissing\t")
    assert tree.lines("val.list") == ["a/yyyyyyyyyyy_000000_000010.mp4 0"]


def test_what_becomes_of_the_class_names_is_told(k400: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("k400", k400.root, "--no_check")
    assert "labels.txt" not in capsys.readouterr().out
    prepare("k400", k400.root, "--no_check")
    assert f"  {k400.root}/labels.txt: the same 3 names as before" in capsys.readouterr().out.splitlines()
    k400.write("labels.txt", "0 air drumming\n1 swimming\n")
    prepare("k400", k400.root, "--no_check")
    said = f"  {k400.root}/labels.txt: replaced, 1 gone ('swimming'), 2 new ('hurling (sport)')"
    assert said in capsys.readouterr().out.splitlines()
    k400.write("labels.txt", "0 zumba\n1 hurling (sport)\n2 air drumming\n")
    prepare("k400", k400.root, "--no_check")
    assert "replaced, in another order\n" in capsys.readouterr().out


def test_the_names_of_the_repository_are_those_of_the_rule(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    names = [line.split(" ", 1)[1] for line in (ROOT / "data/k400/labels.txt").read_text().splitlines()]
    rows = "".join(f"{name},{i:011},0,10,train,0\n" for i, name in enumerate(reversed(names)))
    tree.write("train.csv", HEADER + rows)
    tree.write("val.csv", HEADER)
    tree.video("videos/00000000000_000000_000010.mp4")
    shutil.copy(ROOT / "data/k400/labels.txt", tree.root)
    prepare("k400", tree.root, "--no_check")
    said = capsys.readouterr().out
    assert said.startswith("Kinetics-400: 400 classes\n") and "labels.txt: the same 400 names as before" in said
    assert tree.text("labels.txt") == (ROOT / "data/k400/labels.txt").read_text()
    assert tree.lines("train.list") == ["00000000000_000000_000010.mp4 399"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("zumba,x1,0,10,train,0,9", "7 columns, but the header has 6; correct the line"),
        ("zumba,x1,0", "3 columns, but the header has 6; correct the line"),
        ("a,b,x1,0,10,train,0", "7 columns, but the header has 6"),
        ('"zumba,x1,0,10,train,0', "a quotation mark is not closed"),
        ("zumba,x1,ten,10,train,0", "ten to 10 is no time; expected seconds, such as 44 to 54"),
        ("zumba,x1,-1,10,train,0", "-1 to 10 is no time"),
        ("zumba,x1,10,10,train,0", "10 to 10 is no time"),
        ("zumba,x1,nan,10,train,0", "nan to 10 is no time"),
        ("zumba,,0,10,train,0", "youtube_id '' is none"),
        ("zumba,../x,0,10,train,0", "youtube_id '../x' is none"),
        (",x1,0,10,train,0", "the label '' is none of the "),
        ("zumba,x1,0,10,validate,0", "the split is 'validate' in the file of train; correct one of them"),
        ("air drumming,AAAAAAAAAAA,0,10,train,0", "'air drumming', but 'zumba' in "),
    ],
)
def test_a_bad_line_of_k400(k400: Tree, line: str, message: str) -> None:
    k400.write("train.csv", HEADER + f"zumba,AAAAAAAAAAA,0,10,train,0\nair drumming,b,0,10,train,0\n{line}\n")
    text = fails("k400", k400.root)
    assert text.startswith(f"{k400.root}/train.csv:4: ") and message in text
    assert k400.lists() == set() and not (k400.root / "labels.txt").exists()


def test_bad_files_of_k400(k400: Tree) -> None:
    k400.write("val.csv", "label,id,time_start\n")
    assert fails("k400", k400.root) == (
        f"{k400.root}/val.csv:1: the header has no column 'youtube_id'; it needs label,youtube_id,time_start,time_end"
    )
    k400.write("val.csv", HEADER + "swimming,x,0,10,val,0\n")
    assert fails("k400", k400.root) == f"{k400.root}/val.csv:2: the label 'swimming' is none of the 3 of train.csv"
    k400.write("val.csv", HEADER.encode() + b"zumba,x,0,10,val,0\nzumb\xe9,x,0,10,val,0\n")
    assert fails("k400", k400.root) == f"{k400.root}/val.csv:3: not UTF-8 text; convert the file"
    k400.write("val.csv", "")
    assert fails("k400", k400.root).startswith(f"{k400.root}/val.csv: the file is empty")
    k400.write("kinetics_val.csv", HEADER)
    assert "/kinetics_val.csv and val.csv are both val.csv; keep one" in fails("k400", k400.root)
    (k400.root / "val.csv").unlink()
    (k400.root / "kinetics_val.csv").unlink()
    assert fails("k400", k400.root) == f"{k400.root}: val.csv is not there, nor in a folder right below it"
    assert (
        fails("k400", k400.root / "no")
        == f"{k400.root}/no: no such folder; give the one that holds the annotation files"
    )
    assert k400.lists() == set()


def test_no_videos(k400: Tree, tmp_path: Path) -> None:
    assert fails("k400", k400.root, "--videos", "nowhere") == (
        "nowhere: no such folder; say where the videos are with --videos"
    )
    (tmp_path / "empty").mkdir()
    assert fails("k400", k400.root, "--videos", tmp_path / "empty") == (
        f"{tmp_path}/empty: none of the 9 clips that the annotation files name is there; "
        "say where they are with --videos"
    )
    shutil.rmtree(k400.root / "videos")
    assert fails("k400", k400.root) == (
        f"{k400.root}/videos nor {k400.root}/rawframes is there; say with --videos or --frames where the clips are"
    )
    k400.write("videos/AAAAAAAAAAA_000000_000010.mp4", "")
    assert "none of the 1 videos there can be used, such as AAAAAAAAAAA_000000_000010.mp4: zero bytes" in fails(
        "k400", k400.root
    )
    assert k400.lists() == set()


# UCF101


@pytest.fixture
def ucf(tree: Tree) -> Tree:
    tree.write("ucfTrainTestlist/classInd.txt", "1 Archery\r\n2 HandstandPushups\r\n3 YoYo\r\n")
    train = [
        "Archery/v_Archery_g08_c01.avi 1",
        "HandstandPushups/v_HandStandPushups_g08_c01.avi 2",
        "YoYo/v_YoYo_g09_c01.avi 3",
    ]
    test = [
        "Archery/v_Archery_g01_c01.avi",
        "HandstandPushups/v_HandStandPushups_g01_c02.avi",
        "YoYo/v_YoYo_g01_c01.avi",
    ]
    for split in (1, 2, 3):
        tree.write(f"ucfTrainTestlist/trainlist0{split}.txt", "\r\n".join(train) + "\r\n")
        tree.write(f"ucfTrainTestlist/testlist0{split}.txt", "\n".join(test))
    tree.video(
        "videos/Archery/v_Archery_g08_c01.avi",
        "videos/Archery/v_Archery_g01_c01.avi",
        "videos/HandStandPushups/v_HandstandPushups_g08_c01.avi",
        "videos/HandstandPushups/v_HandStandPushups_g01_c02.avi",
        "videos/YoYo/v_YoYo_g09_c01.avi",
    )
    return tree


def test_ucf101(ucf: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("ucf101", ucf.root)
    assert ucf.text("labels.txt") == "0 Archery\n1 HandstandPushups\n2 YoYo\n"
    for split in (1, 2, 3):
        assert ucf.lines(f"ucf101_train_split_{split}_videos.txt") == [
            "Archery/v_Archery_g08_c01 0",
            "HandStandPushups/v_HandstandPushups_g08_c01 1",
            "YoYo/v_YoYo_g09_c01 2",
        ]
        assert ucf.lines(f"ucf101_val_split_{split}_videos.txt") == [
            "Archery/v_Archery_g01_c01 0",
            "HandstandPushups/v_HandStandPushups_g01_c02 1",
        ]
    said = capsys.readouterr().out
    assert "  split 2: 3 videos to train with and 3 to test; published are 9,586 and 3,734\n" in said
    assert "  missing: 1 (YoYo/v_YoYo_g01_c01)\n" in said and "5 of 6 videos are in the lists" in said
    assert "warning" not in said and "suffix" not in said
    data = VideoDataset(str(ucf.root / "ucf101_val_split_1_videos.txt"), str(ucf.root / "videos"), ".avi")
    assert all(Path(data.clip(i).path).is_file() for i in range(len(data)))
    assert ucf.lists() == {f"ucf101_{part}_split_{n}_videos.txt" for part in ("train", "val") for n in (1, 2, 3)} | {
        "prepare_videos.tsv"
    }


def test_ucf101_frames(ucf: Tree) -> None:
    ucf.frames("rawframes/Archery/v_Archery_g08_c01", 3)
    ucf.frames("rawframes/HandstandPushups/v_HandstandPushups_g01_c02", 2)
    prepare("ucf101", ucf.root, "--frames", ucf.root / "rawframes")
    assert ucf.lines("ucf101_train_split_3_rawframes.txt") == ["Archery/v_Archery_g08_c01 3 0"]
    assert ucf.lines("ucf101_val_split_3_rawframes.txt") == ["HandstandPushups/v_HandstandPushups_g01_c02 2 1"]
    assert not (ucf.root / "ucf101_val_split_3_videos.txt").exists()


def test_ucf101_in_other_containers(ucf: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(ucf.root / "videos")
    ucf.video("videos/v_Archery_g08_c01.mp4", "videos/v_YoYo_g01_c01.mp4")
    prepare("ucf101", ucf.root)
    assert "the configs have suffix '.avi'; for these lists set it to '.mp4'" in capsys.readouterr().out
    assert ucf.lines("ucf101_train_split_1_videos.txt") == ["v_Archery_g08_c01 0"]
    ucf.video("videos/v_YoYo_g09_c01.avi")
    prepare("ucf101", ucf.root)
    assert "for these lists set it to ''" in capsys.readouterr().out
    assert ucf.lines("ucf101_train_split_1_videos.txt") == ["v_Archery_g08_c01.mp4 0", "v_YoYo_g09_c01.avi 2"]


def test_recordings_in_both_lists_are_told(ucf: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    ucf.write("ucfTrainTestlist/testlist02.txt", "Archery/v_Archery_g08_c02.avi\nYoYo/v_YoYo_g01_c01.avi\n")
    prepare("ucf101", ucf.root)
    warnings = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert warnings == [
        "  warning: 1 recordings are in both train_split_2 and val_split_2, such as archery/v_archery_g08"
    ]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("classInd.txt", "0 Archery\n", ":1: '0 Archery'; expected '1 ClassName'"),
        ("classInd.txt", "1 Archery\n3 YoYo\n", ":2: '3 YoYo'; expected '2 ClassName'"),
        ("classInd.txt", "", ": names no class"),
        (
            "trainlist01.txt",
            "Archery/a_g01_c01.avi 2\n",
            ":1: 'Archery/a_g01_c01.avi 2'; Archery is class 1 in classInd.txt",
        ),
        ("trainlist01.txt", "Archery/a_g01_c01.avi\n", ":1: 'Archery/a_g01_c01.avi'; Archery is class 1 in"),
        (
            "testlist03.txt",
            "\nSwimming/a.avi\n",
            ":2: 'Swimming/a.avi'; expected a path that begins with the name of a class",
        ),
        ("testlist03.txt", "a.avi\n", ":1: 'a.avi'; expected a path that begins"),
    ],
)
def test_bad_files_of_ucf101(ucf: Tree, file: str, text: str, message: str) -> None:
    path = ucf.write(f"ucfTrainTestlist/{file}", text)
    assert fails("ucf101", ucf.root).startswith(f"{path}{message}")
    path.unlink()
    assert fails("ucf101", ucf.root) == f"{ucf.root}: {file} is not there, nor in a folder right below it"
    assert ucf.lists() == set()


# Something-Something

V1 = "something-something-v1-"
V2 = "something-something-v2-"


@pytest.fixture
def sthv1(tree: Tree) -> Tree:
    tree.write(f"{V1}labels.csv", "Pushing something\nLetting something roll, so it rolls back\nHolding something\n")
    tree.write(
        f"{V1}train.csv", "100;Holding something\n7;Letting something roll, so it rolls back\n8;Pushing something\n"
    )
    tree.write(f"{V1}validation.csv", "9;Pushing something\r\n")
    tree.write(f"{V1}test.csv", "10\n")
    for clip, count in (("100", 12), ("7", 3), ("9", 5), ("10", 2)):
        tree.frames(f"rawframes/{clip}", count, "{:05}.jpg")
    return tree


@pytest.mark.parametrize(("order", "ids"), [("csv", [2, 1, 0]), ("sorted", [0, 1, 2])])
def test_sthv1(sthv1: Tree, order: str, ids: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    prepare("sthv1", sthv1.root, "--label_order", order)
    assert sthv1.lines("train_frames.list") == [f"100 12 {ids[0]}", f"7 3 {ids[1]}"]
    assert sthv1.lines("val_frames.list") == [f"9 5 {ids[2]}"]
    assert sthv1.lines("labels.txt")[ids[1]] == f"{ids[1]} Letting something roll, so it rolls back"
    said = capsys.readouterr().out
    assert "  missing: 1 (8)\n" in said and "3 of 4 folders of frames are in the lists" in said and "suffix" not in said
    assert "3 clips to train with and 1 to validate; published are 86,017 and 11,522" in said


def test_frames_numbered_from_0_and_other_series(sthv1: Tree) -> None:
    sthv1.frames("rawframes/8", 4, "{:05}.jpg", first=0)
    sthv1.write("rawframes/8/notes.txt", "")
    prepare("sthv1", sthv1.root)
    assert "8 4 0" in sthv1.lines("train_frames.list")


def test_classes_that_a_mirror_exchanges() -> None:
    labels = [
        "Pulling something from left to right",
        "Holding something",
        "Turning right",
        "pulling something from right to left",
    ]
    assert something.mirror_images(labels) == {0: 3, 3: 0}


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("labels.csv", "Pushing something\nPushing something\n", ":2: the class 'Pushing something' is there twice"),
        ("train.csv", "1;Pushing something\n2\n", ":2: '2'; expected 'id;label'"),
        (
            "train.csv",
            "1;Pulling something\n",
            ":1: clip 1 has the label 'Pulling something', which is none of the 3 classes",
        ),
        ("train.csv", "1;Pushing something\n1;Holding something\n", ":2: the label of 1 is 'Holding something', but"),
        ("validation.csv", "../9;Pushing something\n", ":1: '../9' is no id"),
    ],
)
def test_bad_files_of_sthv1(sthv1: Tree, file: str, text: str, message: str) -> None:
    path = sthv1.write(V1 + file, text)
    assert fails("sthv1", sthv1.root).startswith(f"{path}{message}")
    assert sthv1.lists() == set()


def entry(clip: str, template: str) -> dict[str, object]:
    return {"id": clip, "label": "holding a cup", "template": template, "placeholders": ["a cup"]}


@pytest.fixture(params=["20bn", "qualcomm"])
def sthv2(tree: Tree, request: pytest.FixtureRequest) -> Tree:
    """Both generations of names."""
    name = (V2 + "{}").format if request.param == "20bn" else "labels/{}".format
    train = [
        entry("1", "Holding [something] next to [something]"),
        entry("22", "Pushing [something]"),
        entry("3", "Opening [something]"),
    ]
    tree.write(
        name("labels.json"),
        json.dumps({"Holding something next to something": "1", "Opening something": "0", "Pushing something": "2"}),
    )
    tree.write(name("train.json"), json.dumps(train, indent=1))
    tree.write(name("validation.json"), "[" + json.dumps(entry("4", "Opening [something]")) + "\n]")
    tree.write(name("test.json"), json.dumps([{"id": "5"}]))
    tree.video("videos/1.webm", "videos/22.webm", "videos/4.webm", "videos/5.webm")
    tree.write("videos/3.webm", "not a video")
    return tree


def test_sthv2_videos(sthv2: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    prepare("sthv2", sthv2.root)
    assert (
        sthv2.text("labels.txt") == "0 Opening something\n1 Holding something next to something\n2 Pushing something\n"
    )
    assert sthv2.lines("train.list") == ["1.webm 1", "22.webm 2"]
    assert sthv2.lines("val.list") == ["4.webm 0"]
    said = capsys.readouterr().out
    assert "there is no test-answers.csv" in said and "  unreadable: 1 (3.webm: " in said
    assert sthv2.lines("prepare_videos.tsv")[1].startswith("3\tunreadable\t3.webm: ")
    prepare("sthv2", sthv2.root, "--no_check")
    assert sthv2.lines("train.list") == ["1.webm 1", "22.webm 2", "3.webm 0"]


def test_sthv2_frames_and_answers(sthv2: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    sthv2.write("labels/test-answers.csv", "5;Pushing something\n")
    for clip in ("1", "22", "4", "5"):
        sthv2.frames(f"frames/{clip}", 2, "{:06d}.jpg")
    prepare("sthv2", sthv2.root, "--frames", sthv2.root / "frames")
    assert sthv2.lines("train_frames.list") == ["1 2 1", "22 2 2"] and sthv2.lines("test_frames.list") == ["5 2 2"]
    assert "the configs have suffix '{:05}.jpg'; for these lists set it to '{:06}.jpg'" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("labels.json", '{"a": "0", "b": "0"}', ": 'b' has the id '0'; expected numbers from 0, each once"),
        ("labels.json", '{"a": "0", "b": "2"}', ": the 2 ids are not the numbers from 0 to 1"),
        ("labels.json", '{"a": "0",\n "b"}', ":2: not JSON ("),
        ("labels.json", '{"a": "0", "": "1"}', ": '' is no name of a class"),
        ("labels.json", '{"a": "1e3"}', ": 'a' has the id '1e3'; expected numbers"),
        ("labels.json", "[" * 100000, ": not JSON that can be read ("),
        ("labels.json", '["a"]', ":1: expected an object, {name: id, ...}"),
        ("train.json", '[{"id": "1", "template": "Pushing [something]"},\n\n 5]', ":3: expected an object, got 5"),
        (
            "train.json",
            '[{"id": "1", "template": "Pushing [something]"},\n {"id": "2"}]',
            ":2: expected an object with 'id'",
        ),
        (
            "train.json",
            '\n[\n{"id": "1",\n "template": "Pulling [something]"}]',
            ":3: clip 1 has the label 'Pulling something'",
        ),
        ("train.json", '{"id": "1"}', ":1: expected a list of objects"),
        ("validation.json", '[{"id": "1"', ":1: not JSON ("),
    ],
)
@pytest.mark.parametrize("sthv2", ["20bn"], indirect=True)
def test_bad_files_of_sthv2(sthv2: Tree, file: str, text: str, message: str) -> None:
    path = sthv2.write(V2 + file, text)
    assert fails("sthv2", sthv2.root).startswith(f"{path}{message}")
    assert sthv2.lists() == set()


# What all of them have in common


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_twice_gives_the_same(k400: Tree) -> None:
    prepare("k400", k400.root)
    first = contents(k400.root)
    prepare("k400", k400.root)
    assert contents(k400.root) == first


def test_links_are_followed_and_circles_end(k400: Tree, tmp_path: Path) -> None:
    (k400.root / "videos").rename(tmp_path / "elsewhere")
    (k400.root / "videos").mkdir()
    (k400.root / "videos/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/zumba/back").symlink_to(k400.root / "videos")
    (tmp_path / "elsewhere/missing1111_000001_000011.mp4").symlink_to("nowhere")
    prepare("k400", k400.root)
    assert (
        k400.lines("train.list")[0] == "linked/zumba/AAAAAAAAAAA_000000_000010.mp4 2"
        and len(k400.lines("train.list")) == 4
    )
    what, reason = k400.lines("prepare_videos.tsv")[1].split("\t")[1:3]
    assert what == "unreadable" and reason.startswith("linked/missing1111_000001_000011.mp4: ")


def test_names_that_no_list_can_hold(k400: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    (k400.root / "videos/zumba").rename(k400.root / "videos/#zumba")
    (k400.root / "videos/air_drumming").rename(k400.root / "videos" / os.fsdecode(b"air\xe9drumming"))
    prepare("k400", k400.root)
    rows = {line.split("\t")[0]: line.split("\t")[2] for line in k400.lines("prepare_videos.tsv")}
    assert rows["AAAAAAAAAAA_000060_000070"].endswith("a line of a list that begins with # is left out")
    assert rows["_bbbbbbbb-b_000044_000054"] == (
        "air\\udce9drumming/_bbbbbbbb-b_000044_000054.webm: its name is not UTF-8 text, and lists are"
    )
    assert "air\\udce9drumming/" in capsys.readouterr().out
    assert k400.lines("val.list") == ["ddddddddddd_100000_100010.mp4 0"]


def test_a_folder_in_place_of_a_video(k400: Tree) -> None:
    path = k400.root / "videos/zumba/AAAAAAAAAAA_000000_000010.mp4"
    path.unlink()
    path.mkdir()
    prepare("k400", k400.root)
    assert (
        "AAAAAAAAAAA_000000_000010\tunreadable\tzumba/AAAAAAAAAAA_000000_000010.mp4: this is a folder, not a video"
        in (k400.text("prepare_videos.tsv"))
    )


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_full_disk_leaves_nothing(k400: Tree, after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    fsync = os.fsync

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)
    text = fails("k400", k400.root)
    assert text.endswith("cannot be written (No space left on device); nothing was changed")
    assert k400.lists() == set() and not [path for path in k400.root.iterdir() if "tmp" in path.name]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    code = "import sys; from paddlevideo.cli import launch, prepare; launch.start(prepare, sys.argv[1:])"
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=python_environment(), check=False)


def test_the_command_and_its_processes(k400: Tree) -> None:
    done = run("k400", k400.root, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("6 of 9 videos are in the lists")
    assert len(k400.lines("train.list")) == 4
    (k400.root / "val.csv").unlink()
    done = run("k400", k400.root)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr == f"error: {k400.root}: val.csv is not there, nor in a folder right below it\n"


KILLED = """
import os, signal, sys
from pathlib import Path
from paddlevideo.tasks.prepare import check, k400, lists

count = 0
def counted(function):
    def run(argument):
        global count
        count += 1
        if count == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(argument)
    return run

where, root = sys.argv[1], Path(sys.argv[2])
if where == "looking":
    check.video = counted(check.video)
else:
    os.fsync = counted(os.fsync)
lists.prepare(k400.SET, k400.read(root), root)
"""


@pytest.mark.parametrize("where", ["looking", "writing"])
def test_killed_half_way_leaves_no_list(k400: Tree, where: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, where, str(k400.root)], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not [name for name in k400.lists() if not name.startswith(".")]
    prepare("k400", k400.root)
    assert len(k400.lines("train.list")) == 4
