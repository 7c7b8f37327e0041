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
    """As many kills as that; where a run is at its end before them, another one takes the rest."""
    pytest.importorskip("visualdl")
    chance, whole = random.Random(kills), tmp_path / "whole"
    train(tiny, whole, OVERRIDES)
    survived = run = 0
    while survived < kills:
        run += 1
        parts, scalars = tmp_path / f"parts{run}", tmp_path / f"scalars{run}"
        logged = [*OVERRIDES, f"log_dir={scalars}"]
        while survived < kills and not kill_once(tiny, parts, [*logged, f"DATASET.num_workers={survived % 3}"], chance):
            survived += 1
        train(tiny, parts, logged, "--resume", "auto")
        assert_nothing_happened(whole, parts, scalars)


def assert_nothing_happened(whole: Path, parts: Path, scalars: Path) -> None:
    """The folder of a killed run holds what that of a whole one does."""
    for name in ("best", "epoch_00001", "epoch_00003"):
        assert_same(whole / f"Tiny_{name}", parts / f"Tiny_{name}")
    assert {file.name for file in parts.iterdir()} == {file.name for file in whole.iterdir()}, "nothing is left behind"
    assert figures(parts) == figures(whole), "every row once, with the figures of the whole run"
    from visualdl import LogReader

    (file,) = scalars.iterdir()
    reader = LogReader(file_path=str(file))
    steps = [row["iteration"] for row in figures(whole) if row["kind"] == "step"]
    assert [point.id for point in reader.get_data("scalar", "step/loss")] == steps, "no step twice"
