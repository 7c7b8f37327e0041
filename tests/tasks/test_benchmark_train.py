"""The benchmark of the training loop: that both loops do the same work, and that the figures are what they say."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import Any

import numpy as np
import paddle
import pytest

from paddlevideo.cli import benchmark as command
from paddlevideo.loader.batch import Batch
from paddlevideo.tasks.benchmark import memory, rehearsal, train, train_report
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, script
from paddlevideo.tasks.train import Trainer
from paddlevideo.utils.errors import UserError


class Loop:
    """In the place of a loop, writes down its steps."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order
        self.net = paddle.nn.Linear(1, 1)
        self.trainer = self
        self.batches: list[Batch] = [{"number": number} for number in range(3)]
        self.feed: Callable[[], Iterator[Batch]] = lambda: iter(self.batches)

    def step(self, batch: Batch) -> None:
        self.order.append(f"{self.name} {batch['number']}")
        sleep(0.01 if self.name == "ours" else 0.02)

    def round(self) -> None:
        """As the trainer: it does not ask for what comes after the last batch, and has something to do at the end."""
        for _, batch in zip(range(3), self.feed()):
            self.step(batch)
        sleep(0.05)


def test_the_loops_take_a_step_each_in_turn() -> None:
    order: list[str] = []
    ours, bare = Loop("ours", order), Loop("bare", order)
    seconds = train.take_turns(ours, bare, bare_first=False)  # type: ignore[arg-type]
    assert order == ["ours 0", "bare 0", "ours 1", "bare 1", "ours 2", "bare 2"]
    assert seconds[0] >= 3 * 0.01 + 0.05 and seconds[1] >= 3 * 0.02
    order.clear()
    seconds = train.take_turns(ours, bare, bare_first=True)  # type: ignore[arg-type]
    assert order == ["bare 0", "ours 0", "bare 1", "ours 1", "bare 2", "ours 2"]
    assert seconds[0] >= 3 * 0.01 + 0.05 and seconds[1] >= 3 * 0.02


class Recorder:
    """Watches a trainer."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def __call__(self, trainer: Trainer, batches: list, found: list[dict[str, Any]]) -> None:
        self.losses += [float(values["loss"]) for values in found]


VARIANTS: dict[str, list[str]] = {
    "as it is": [],
    "mixed": ["MIX={name: Mixup, alpha: 0.2}"],
    "adamw": ["OPTIMIZER={name: AdamW, learning_rate: 0.01, base_batch_size: 64}"],
    "scaled": ["OPTIMIZER.learning_rate.base_batch_size=64"],
    "saving": ["save_interval={iterations: 2}"],
    "accumulating": ["GRADIENT_ACCUMULATION={global_batch_size: 8}"],
}


@pytest.mark.parametrize("name", VARIANTS)
def test_both_loops_compute_the_same_losses_and_weights(name: str, tiny: Path, tmp_path: Path) -> None:
    """Exactly, with dropout: the bare loop follows the trainer's rates and random numbers."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    play = script(str(tiny), ["log_interval=1", *VARIANTS[name]], 4, 6, scratch)
    ours, bare, recorder = Rehearsal(play), train.Bare(play), Recorder()
    ours.trainer.watch = recorder
    before = [value.numpy() for value in bare.net.parameters()]
    ours.round()
    losses = [float(loss) for loss in train.follow(bare, play)]
    assert recorder.losses == losses  # clips are a power of 2, so weighing by their number loses nothing
    assert len(set(losses)) == 6 and np.isfinite(losses).all()
    assert train.same_weights(ours.trainer.net, bare.net)
    assert any((old != new.numpy()).any() for old, new in zip(before, bare.net.parameters())), "it does learn"
    bare.round()
    assert not train.same_weights(ours.trainer.net, bare.net)
    ours.close()


def test_a_second_round_is_another_epoch_of_the_same_batches(tiny: Path, tmp_path: Path) -> None:
    ours = Rehearsal(script(str(tiny), ["log_interval=1"], 2, 3, tmp_path))
    ours.trainer.watch = recorder = Recorder()
    ours.round()
    ours.round()
    assert len(recorder.losses) == 6 and ours.trainer.state.step == 3


