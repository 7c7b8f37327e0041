"""Lists from a folder of videos, by the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from paddlevideo.loader.list_columns import Form
from paddlevideo.loader.lists import read_list

SCRIPT = Path(__file__).resolve().parents[2] / "data/make_lists.py"


def run(folder, *arguments):
    command = [sys.executable, str(SCRIPT), str(folder), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path):
    """Ten videos of one class, two of another, one of a third; and files that are none."""
    names = [f"waving/{i}.mp4" for i in range(10)] + ["pouring tea/a b.AVI", "pouring tea/deep/er/c.webm", "jump/x.mkv"]
    for name in [*names, "waving/notes.txt", "waving/._0.mp4", ".hidden/z.mp4", "readme.mp4"]:
        path = tmp_path / "my videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "my videos"


def test_every_video_is_in_one_list(folder, tmp_path):
    out = tmp_path / "out"
    result = run(folder, "--out", out)
    assert result.returncode == 0, result.stderr
    assert (out / "labels.txt").read_text() == "0 jump\n1 pouring tea\n2 waving\n"
    train = read_list(str(out / "train.list"), Form())
    held_out = read_list(str(out / "val.list"), Form())
    assert [record.label for record in train] == [0, 1] + [2] * 8
    assert [record.label for record in held_out] == [1, 2, 2]
    videos = sorted(path for path in folder.glob("[!.]*/**/[!.]*.*") if path.suffix != ".txt")
    assert sorted(Path(record.path) for record in train + held_out) == videos
    assert result.stdout.splitlines() == [
        "  jump: 1 to train, 0 held out",
        "  pouring tea: 1 to train, 1 held out",
        "  waving: 8 to train, 2 held out",
        f"Wrote train.list, val.list, labels.txt to {out}; MODEL.head.num_classes is 3",
    ]


def test_the_seed_chooses(folder, tmp_path):
    lists = []
    for seed in (0, 0, 1):
        assert run(folder, "--out", tmp_path / "out", "--seed", seed, "--valid", 0.5).returncode == 0
        lists.append((tmp_path / "out/val.list").read_text())
    assert lists[0] == lists[1] != lists[2]
    assert lists[0].count("/waving/") == 5


def fails(folder, tmp_path, *arguments):
    """The error of a run that must leave the lists alone."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/train.list").write_text("old")
    result = run(folder, "--out", tmp_path / "out", *arguments)
    assert result.returncode == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["train.list"]
    assert (tmp_path / "out/train.list").read_text() == "old"
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()[-1]


def test_not_a_folder(tmp_path):
    assert fails(tmp_path / "nowhere", tmp_path) == f"error: {tmp_path / 'nowhere'} is not a folder"


def test_no_classes(tmp_path):
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat/a.mp4").touch()
    assert "flat holds 0 folders; put the videos of each class in a folder" in fails(tmp_path / "flat", tmp_path)


def test_an_empty_class(folder, tmp_path):
    (folder / "sitting").mkdir()
    assert fails(folder, tmp_path).startswith(f"error: {folder / 'sitting'}: this class has no videos (.avi ")


def test_nothing_to_validate_with(tmp_path):
    for name in ("a/1.mp4", "b/2.mp4"):
        path = tmp_path / "few" / name
        path.parent.mkdir(parents=True)
        path.touch()
    assert "every class has a single video" in fails(tmp_path / "few", tmp_path)


def test_a_name_with_a_line_break(folder, tmp_path):
    (folder / "waving/two\nlines.mp4").touch()
    assert "cannot hold a line break" in fails(folder, tmp_path)


@pytest.mark.parametrize("share", [0, 1, -0.5])
def test_a_share_outside_its_range(folder, tmp_path, share):
    assert f"--valid {float(share)}: must lie between 0 and 1" in fails(folder, tmp_path, f"--valid={share}")
