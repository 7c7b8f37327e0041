"""Parting lists and folders into lists to train, validate and test with."""

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from synthetic import numbered, write_frames

from paddlevideo.cli import prepare_sets
from paddlevideo.loader.dataset import FrameDataset, VideoDataset
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def split(*arguments: object) -> None:
    """`paddlevideo prepare split ...` in this process."""
    parser = argparse.ArgumentParser()
    prepare_sets.add(parser.add_subparsers())
    args = parser.parse_args(["split", *map(str, arguments)])
    args.prepare(args)


def fails(*arguments: object) -> str:
    with pytest.raises(UserError) as caught:
        split(*arguments)
    return str(caught.value)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def read(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_three_lists_of_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"class {label}/my clip {i}.mp4 {label}" for i in range(20) for label in (0, 1)]
    source = write(tmp_path / "all.txt", ["# clips", *lines, ""])
    split(source, "--out", tmp_path / "out", "--valid", 0.2, "--test", 0.1, "--seed", 3)
    parts = {name: read(tmp_path / f"out/{name}.list") for name in ("train", "val", "test")}
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == sorted(lines)
    assert {name: Counter(line[-1] for line in of) for name, of in parts.items()} == {
        "train": {"0": 14, "1": 14},
        "val": {"0": 4, "1": 4},
        "test": {"0": 2, "1": 2},
    }
    assert all(of == [line for line in lines if line in of] for of in parts.values())  # in the order of the list
    assert not (tmp_path / "out/labels.txt").exists()
    assert capsys.readouterr().out.splitlines() == [
        "  class 0: 14 to train, 4 held out, 2 to test",
        "  class 1: 14 to train, 4 held out, 2 to test",
        f"  lines are those of {source}: its data_prefix and suffix hold for these lists too",
        f"Wrote train.list, val.list, test.list to {tmp_path}/out; MODEL.head.num_classes is 2",
    ]
    split(source, "--out", tmp_path / "again", "--valid", 0.2, "--test", 0.1, "--seed", 3)
    assert {name: read(tmp_path / f"again/{name}.list") for name in parts} == parts
    split(source, "--out", tmp_path / "again", "--valid", 0.2, "--test", 0.1, "--seed", 4)
    assert {name: read(tmp_path / f"again/{name}.list") for name in parts} != parts


def test_recordings_of_ucf101_stay_together(tmp_path: Path) -> None:
    lines = [f"Archery/v_Archery_g{g:02}_c{c:02} 30 0" for g in range(1, 11) for c in range(1, 5)]
    split(write(tmp_path / "all.txt", lines), "--out", tmp_path, "--valid", 0.3)
    groups = [{line[:21] for line in read(tmp_path / name)} for name in ("train.list", "val.list")]
    assert [len(of) for of in groups] == [7, 3] and not groups[0] & groups[1]
    assert len(FrameDataset(str(tmp_path / "val.list"))) == 12


