"""`paddlevideo doctor` from the command line to the exit code."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from paddlevideo.cli import doctor
from paddlevideo.tasks.doctor import machine
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError


def run(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def own(data: Path, tmp_path: Path, edited: Callable[[str, str], Path]) -> Path:
    """The tiny config on a copy of its data, below tmp_path/shapes."""
    shutil.copytree(data, tmp_path / "shapes")
    return edited(str(data), str(tmp_path / "shapes"))


def test_sound_data_from_beginning_to_end(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(own, "--workers", 0) == 0
    out = capsys.readouterr().out
    titles = [line for line in out.splitlines() if line and not line.startswith(" ")]
    below = own.parent / "shapes"
    assert titles == [
        "environment",
        f"config {own}",
        "data",
        f"data of train: {below}/train.list",
        f"data of valid/test: {below}/valid.list",
        "copies and leakage",
        titles[-1],
    ]
    assert titles[-1].startswith("no errors, ")
    for line in (
        "  ok       DATASET.train  all 22 of its files are there",
        "  ok       DATASET.train  2 frames of each of 22 files can be decoded",
        "  ok       DATASET.valid/test  all 10 of its files are there",
        "  ok       train and valid/test  share no path, no content and no recording",
    ):
        assert line in out.splitlines()


def test_a_broken_tree_in_a_process_of_its_own(own: Path) -> None:
    below = own.parent / "shapes"
    lines = (below / "train.list").read_text().splitlines()
    (below / "train/text.mp4").write_text("no video")
    (below / "train/empty.mp4").touch()
    lines += ["train/text.mp4 0", "train/empty.mp4 1", "train/none.mp4 2", "valid/moving_right_0000.mp4 0"]
    (below / "train.list").write_text("\n".join(lines) + "\n")
    report = own.parent / "report.json"
    code = "from paddlevideo.cli import doctor, launch; launch.start(doctor)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(own), "--workers", "1", "--json", str(report)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=python_environment(),
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 errors, ")
    found = json.loads(report.read_text())
    errors = [(item["group"], item["what"]) for item in found["findings"] if item["level"] == "error"]
    train = f"data of train: {below}/train.list"
    assert errors[:2] == [
        (train, f"1 of 26 files missing: {below}/train/none.mp4 (line 25)"),
        (train, f"1 of 26 files empty: {below}/train/empty.mp4 (line 24)"),
    ]
    assert errors[2][0] == train
    assert errors[2][1].startswith(f"1 of 24 looked into unreadable: {below}/train/text.mp4 (line 23): ")
    assert errors[3] == (
        "copies and leakage",
        f"1 file in both lists: {below}/valid/moving_right_0000.mp4 (lines 26 and 1)",
    )
    assert found["errors"] == 4


def test_a_broken_config_still_tells_about_the_machine(
    edited: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = edited("drop_ratio: 0.5", "drop_ration: 0.5")
    assert run(path, "-o", "epochs=many") == 2
    out = capsys.readouterr().out
    assert "environment\n" in out and f"config {path}\n" in out and "data" not in out.split(f"config {path}\n")[1][:5]
    assert "TSMHead takes no 'drop_ration'" in out and "expected an integer, got the text 'many'" in out
    assert out.splitlines()[-1].startswith("2 errors, ")


def test_without_a_config_only_the_machine(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("--json", tmp_path / "found.json") == 0
    out = capsys.readouterr().out
    assert out.startswith("environment\n  ok       Python ") and "config" not in out
    assert {item["group"] for item in json.loads((tmp_path / "found.json").read_text())["findings"]} == {"environment"}


def test_without_paddle_the_config_is_not_looked_at(
    own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "_paddle", lambda: (False, (), {"paddle": "No module named 'paddle'"}))
    assert run(own) == 2
    out = capsys.readouterr().out
    assert "  error    Paddle" in out and out.splitlines()[-3:] == [
        "  not looked at: that needs paddle",
        "",
        out.splitlines()[-1],
    ]


def test_missing_lists_and_no_splits(
    own: Path, edited: Callable[[str, str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (own.parent / "shapes/train.list").unlink()
    assert run(own, "--videos", 0) == 2
    out = capsys.readouterr().out
    assert "train.list: the list of videos cannot be read: No such file or directory" in out
    assert "decoded" not in out and "data of valid/test" in out and "leakage" not in out
    assert run(own, "-o", "DATASET.train=null", "DATASET.valid=null", "DATASET.test=null") == 0
    assert "no split is there, so there is no data to look at" in capsys.readouterr().out


def test_overrides_need_a_config() -> None:
    with pytest.raises(UserError, match="--override and --weights belong to a config"):
        run("-o", "epochs=3")


@pytest.mark.parametrize(("flag", "text"), [("--frames", "0"), ("--frames", "some"), ("--videos", "-1")])
def test_numbers_that_are_none(flag: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(flag, text)
    assert f"argument {flag}: expected an integer of at least" in capsys.readouterr().err
