"""The figures of a run as files: metrics.jsonl and what VisualDL shows."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from test_train import run

STEP = {"kind", "time", "epoch", "epochs", "iteration", "batches", "step", "loss", "top1", "top5", "grad_norm", "lr"}
STEP |= {"eta", "batch_cost", "reader_cost", "ips", "data_wait"}


def rows(output: Path) -> list[dict]:
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def test_rows_have_the_figures_of_the_log(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "log_interval=3", validate=True)
    found = rows(tmp_path / "output")
    assert [row["kind"] for row in found if row["kind"] != "best"] == [
        "start",
        *(["step"] * 2 + ["train", "val"]) * 2,
        "end",
    ]
    steps = [row for row in found if row["kind"] == "step"]
    assert all(set(row) == STEP for row in steps)
    assert [(row["epoch"], row["step"], row["iteration"]) for row in steps] == [
        (1, 1, 1),
        (1, 4, 4),
        (2, 1, 6),
        (2, 4, 9),
    ]
    text = (tmp_path / "output/run.log").read_text()
    losses = re.findall(r"train step:\d+ +loss: (\S+) lr: (\S+) top1: (\S+) .* grad_norm: (\S+)", text)
    for row, said in zip(steps, losses, strict=True):
        assert [row[name] for name in ("loss", "lr", "top1", "grad_norm")] == pytest.approx(
            list(map(float, said)), abs=1e-5
        )
    (epoch, _) = [row for row in found if row["kind"] == "val"]
    assert (epoch["iteration"], epoch["batches"], epoch["samples"], epoch["total"]) == (5, 5, 10, 10)
    assert all(math.isfinite(value) for row in found for value in row.values() if isinstance(value, float))


def test_the_end_says_what_came_out(tiny: Path, tmp_path: Path) -> None:
    state = run(tiny, validate=True)
    text = (tmp_path / "output/run.log").read_text()
    last = text[text.index("training Tiny finished") :]
    assert "0 of 22 train samples unreadable" in last and "0 of 10 valid samples unreadable" in last
    best = f"best: {state.best_top1:.5f} after epoch {state.best_epoch}, in {tmp_path}/output/Tiny_best.pdparams"
    assert best in last
    assert re.search(r"trained for 0:00:\d\d, \d+\.\d % of it waiting for data", last)


def test_a_resumed_run_counts_the_time_of_all_its_parts(tiny: Path) -> None:
    first = run(tiny, "epochs=1")
    second = run(tiny, resume="auto")
    assert second.seconds > first.seconds > 0 and second.waited > first.waited > 0
    assert second.sums["clips"] == 0, "of the epoch under way: none is"


def test_visualdl_has_curves_pictures_config_and_environment(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("visualdl")
    from visualdl import LogReader

    logged = [f"log_dir={tmp_path / 'vdl'}", "log_interval=1"]
    run(tiny, *logged, "epochs=1", validate=True)
    run(tiny, *logged, "epochs=2", validate=True, resume="auto")
    (file,) = (tmp_path / "vdl").iterdir()
    reader = LogReader(file_path=str(file))
    tags = reader.get_tags()
    assert {"step/loss", "step/lr", "step/grad_norm", "step/ips", "train/top1", "val/top5"} <= set(tags["scalar"])
    assert [point.id for point in reader.get_data("scalar", "step/loss")] == list(range(1, 11))
    assert set(tags["text"]) == {"config", "data", "versions"}
    pictures = [tag for tag in tags["image"] if tag.startswith("first batch/")]
    assert len(pictures) == 4 and all(".mp4" in tag for tag in pictures)
    import cv2

    picture = cv2.imdecode(
        np.frombuffer(reader.get_data("image", pictures[0])[0].image.encoded_image_string, np.uint8), 1
    )
    assert picture.shape == (16, 4 * 16, 3) and picture.std() > 5, "4 frames of 16x16 side by side"