def test_no_step_waits_for_the_device_to_log(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps there are between two lines, as many values are fetched from the device."""
    reads: list[str] = []
    for name in ("numpy", "item", "tolist", "__float__", "__int__", "__bool__", "__array__"):
        plain = getattr(paddle.Tensor, name)

        def counted(self: paddle.Tensor, *args: object, plain: Any = plain, name: str = name, **more: object) -> object:
            reads.append(name)
            return plain(self, *args, **more)

        monkeypatch.setattr(paddle.Tensor, name, counted)
    counts = []
    for steps in (3, 9):
        folder = tmp_path / str(steps)
        folder.mkdir()
        ours = Rehearsal(script(str(tiny), ["log_interval=100"], 2, steps, folder))
        reads.clear()
        ours.round()
        counts.append(len(reads))
    assert counts[0] == counts[1] > 0


def test_the_script_changes_what_a_run_writes_and_reads_only(
    tiny: Path, tmp_path: Path, edited: Callable[[str, str], Path]
) -> None:
    edited("{name: VideoDecoder}", "{name: FrameDecoder}")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    play = script(str(tiny), ["PRECISEBN={preciseBN_interval: 1, num_iters_preciseBN: 2}"], 3, 6, scratch, listed=50)
    cfg = play.resolved.root
    assert (cfg.output, cfg.PRECISEBN, cfg.DATASET.batch_size, cfg.epochs) == (scratch, None, 3, 2)
    assert len(play.batches) == 6 and play.batches[0] is play.batches[rehearsal.DISTINCT]
    imgs = play.batches[0]["imgs"]
    assert imgs.shape == (3, 4, 3, 16, 16) and imgs.dtype == np.uint8 and len(np.unique(imgs)) > 200
    assert play.batches[1]["label"].tolist() == [3, 4, 5]
    assert len((scratch / "train.list").read_text().splitlines()) == 50
    assert play.options.max_iters == 6
    Rehearsal(play).round()
    assert not (tmp_path / "output").exists()


def test_a_script_for_several_labels(tiny: Path, tmp_path: Path, edited: Callable[[str, str], Path]) -> None:
    edited("std: 0.01}", "std: 0.01, loss_cfg: {name: BinaryCrossEntropyLoss}}")
    edited("CenterCropMetric", "MultiLabelMetric")
    play = script(str(tiny), [], 4, 2, tmp_path)
    assert play.batches[0]["label"].shape == (4, 1)
    Rehearsal(play).round()


def test_without_an_optimizer(tiny: Path) -> None:
    with pytest.raises(UserError, match="OPTIMIZER is missing"):
        train.measure(str(tiny), ["OPTIMIZER=null"], 2, 2, 1)


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(list(map(str, given)))


def test_a_run(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    command.run(arguments("train", tiny, "--batch", 2, 3, "--steps", 3, "--repeat", 2, "--json", out))
    printed, found = capsys.readouterr().out, json.loads(out.read_text())
    assert [(row["batch"], row["steps"], row["rounds"]) for row in found["results"]] == [(2, 3, 2), (3, 3, 2)]
    for row in found["results"]:
        assert row["equal"] and len(row["ratios"]) == 2 and row["ours"] > 0 and row["bare"] > 0
        assert row["memory"]["peak"] >= row["memory"]["ready"] > 50 * 2**20
    assert "batches of 2, 3 steps a round" in printed and "epoch:[" not in printed
    assert not (tmp_path / "output").exists()


def test_the_batch_is_the_config_s_own(tiny: Path) -> None:
    assert train.measure(str(tiny), [], None, 1, 1).batch == 4


def result(**changes: object) -> train.Result:
    usage = memory.Usage(300 * 2**20, 500 * 2**20)
    plain = {
        "config": "c.yaml", "batch": 8, "steps": 20, "rounds": 3, "ours": 0.0512, "bare": 0.05, "ratio": 1.02,
        "ratios": [1.01, 1.02, 1.05], "equal": True, "memory": usage, "bare_memory": usage,
    }  # fmt: skip
    return train.Result(**{**plain, **changes})  # type: ignore[arg-type]


def test_report() -> None:
    assert list(train_report.lines(result())) == [
        "c.yaml: batches of 8, 20 steps a round",
        "  our loop         51.20 ms a step",
        "  bare loop        50.00 ms a step   (forward, loss, backward, step, clear_grad)",
        "  ratio            1.020 times the bare loop's, the median of 3 rounds from 1.010 to 1.050",
        "  memory             500 MB at the peak of a process, the bare loop's 500 MB",
    ]
    slow = "\n".join(train_report.lines(result(ratio=1.04, equal=False, memory=None)))
    assert "from 1.010 to 1.050, above the target of 1.03" in slow
    assert "the weights of the two loops differ" in slow and "memory" not in slow
