"""EMA and SWA inside a training: what they hold, what is saved, and that a resume changes nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed import assert_same, figures
from test_train import StopAfter, run

from paddlevideo.modeling import weights
from paddlevideo.tasks import schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.utils.signals import Stopped

BOTH = ["EMA={decay: 0.8}", "SWA={epochs: 2, learning_rate: {high: 0.04, low: 0.02}}", "epochs=4", "log_interval=1"]
EARLY = ["EMA={decay: 0.8}", "early_stopping={patience: 2}", "epochs=4", "log_interval=1"]


def watched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, np.ndarray]]:
    """The weights after every optimizer step of a run to come."""
    seen: list[dict[str, np.ndarray]] = []
    step = train.Trainer._step

    def stepping(self: train.Trainer, *arguments: Any) -> Any:
        result = step(self, *arguments)
        seen.append({name: value.numpy().copy() for name, value in self.net.named_parameters()})
        return result

    monkeypatch.setattr(train.Trainer, "_step", stepping)
    return seen


def test_averages_are_those_of_the_steps(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watched(monkeypatch)
    run(tiny, *BOTH, validate=True)
    output = tmp_path / "output"
    name = "head.fc.weight"
    ema = seen[0][name].astype("float64")
    for n, state in enumerate(seen[1:], 1):
        decay = min(0.8, (1 + n) / (10 + n))
        ema = decay * ema + (1 - decay) * state[name]
    rest = weights.read_pickle(output / "Tiny_epoch_00004.pdopt")
    np.testing.assert_allclose(rest["averages"]["ema"]["values"][name], ema, rtol=1e-5, atol=1e-7)
    mean = (seen[14][name] + seen[19][name]) / 2  # after epochs 3 and 4, of 5 steps
    np.testing.assert_allclose(weights.read_state(output / "Tiny_swa.pdparams")[name], mean, rtol=1e-6, atol=1e-7)
    text = (output / "run.log").read_text()
    rates = re.findall(r"epoch:\[  [34]/4  \] train step:\d .*? lr: (\S+)", text)
    assert rates == ["0.036000", "0.032000", "0.028000", "0.024000", "0.020000"] * 2
    assert len(re.findall("EMA val", text)) == 4 and len(re.findall("SWA val", text)) == 1


def test_averaged_weights_are_ordinary_files_with_the_figure_that_was_said(tiny: Path, tmp_path: Path) -> None:
    state = run(tiny, *BOTH, validate=True)
    output = tmp_path / "output"
    text = (output / "run.log").read_text()
    ema = testing.test(schema.load(output / "Tiny_best_ema.pdparams"), str(output / "Tiny_best_ema.pdparams"))
    assert ema.figures["top1"] == pytest.approx(state.best_ema)
    swa = testing.test(schema.load(tiny, BOTH), str(output / "Tiny_swa.pdparams"))
    (said,) = re.findall(r"SWA val loss_avg: (\S+) top1_avg: (\S+)", text)
    assert swa.figures["loss"] == pytest.approx(float(said[0]), abs=1e-5)
    assert swa.figures["top1"] == pytest.approx(float(said[1]), abs=1e-5)
    last = weights.read_state(output / "Tiny_epoch_00004.pdparams")
    assert not np.array_equal(
        last["backbone.blocks.0.conv._batch_norm._mean"],
        weights.read_state(output / "Tiny_swa.pdparams")["backbone.blocks.0.conv._batch_norm._mean"],
    ), "measured anew for the mean"


def test_the_averages_do_not_touch_the_training(tiny: Path, tmp_path: Path) -> None:
    plain = ["epochs=2", "SWA={epochs: 1}", "EMA={decay: 0.9, start_epoch: 1}"]
    run(tiny, "epochs=2", f"output_dir={tmp_path / 'without'}", validate=True)
    run(tiny, *plain, validate=True)
    one, other = (weights.read_state(tmp_path / name / "Tiny_epoch_00002.pdparams") for name in ("without", "output"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("overrides", "steps"), [(BOTH, 3), (BOTH, 8), (BOTH, 14), (BOTH, 23), (BOTH, 31), (EARLY, 10), (EARLY, 22)]
)
def test_stopped_anywhere_the_averages_end_the_same(
    overrides: list[str], steps: int, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while the averaged weights are validated: it is the trained ones that are saved then."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(tiny, *overrides, f"output_dir={whole}", validate=True)
    with monkeypatch.context() as patch:
        patch.setattr(train, "StopRequest", StopAfter)
        StopAfter.steps = steps
        with pytest.raises(Stopped):
            run(tiny, *overrides, f"output_dir={parts}", validate=True)
    run(tiny, *overrides, f"output_dir={parts}", validate=True, resume="auto")
    names = {file.stem for file in whole.glob("*.pdparams")}
    assert names == {file.stem for file in parts.glob("*.pdparams")}
    assert figures(parts) == figures(whole)
    for name in names - {"Tiny_best_ema", "Tiny_swa"}:
        assert_same(whole / name, parts / name)
    for name in names & {"Tiny_best_ema", "Tiny_swa"}:
        one, other = (weights.read_state(folder / f"{name}.pdparams") for folder in (whole, parts))
        assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_finished_run_that_is_resumed_has_its_figures_once(tiny: Path, tmp_path: Path) -> None:
    """The mean of SWA is made and measured anew at every end of a run; so is that of one with more epochs."""
    output = tmp_path / "output"
    run(tiny, *BOTH, validate=True)
    once = figures(output)
    assert once[-1]["kind"] == "val_swa"
    for _ in range(2):
        run(tiny, *BOTH, validate=True, resume="auto")
        assert figures(output) == once
    run(tiny, *BOTH, "epochs=5", validate=True, resume="auto")
    kinds = [(row["kind"], row["epoch"]) for row in figures(output) if row["kind"].startswith("val")]
    assert kinds == [*((kind, i) for i in range(1, 6) for kind in ("val", "val_ema")), ("val_swa", 5)]


def test_a_run_that_gets_no_better_ends_early(tiny: Path, tmp_path: Path) -> None:
    still = ["OPTIMIZER.learning_rate=0.0", "OPTIMIZER.weight_decay=null", "epochs=9", "save_interval=20"]
    still += ["early_stopping={patience: 2}"]
    # Without training only the running statistics move; the first validation may be beaten by luck of those alone.
    state = run(tiny, *still, "early_stopping.min_delta=0.5", validate=True)
    assert (state.epoch, state.stopping_waited) == (3, 2)
    output = tmp_path / "output"
    assert (output / "Tiny_epoch_00003.pdparams").exists(), "the last epoch is saved"
    assert "early_stopping: no better figure in 2 validations, after 3 epochs" in (output / "run.log").read_text()
    again = run(tiny, *still, "early_stopping.min_delta=0.5", validate=True, resume="auto")
    assert again.epoch == 3, "a resumed run is at its end too"