@pytest.mark.parametrize(("by_class", "both"), [([], 0), (["--by_class"], 1)])
def test_people_stay_together(tmp_path: Path, by_class: list[str], both: int) -> None:
    lines = [
        f"{action}/person{p}_{i}.avi {label}"
        for label, action in enumerate(("run", "walk"))
        for p in range(6)
        for i in range(2)
    ]
    for seed in range(20):
        split(
            write(tmp_path / "all.txt", lines), "--out", tmp_path, "--group", r"person(\d+)", "--seed", seed, *by_class
        )
        people = [{line.split("person")[1][0] for line in read(tmp_path / name)} for name in ("train.list", "val.list")]
        if people[0] & people[1]:
            both -= 1
            break
    assert both == 0


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("a.csv", ["path,label", *(f'"a, {i}.mp4",{i % 2}' for i in range(8))], [0, 1]),
        (
            "a.csv",
            [
                "video,class,start,end",
                *(f"long.mp4,{i % 2},{i},{i + 1}" for i in range(4)),
                "b.mp4,0,0,1",
                "c.mp4,1,0,1",
            ],
            [0, 1],
        ),
        ("a.tsv", ["file\tlabel", *(f"a {i}.mp4\t{i % 2}" for i in range(8))], [0, 1]),
        ("a.jsonl", [json.dumps({"path": f"{i}.mp4", "label": i % 2}) for i in range(8)], [0, 1]),
        ("a.txt", ["path label", *(f"{i}.mp4 {i % 2}" for i in range(8))], [0, 1]),
    ],
    ids=["csv", "one video, several clips", "tsv", "jsonl", "spaces with header"],
)
def test_lists_of_any_form(tmp_path: Path, name: str, lines: list[str], expected: list[int]) -> None:
    split(write(tmp_path / name, lines), "--out", tmp_path / "out", "--valid", 0.25)
    suffix = Path(name).suffix
    parts = [VideoDataset(str(tmp_path / f"out/{part}{suffix}")) for part in ("train", "val")]
    assert sorted({record.label for part in parts for record in part.records}) == expected
    assert not {record.path for record in parts[0].records} & {record.path for record in parts[1].records}
    head = [] if name.endswith("jsonl") else lines[:1]
    body = [line for part in ("train", "val") for line in read(tmp_path / f"out/{part}{suffix}")[len(head) :]]
    assert sorted(body) == sorted(lines[len(head) :])
    assert all(read(tmp_path / f"out/{part}{suffix}")[: len(head)] == head for part in ("train", "val"))


def test_offsets_of_one_folder_stay_together(tmp_path: Path) -> None:
    lines = [
        f"my talk{t} {start} 100 {label}"
        for label in (0, 1)
        for t in (label, label + 2)
        for start in range(0, 500, 100)
    ]
    split(write(tmp_path / "all.txt", lines), "--out", tmp_path, "--valid", 0.5)
    parts = [{line.rsplit(maxsplit=3)[0] for line in read(tmp_path / f"{part}.list")} for part in ("train", "val")]
    assert [len(of) for of in parts] == [2, 2] and not parts[0] & parts[1]


def test_several_labels(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [json.dumps({"path": f"{i}.mp4", "label": [5, i % 2]}) for i in range(10)])
    split(tmp_path / "a.jsonl", "--out", tmp_path)
    held = VideoDataset(str(tmp_path / "val.jsonl"), multi_label=True)
    assert sorted(record.label for record in held.records) == [(5, 0), (5, 1)]


def test_names_in_place_of_ids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["path,label", *(f"{i}.mp4,{'waving' if i % 2 else 'pouring tea'}" for i in range(10))]
    split(write(tmp_path / "a.csv", lines), "--out", tmp_path / "out")
    assert (tmp_path / "out/labels.txt").read_text() == "0 pouring tea\n1 waving\n"
    assert "  pouring tea: 4 to train, 1 held out\n" in capsys.readouterr().out
    data = VideoDataset(str(tmp_path / "out/train.csv"), labels=str(tmp_path / "out/labels.txt"))
    assert Counter(record.label for record in data.records) == {0: 4, 1: 4}
    write(tmp_path / "labels.txt", ["0 waving", "1 pouring tea", "2 jumping"])
    split(tmp_path / "a.csv", "--out", tmp_path / "out")
    assert "  jumping: 0 to train, 0 held out\n" in capsys.readouterr().out
    assert (tmp_path / "out/labels.txt").read_text() == "0 waving\n1 pouring tea\n2 jumping\n"
    write(tmp_path / "other.txt", ["waving", "juggling"])
    assert fails(tmp_path / "a.csv", "--out", tmp_path / "out", "--labels", tmp_path / "other.txt").startswith(
        f"{tmp_path}/a.csv:2: 'pouring tea' is no class of {tmp_path}/other.txt"
    )


