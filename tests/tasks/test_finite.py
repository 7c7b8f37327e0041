"""Losses and gradients that are no finite numbers: named, skipped or the end of the run, never saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from killed import figures
from test_train import run

from paddlevideo.tasks import train
from paddlevideo.tasks.finite import IN_A_ROW, DivergedError, FiniteWatch, Statistics, gradient_norm, shown
from paddlevideo.tasks.run import build_loader
from paddlevideo.tasks.schema import load
from paddlevideo.utils import compat

BAD = {(0, 2), (1, 0), (1, 4)}  # (epoch, batch)


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some batches are of pixels that are no numbers."""
    forward_backward, to_tensors = train.Trainer._forward_backward, train.to_tensors

    def forward(self: train.Trainer, *arguments: Any, **options: Any) -> Any:
        factor = float("nan") if (self.state.epoch, self.state.step) in BAD else 1.0
        monkeypatch.setattr(train, "to_tensors", lambda batch: _scaled(to_tensors(batch), factor))
        return forward_backward(self, *arguments, **options)

    monkeypatch.setattr(train.Trainer, "_forward_backward", forward)


def _scaled(batch: dict, factor: float) -> dict:
    return {**batch, "shift": batch["shift"] * factor}


@pytest.mark.usefixtures("poisoned")
@pytest.mark.parametrize("interval", [1, 100])
def test_the_batch_is_named_and_nothing_is_saved(interval: int, tiny: Path, tmp_path: Path) -> None:
    """Also where steps are looked at much later: before anything is saved at the latest."""
    files = list(build_loader(load(tiny).root, "train", 1234).epoch(0))[2]["files"]
    with pytest.raises(DivergedError) as caught:
        run(tiny, f"log_interval={interval}", "save_interval={iterations: 2}", validate=True)
    said = f"no longer finite numbers in epoch 1, step 2, of {', '.join(files)}; nothing was saved since then"
    assert said in str(caught.value)
    saved = [file.name for file in (tmp_path / "output").glob("*.pdparams")]
    assert saved == ["Tiny_epoch_00001_step_000002.pdparams"]


@pytest.mark.usefixtures("poisoned")
def test_skipped_steps_leave_no_trace(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, changed = train.Trainer._step, []

    def all_there_is(trainer: train.Trainer) -> dict[str, np.ndarray]:
        tensors = {**trainer.net.state_dict(), **compat.optimizer_state(trainer.optimizer)}
        return {name: value.numpy().copy() for name, value in tensors.items() if hasattr(value, "numpy")}

    def watched(self: train.Trainer, *arguments: Any) -> Any:
        before = all_there_is(self)
        result = step(self, *arguments)
        after = all_there_is(self)
        different = any(not np.array_equal(before.get(name), after[name]) for name in after)
        changed.append((self.state.epoch, self.state.step, different))
        return result

    monkeypatch.setattr(train.Trainer, "_step", watched)
    state = run(tiny, "on_non_finite=skip", "log_interval=1", validate=True)
    assert {(epoch, batch) for epoch, batch, different in changed if not different} == BAD
    assert state.skipped == 3
    text = (tmp_path / "output/run.log").read_text()
    assert text.count("the gradients are not finite, so the step is skipped: epoch 1, step 2, of ") == 1
    assert text.count("so the step is skipped") == 3 and "3 steps were skipped" in text
    rows = figures(tmp_path / "output")
    assert all(np.isfinite(row["loss"]) for row in rows if "loss" in row)
    assert len([row for row in rows if row["kind"] == "step"]) == 10 - 3


def test_skipping_does_not_change_a_run_in_which_all_is_finite(tiny: Path, tmp_path: Path) -> None:
    from killed import assert_same

    for policy in ("stop", "skip"):
        run(tiny, f"on_non_finite={policy}", f"output_dir={tmp_path / policy}", "epochs=1")
    assert_same(tmp_path / "stop/Tiny_epoch_00001", tmp_path / "skip/Tiny_epoch_00001")


def test_skipping_ends_where_it_is_not_single_clips() -> None:
    model = paddle.nn.Sequential(paddle.nn.BatchNorm1D(2))
    watch, nan = FiniteWatch(True, Statistics(model)), paddle.to_tensor(float("nan"))
    for number in range(IN_A_ROW - 1):
        assert watch.skips([nan], nan, f"step {number}", ["a.mp4"])
    assert not watch.skips([paddle.ones([])], paddle.ones([]), "a good one", ["b.mp4"])
    for number in range(IN_A_ROW - 1):
        assert watch.skips([nan], nan, f"step {number}", ["a.mp4"])
    with pytest.raises(DivergedError, match="20 steps in a row were not finite, up to step 19"):
        watch.skips([nan], nan, "step 19", ["a.mp4"])


def test_any_value_that_is_not_finite_is_told_at_once_for_all_steps() -> None:
    watch = FiniteWatch(False, Statistics(paddle.nn.Linear(1, 1)))
    good, bad = paddle.ones([2, 3]), paddle.to_tensor([1.0, float("inf")])
    watch.settle()
    for number in range(5):
        values = [good, bad if number in (2, 4) else good, *([good] if number % 2 else [])]
        assert not watch.skips(values, good.sum(), f"step {number}", [f"{number}.mp4"])
    with pytest.raises(DivergedError, match=r"in step 2, of 2\.mp4; "):
        watch.settle()
    watch.settle()


def test_statistics_are_put_back() -> None:
    model = paddle.nn.Sequential(paddle.nn.BatchNorm1D(2))
    statistics = Statistics(model)
    before = [value.numpy().copy() for value in (model[0]._mean, model[0]._variance)]
    statistics.keep()
    model(paddle.full([3, 2], float("nan")))
    assert np.isnan(model[0]._mean.numpy()).all()
    statistics.put_back()
    for value, was in zip((model[0]._mean, model[0]._variance), before):
        np.testing.assert_array_equal(value.numpy(), was)


def test_the_norm_is_of_all_gradients_together() -> None:
    model = paddle.nn.Linear(2, 2)
    assert float(gradient_norm(model.parameters())) == 0
    (model(paddle.to_tensor([[3.0, 4.0]])).sum()).backward()
    assert float(gradient_norm(model.parameters())) == pytest.approx((2 * (9 + 16) + 2) ** 0.5)


def test_many_files_are_not_all_named() -> None:
    assert shown([f"{i}.mp4" for i in range(10)]) == "".join(f"{i}.mp4, " for i in range(7)) + "7.mp4 and 2 more"
