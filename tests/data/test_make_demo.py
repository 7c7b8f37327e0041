"""The demo data set: its classes differ in the direction of time alone, and its files are what the lists say."""

import importlib.util
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "data/demo/make_demo.py"
spec = importlib.util.spec_from_file_location("make_demo", SCRIPT)
demo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(demo)

CLIPS = {"train": 16, "valid": 8}


def decode(path):
    """(codec, pixel format, frames [T, H, W, 3])."""
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        context = container.streams.video[0].codec_context
        return context.name, context.pix_fmt, frames


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo") / "videos"
    assert demo.make_dataset(out, CLIPS, size=32)
    return out


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("pair", range(4))
def test_a_class_is_its_partner_played_backward(pair, seed):
    forward = demo.make_frames(2 * pair, 32, np.random.default_rng(seed))
    backward = demo.make_frames(2 * pair + 1, 32, np.random.default_rng(seed))
    assert np.array_equal(forward, backward[::-1])
    assert not np.array_equal(forward, backward)


@pytest.mark.parametrize("label", range(8))
def test_one_number_of_the_state_moves_in_the_direction_of_the_class(label, monkeypatch):
    monkeypatch.setattr(demo, "draw", lambda still, outline, fill, state: state)
    for seed in range(20):
        states = demo.make_frames(label, 32, np.random.default_rng(seed))  # [T, 4]
        assert len(states) in (16, 24, 32)
        change = np.sign(np.diff(states, axis=0))
        expected = np.zeros(4)
        expected[label // 2] = -1 if label % 2 else 1
        assert np.array_equal(change, np.tile(expected, (len(states) - 1, 1)))


def test_labels_name_the_directions():
    names = ["moving right", "moving left", "moving down", "moving up"]
    assert names + ["growing", "shrinking", "turning clockwise", "turning anticlockwise"] == demo.LABELS


def shape_at(x, y, radius, angle):
    """Rows and columns of the pixels of an arrow on 100x100."""
    black = np.zeros((100, 100, 3), np.uint8)
    frame = demo.draw(black, demo.LOPSIDED[1], np.array([255.0, 255, 255]), np.array([x, y, np.log(radius), angle]))
    assert not black.any()
    return np.nonzero(frame[..., 0])


def test_x_points_right_and_y_points_down():
    rows, columns = shape_at(0.75, 0.25, 0.1, 0)
    assert 70 < columns.mean() < 80
    assert 20 < rows.mean() < 30


def test_the_radius_is_in_frame_widths():
    _, columns = shape_at(0.5, 0.5, 0.2, 0)  # the arrow is two radii long
    assert 39 <= columns.max() - columns.min() <= 43
    _, columns = shape_at(0.5, 0.5, 0.4, 0)
    assert 79 <= columns.max() - columns.min() <= 83


def test_a_growing_angle_turns_clockwise_on_the_screen():
    rows, columns = shape_at(0.5, 0.5, 0.4, 0)  # tip to the right: the last column holds few pixels, the first many
    assert (columns == columns.max()).sum() < (columns == columns.min()).sum()
    rows, columns = shape_at(0.5, 0.5, 0.4, np.pi / 2)  # tip down
    assert (rows == rows.max()).sum() < (rows == rows.min()).sum()


def test_lists_and_labels(made):
    assert (made / "labels.txt").read_text().splitlines()[:2] == ["0 moving right", "1 moving left"]
    for split, clips in CLIPS.items():
        lines = [line.split() for line in (made / f"{split}.list").read_text().splitlines()]
        assert Counter(label for _, label in lines) == {str(label): clips // 8 for label in range(8)}
        assert {path for path, _ in lines} == {str(path.relative_to(made)) for path in (made / split).iterdir()}
    assert (made / "train.list").read_text().startswith("train/moving_right_0000.mp4 0\ntrain/moving_left_0001.mp4 1\n")


def test_clips_are_h264_and_show_what_was_drawn(made):
    for i, label in enumerate((0, 3, 4, 7)):
        codec, pixel_format, frames = decode(made / demo.make_clip(made, "train", 32, 0, index=label).split()[0])
        drawn = demo.make_frames(label, 32, np.random.default_rng([0, 0, label]))
        assert (codec, pixel_format, frames.shape) == ("h264", "yuv420p", drawn.shape), i
        assert np.abs(frames.astype(int) - drawn).mean() < 8  # the codec keeps colour at half the resolution


def test_a_clip_depends_on_seed_split_and_number_alone(made, tmp_path):
    demo.make_split(tmp_path, "train", 3, size=32)
    names = [line.split()[0] for line in (tmp_path / "train.list").read_text().splitlines()]
    for name in names:
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()
    other = tmp_path / "other"
    demo.make_split(other, "train", 1, size=32, seed=1)
    assert (other / names[0]).read_bytes() != (made / names[0]).read_bytes()
    assert (made / "valid/moving_right_0000.mp4").read_bytes() != (made / names[0]).read_bytes()


def test_made_once(tmp_path):
    out = tmp_path / "videos"
    assert demo.make_dataset(out, {"train": 2, "valid": 1}, size=32)
    assert not demo.make_dataset(out, {"train": 2, "valid": 1}, size=32)
    assert demo.make_dataset(out, {"train": 1, "valid": 1}, size=32)
    assert len(list((out / "train").iterdir())) == 1
    assert json.loads((out / "settings.json").read_text())["clips"] == {"train": 1, "valid": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["videos"]


def test_an_interruption_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "make_clip", interrupt)
    with pytest.raises(KeyboardInterrupt):
        demo.make_dataset(tmp_path / "videos", CLIPS)
    assert not list(tmp_path.iterdir())


def test_another_folder_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ValueError, match="is not a demo data set"):
        demo.make_dataset(tmp_path, CLIPS)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_command_line(tmp_path):
    settings = ("--out", tmp_path / "videos", "--train", 1, "--valid", 1, "--size", 32)
    first, second = run(*settings), run(*settings)
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"Wrote 1 training and 1 held-out clips of 8 classes to {tmp_path / 'videos'}\n"
    assert second.stdout == f"{tmp_path / 'videos'} holds these clips already\n"


def test_command_line_refuses(tmp_path):
    for wrong in (["--train", 0], ["--size", 33], ["--seed", -1], ["--out", SCRIPT.parent]):
        result = run("--out", tmp_path / "videos", *wrong)
        assert result.returncode == 2
        assert "error: " in result.stderr.splitlines()[-1]
        assert str(wrong[1]) in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_sheet(tmp_path):
    assert run("--sheet", tmp_path / "classes.png").returncode == 0
    assert 10_000 < (tmp_path / "classes.png").stat().st_size < 300_000
