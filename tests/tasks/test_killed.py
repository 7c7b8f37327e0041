"""SIGKILL at random points, as a power cut or the kernel does it: the resumed run ends as if nothing had happened."""

import random
from pathlib import Path

import pytest
from killed import assert_same, figures, kill_once, train

OVERRIDES = [
    "DATASET.batch_size=2",
    "epochs=3",
    "log_interval=1",
    "save_interval={epochs: 1, iterations: 2}",
    "MIX={name: VideoMix}",
    "PRECISEBN={preciseBN_interval: 2, num_iters_preciseBN: 3}",
    "GRADIENT_ACCUMULATION.global_batch_size=4",
    "EMA={decay: 0.9}",
    "SWA={epochs: 2}",
]


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_a_killed_run_ends_as_the_whole_one(kills: int, tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("visualdl")
    chance, whole, parts = random.Random(kills), tmp_path / "whole", tmp_path / "parts"
    train(tiny, whole, OVERRIDES)
    logged = [*OVERRIDES, f"log_dir={tmp_path / 'scalars'}"]
    done = 0
    for number in range(kills):
        workers = f"DATASET.num_workers={number % 3}"
        done += kill_once(tiny, parts, [*logged, workers], chance)
        if done:  # it was faster than the kill: begin another run
            break
    train(tiny, parts, logged, "--resume", "auto")
    for name in ("best", "epoch_00001", "epoch_00003"):
        assert_same(whole / f"Tiny_{name}", parts / f"Tiny_{name}")
    assert {file.name for file in parts.iterdir()} == {file.name for file in whole.iterdir()}, "nothing is left behind"
    assert figures(parts) == figures(whole), "every row once, with the figures of the whole run"
    from visualdl import LogReader

    (file,) = (tmp_path / "scalars").iterdir()
    reader = LogReader(file_path=str(file))
    steps = [row["iteration"] for row in figures(whole) if row["kind"] == "step"]
    assert [point.id for point in reader.get_data("scalar", "step/loss")] == steps, "no step twice"