def test_a_folder_of_frames(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = write_frames(tmp_path / "made", numbered(3))
    for label in ("run", "walk"):
        for i in range(4):
            shutil.copytree(made, tmp_path / f"set/{label}/clip {i}")
    (tmp_path / "set/walk/clip 0/img_00003.jpg").unlink()
    split(tmp_path / "set", "--out", tmp_path / "out", "--valid", 0.5)
    assert "  lines are: folder num_frames label\n" in capsys.readouterr().out
    lines = read(tmp_path / "out/train.list") + read(tmp_path / "out/val.list")
    assert sorted(lines)[4:6] == [f"{tmp_path}/set/walk/clip 0 2 1", f"{tmp_path}/set/walk/clip 1 3 1"]
    (tmp_path / "set/walk/clip 1/img_00002.jpg").unlink()
    assert fails(tmp_path / "set", "--out", tmp_path / "out") == (
        f"{tmp_path}/set/walk/clip 1: frames 2 are missing of 1..3 (img_{{:05}}.jpg)"
    )


@pytest.mark.parametrize(
    ("lines", "arguments", "message"),
    [
        (["a.mp4 0", "b.mp4"], [], "/list.txt:2: 'b.mp4'; expected 'path label'"),
        (["path,label", "a.mp4,0", ",1"], [], "/list.txt:3: ',1'; expected 'path,label' (no path)"),
        (["path,label", "a.mp4,0", "b.mp4,"], [], "/list.txt:3: 'b.mp4,'; expected 'path,label' (no label)"),
        (["path,label,split", "a.mp4,0,train", "b.mp4,0,val"], [], ": its column split parts it already"),
        (["file,start,end", "a.mp4,0,1"], [], ": no list of videos with labels (there is no column label, nor name)"),
        ([], [], "/list.txt: the list holds no videos"),
        (["path,label"], [], "/list.txt: the list holds no videos"),
        (["a.mp4 0", "b.mp4 1"], [], ": every class has a single video, or too few groups"),
        (["a.mp4 0", "b.mp4 0"], ["--test", "0.2"], ": every class has a single video, or too few groups"),
        (["a.mp4 0", "b.mp4 -1"], [], "/list.txt:2: the label is negative"),
        (["a.mp4 0", "b.mp4 0"], ["--group", "("], "group '(': not a regular expression"),
        (["a.mp4 0", "b.mp4 0"], ["--valid", "0.5", "--test", "0.5"], "--valid 0.5 --test 0.5: shares between 0 and 1"),
        (["a.mp4 0", "b.mp4 0"], ["--valid", "nan"], "--valid nan --test 0: shares between 0 and 1"),
    ],
)
def test_mistakes(tmp_path: Path, lines: list[str], arguments: list[str], message: str) -> None:
    assert message in fails(write(tmp_path / "list.txt", lines), "--out", tmp_path / "out", *arguments)
    assert not (tmp_path / "out").exists()


def test_the_list_itself_is_not_overwritten(tmp_path: Path) -> None:
    source = write(tmp_path / "train.list", [f"{i}.mp4 0" for i in range(5)])
    assert fails(source, "--out", tmp_path) == (
        f"{source}: this is the list that is to be parted; choose another folder with --out"
    )
    assert len(read(source)) == 5 and not (tmp_path / "val.list").exists()


def test_the_command(tmp_path: Path) -> None:
    code = "import sys; from paddlevideo.cli import launch, prepare; launch.start(prepare, sys.argv[1:])"
    source = write(tmp_path / "all.list", [f"{i}.mp4 {i % 2}" for i in range(10)])
    line = [sys.executable, "-c", code, "split", str(source), "--out", str(tmp_path / "out")]
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=python_environment(), check=False)
    assert done.returncode == 0 and not done.stderr and len(read(tmp_path / "out/val.list")) == 2
    source.unlink()
    done = subprocess.run(line, capture_output=True, text=True, cwd=ROOT, env=python_environment(), check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: {source}: the list of videos cannot be read: No such file or directory\n"
