"""Training on several processes: the same run whatever their number, and what becomes of it when one of them dies."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from killed import assert_same
from ranks import disturbed, main

from paddlevideo.modeling import weights
from paddlevideo.tasks import schema
from paddlevideo.tasks import test as testing

# No batch normalisation, whose statistics are of a process's own clips, and no dropout, which is seeded by process.
VIT = [
    "MODEL={framework: RecognizerTransformer, backbone: {name: VisionTransformer, img_size: 16, patch_size: 8, "
    "embed_dim: 16, depth: 1, num_heads: 2, num_seg: 4, qkv_bias: True, drop_path_rate: 0.0}, "
    "head: {name: TimeSformerHead, num_classes: 8, in_channels: 16}}",
    *(f"PIPELINE.{split}.transform.2.Image2Array.data_format=cthw" for split in ("train", "valid", "test")),
    "epochs=1",
]


def test_as_many_clips_a_step_are_the_same_training(data: Path, tiny: Path, tmp_path: Path) -> None:
    """4 clips a step on 1, 2 and 4 processes; on 2 also as groups of one clip each. 10 to validate do not divide."""
    (tmp_path / "train.list").write_text("".join((data / "train.list").read_text().splitlines(True)[:20]))
    runs = {
        "alone": (1, 4, []),
        "two": (2, 2, []),
        "four": (4, 1, []),
        "two in groups": (2, 1, ["GRADIENT_ACCUMULATION.global_batch_size=4"]),
    }
    figures, states = {}, {}
    for name, (ranks, size, more) in runs.items():
        output = tmp_path / name
        overrides = [
            *VIT,
            f"DATASET.train.file_path={tmp_path}/train.list",
            f"output_dir={output}",
            f"DATASET.batch_size={size}",
            *more,
        ]
        log = main(ranks, tmp_path / "log", "--validate", "-c", str(tiny), "-o", *overrides)
        figures[name] = re.findall(r"val loss_avg: (\S+) top1_avg: (\S+)", log)
        states[name] = weights.read_state(output / "Tiny_epoch_00001.pdparams")
        assert "on 10 of 10 samples" in log
        assert testing.test(schema.load(tiny, overrides), str(output / "Tiny_best.pdparams")).total == 10
    alone = states.pop("alone")
    for name, state in states.items():
        for key, value in alone.items():
            np.testing.assert_allclose(state[key], value, rtol=1e-5, atol=1e-6, err_msg=f"{name}: {key}")
        np.testing.assert_allclose(np.float64(figures[name]), np.float64(figures["alone"]), atol=2e-5)


def test_gradients_and_weights_are_equal_on_all_ranks(tiny: Path, tmp_path: Path) -> None:
    """Bit for bit, with batch normalisation, dropout and mixing."""
    own = ["DATASET.batch_size=2", "epochs=2", "MIX={name: Mixup}", "PIPELINE.train.sample.select_left=False"]
    said = disturbed(0, 0, "compare", tmp_path, tiny, *own)
    lines = [line for line in said.splitlines() if "arrays of 2 ranks" in line]
    assert len(lines) == 2 * 10 and {line.split()[0] for line in lines} == {"8"}, "of 10 steps"
    assert all(line.endswith("equal") for line in lines)


def test_fewer_clips_than_processes_train(data: Path, tiny: Path, tmp_path: Path) -> None:
    for split, count in (("train", 3), ("valid", 1)):
        lines = (data / f"{split}.list").read_text().splitlines(keepends=True)[:count]
        (tmp_path / f"{split}.list").write_text("".join(lines))
    overrides = [f"DATASET.{split}.file_path={tmp_path / split}.list" for split in ("train", "valid")]
    log = main(4, tmp_path / "log", "--validate", "-c", str(tiny), "-o", "epochs=1", *overrides)
    assert "on 1 of 1 samples" in log and (tmp_path / "output/Tiny_best.pdparams").exists()


@pytest.mark.parametrize("what", ["raise", "kill"])
def test_a_process_that_dies_ends_the_others(what: str, tiny: Path, tmp_path: Path) -> None:
    said = disturbed(1, 2, what, tmp_path, tiny, "DATASET.batch_size=2", "epochs=50")
    saved = list((tmp_path / "output").glob("*_step_000002.pdparams"))
    if what == "raise":
        assert "process 1 ends: Traceback" in said and "RuntimeError: the lights went out" in said
        assert saved, "the process that met the error has saved"
    else:
        assert re.search(r"Container rank [01] status failed", said)


def test_sigterm_to_the_launcher_saves_and_a_resume_goes_on(tiny: Path, tmp_path: Path) -> None:
    """Iteration saves hold the running statistics of every process, so the resumed run is the whole one."""
    every = ["DATASET.batch_size=2", "save_interval={epochs: 1, iterations: 1}", "epochs=2"]
    disturbed(0, 0, "nothing", tmp_path, tiny, *every, f"output_dir={tmp_path / 'whole'}")
    disturbed(0, 3, "group", tmp_path, tiny, *every)
    output = tmp_path / "output"
    saved = sorted(output.glob("*_step_*.pdparams"))
    assert [file.name[-10:-9] for file in saved] == ["3", "4"], "after the signal, once more"
    for file in output.glob("*_step_000004.*"):  # of process 0 alone
        file.unlink()
    assert "(epoch 1, step 3)" in disturbed(0, 0, "resume", tmp_path, tiny, *every)
    for name in ("best", "epoch_00001", "epoch_00002"):
        assert_same(tmp_path / f"whole/Tiny_{name}", output / f"Tiny_{name}")
