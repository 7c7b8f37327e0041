"""Training on a very small data set: files, log lines, resuming, accumulating, stopping."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddlevideo.modeling import weights
from paddlevideo.tasks import clock, schema, train
from paddlevideo.tasks.checkpoint import TrainState
from paddlevideo.tasks.checkpoint_files import Checkpoints
from paddlevideo.tasks.run import build_loader
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import log
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.signals import Stopped, StopRequest

SCHEDULE = "{name: PiecewiseDecay, boundaries: [1], values: [1e-2, 1e-3]}"
ADAMW = [f"OPTIMIZER={{name: AdamW, weight_decay: 0.01, learning_rate: {SCHEDULE}}}"]


def run(config: Path, *overrides: str, **options: object) -> TrainState:
    resolved = schema.load(config, list(overrides))
    log.setup(resolved.root.output / "run.log")
    return train.train(resolved, TrainOptions(**options))  # type: ignore[arg-type]


def arrays(prefix: Path) -> dict[str, np.ndarray]:
    """All numbers of a checkpoint, weights and optimizer."""
    rest = weights.read_pickle(Path(f"{prefix}.pdopt"))
    return {**weights.read_state(Path(f"{prefix}.pdparams")), **rest["optimizer"]}


def assert_equal(one: Path, other: Path) -> None:
    a, b = arrays(one), arrays(other)
    assert a.keys() == b.keys()
    different = [name for name in a if not np.array_equal(a[name], b[name])]
    assert not different


def test_files_and_log_lines(tiny: Path, tmp_path: Path) -> None:
    state = run(tiny, validate=True)
    output = tmp_path / "output"
    assert {file.name for file in output.iterdir()} == {
        "run.log",
        "metrics.jsonl",
        *(f"Tiny_{name}.{kind}" for name in ("best", "epoch_00001", "epoch_00002") for kind in ("pdparams", "pdopt")),
    }
    text = (output / "run.log").read_text()
    number = r"\d+\.\d{5}"
    assert re.search(
        rf"^\[\d\d/\d\d \d\d:\d\d:\d\d\] epoch:\[  1/2  \] train step:0    loss: {number} lr: 0\.050000 top1: {number} "
        rf"top5: {number} batch_cost: {number} sec, reader_cost: {number} sec, ips: {number} instance/sec, "
        rf"eta: \d+:\d\d:\d\d, data_wait: \d+\.\d %, grad_norm: {number}$",
        text,
        re.MULTILINE,
    )
    assert re.search(
        rf"epoch:\[  2/2  \] val step:2    loss: {number} top1: {number} top5: {number} batch_cost: {number} sec, "
        rf"reader_cost: {number} sec, ips: {number} instance/sec\.$",
        text,
        re.MULTILINE,
    )
    assert re.findall(r"train step:(\d+)", text) == ["0", "2", "4"] * 2
    assert re.search(
        rf"END epoch:2   val loss_avg: {number} top1_avg: {number} top5_avg: {number} avg_batch_cost: ", text
    )
    best = re.findall(r"Already save the best model \(top1 acc\)(\d\.\d+)", text)
    assert best and float(best[-1]) == state.best_top1 == float(f"{state.best_top1:.4f}")
    assert "lr: 0.010000" in text and "training Tiny finished" in text
    assert "Training in fp32 mode." in text


@pytest.mark.parametrize("optimizer", [[], ADAMW], ids=["Momentum", "AdamW"])
def test_a_resumed_run_is_the_same_run_bit_for_bit(optimizer: list[str], tiny: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(tiny, f"output_dir={whole}", *optimizer, validate=True)
    run(tiny, f"output_dir={parts}", "epochs=1", *optimizer, validate=True)
    run(tiny, f"output_dir={parts}", *optimizer, validate=True, resume="auto")
    assert_equal(Checkpoints(whole, "Tiny").epoch(2), Checkpoints(parts, "Tiny").epoch(2))
    assert_equal(Checkpoints(whole, "Tiny").best(), Checkpoints(parts, "Tiny").best())


def test_resume_epoch_continues_like_resume_auto(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    run(tiny)
    expected = arrays(Checkpoints(output, "Tiny").epoch(2))
    state = run(tiny, "resume_epoch=1")
    assert state.epoch == 2
    again = arrays(Checkpoints(output, "Tiny").epoch(2))
    assert all(np.array_equal(expected[name], again[name]) for name in expected)


class StopAfter(StopRequest):
    """Stands for a SIGTERM that arrives in the nth step."""

    steps = 0

    def leave(self) -> None:
        type(self).steps -= 1
        if type(self).steps <= 0:
            self.number = signal.SIGTERM
        super().leave()


@pytest.mark.parametrize("steps", [1, 3, 5, 7])
def test_stopping_inside_an_epoch_loses_nothing(
    steps: int, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(tiny, f"output_dir={whole}")
    with monkeypatch.context() as patch:
        patch.setattr(train, "StopRequest", StopAfter)
        StopAfter.steps = steps
        with pytest.raises(Stopped) as stopped:
            run(tiny, f"output_dir={parts}")
    assert stopped.value.code == 143
    assert (parts / f"Tiny_epoch_{1 + (steps - 1) // 5:05d}_step_{(steps - 1) % 5 + 1:06d}.pdparams").exists()
    run(tiny, f"output_dir={parts}", resume="auto")
    assert_equal(Checkpoints(whole, "Tiny").epoch(2), Checkpoints(parts, "Tiny").epoch(2))
    assert not list(parts.glob("*_step_*"))


@pytest.mark.parametrize(
    ("size", "step", "said"), [(2, 6, "goes on with step 6"), (5, 2, "goes on, 2 of them once more")]
)
def test_a_resume_with_other_batches_goes_on_with_the_clips_that_are_to_come(
    size: int, step: int, said: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(train, "StopRequest", StopAfter)
        StopAfter.steps = 3
        with pytest.raises(Stopped):
            run(tiny)
    seen: list[str] = []
    note = train.FiniteWatch.skips
    monkeypatch.setattr(train.FiniteWatch, "skips", lambda *args: (seen.extend(args[-1]), note(*args))[1])
    run(tiny, f"DATASET.batch_size={size}", "epochs=1", resume="auto")
    loader = build_loader(schema.load(tiny, ["DATASET.batch_size=1"]).root, "train", 1234)
    order = [loader.dataset.clip(index).path for (index,) in loader.plan(0)]
    assert seen == order[step * size :][: len(seen)]
    assert len(seen) == (22 // size - step) * size
    assert said in (tmp_path / "output/run.log").read_text()


def test_a_damaged_newest_checkpoint_falls_back_aloud(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    run(tiny)
    newest = output / "Tiny_epoch_00002.pdparams"
    newest.write_bytes(newest.read_bytes()[:-20])
    assert run(tiny, resume="auto").epoch == 2
    text = (output / "run.log").read_text()
    assert "trying the checkpoint before it" in text and "Tiny_epoch_00001 (epoch 2, step 0)" in text


def test_weights_and_optimizer_of_different_moments_are_refused(tiny: Path, tmp_path: Path) -> None:
    output = tmp_path / "output"
    run(tiny)
    (output / "Tiny_epoch_00001.pdopt").replace(output / "Tiny_epoch_00002.pdopt")
    with pytest.raises(UserError, match="do not belong together"):
        run(tiny, resume=str(output / "Tiny_epoch_00002"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": "nowhere/Tiny_epoch_00001"}, "nowhere/Tiny_epoch_00001.pdopt"),
        ({"resume": "auto", "weights": "x.pdparams"}, "give one of them"),
        ({"amp_level": "O1"}, "--amp_level O1 does nothing without --amp"),
        ({"weights": "none.pdparams"}, "none.pdparams"),
    ],
)
def test_wrong_options(options: dict, message: str, tiny: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tiny, **options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_the_seed_of_a_resumed_run_must_be_the_same(tiny: Path) -> None:
    run(tiny, "epochs=1")
    with pytest.raises(UserError, match="used --seed 1234"):
        run(tiny, resume="auto", seed=5)


def test_nothing_to_resume_starts_anew_aloud(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "epochs=1", resume="auto")
    assert "there is nothing to resume" in (tmp_path / "output/run.log").read_text()


@pytest.mark.parametrize("options", [{}, {"resume": "auto"}], ids=["new", "nothing to resume"])
def test_a_new_run_starts_from_the_pretrained_backbone(options: dict, tiny: Path) -> None:
    resnet = "{name: ResNet, depth: 18, pretrained: nowhere.pdparams}"
    with pytest.raises(UserError, match=r"nowhere\.pdparams"):
        run(tiny, f"MODEL.backbone={resnet}", "MODEL.head.in_channels=512", **options)


def test_amp_on_the_cpu_changes_nothing_and_says_so(tiny: Path, tmp_path: Path) -> None:
    plain, amp = tmp_path / "plain", tmp_path / "amp"
    run(tiny, f"output_dir={plain}", "epochs=1")
    run(tiny, f"output_dir={amp}", "epochs=1", amp=True)
    assert_equal(plain / "Tiny_epoch_00001", amp / "Tiny_epoch_00001")
    text = (amp / "run.log").read_text()
    assert "Training in amp mode, amp_level=O1." in text and "no mixed precision on the CPU" in text


def test_other_precisions_are_of_amp(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--amp_dtype bfloat16 does nothing without --amp"):
        run(tiny, amp_dtype="bfloat16")
    run(tiny, "epochs=1", "sync_bn=True", amp=True, amp_level="O2", amp_dtype="bfloat16")
    text = (tmp_path / "output/run.log").read_text()
    assert "Training in amp mode, amp_level=O2, bfloat16." in text and "sync_bn: changes nothing here" in text


def test_a_compiled_model_trains_alike(tiny: Path, tmp_path: Path) -> None:
    for name in ("eager", "graph"):
        run(tiny, f"output_dir={tmp_path / name}", f"to_static={name == 'graph'}", "epochs=1", validate=True)
    eager, graph = arrays(tmp_path / "eager/Tiny_epoch_00001"), arrays(tmp_path / "graph/Tiny_epoch_00001")
    assert eager.keys() == graph.keys()
    for name in eager:
        np.testing.assert_allclose(graph[name], eager[name], rtol=1e-4, atol=1e-6, err_msg=name)


PLAIN = "PIPELINE.train.transform=[Image2Array: , Normalization: {mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}]"


@pytest.fixture
def repeated(data: Path, tmp_path: Path) -> Callable[[int], str]:
    """An override: a training list of one clip, n times; every batch then has the same statistics."""

    def override(count: int) -> str:
        path = tmp_path / f"same_{count}.list"
        path.write_text((data / "train.list").read_text().splitlines(keepends=True)[0] * count)
        return f"DATASET.train.file_path={path}"

    return override


@pytest.mark.parametrize(("many", "few"), [(12, 12), (8, 6)], ids=["whole groups", "a trailing part"])
def test_accumulated_steps_equal_large_batches(
    many: int, few: int, repeated: Callable[[int], str], tiny: Path, tmp_path: Path
) -> None:
    """Batches of 2 in groups of 2 against batches of 4. With 6 clips the third micro-step is a group of its own; it
    must weigh as much as a whole group, so the result is that of 8 clips in batches of 4."""
    shared = ["epochs=1", "MODEL.head.drop_ratio=0.0", "PIPELINE.train.sample.valid_mode=True", PLAIN]
    large, small = tmp_path / "large", tmp_path / "small"
    run(tiny, *shared, repeated(many), f"output_dir={large}", "DATASET.batch_size=4")
    group = ["DATASET.batch_size=2", "GRADIENT_ACCUMULATION.global_batch_size=4"]
    run(tiny, *shared, repeated(few), f"output_dir={small}", *group)
    expected, got = arrays(large / "Tiny_epoch_00001"), arrays(small / "Tiny_epoch_00001")
    for name in [name for name in expected if not name.endswith(("._mean", "._variance"))]:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_global_batch_that_does_not_divide_is_refused(tiny: Path) -> None:
    with pytest.raises(UserError, match=r"global_batch_size: 6 is not a multiple of 4 \(batch_size 4 x 1 processes\)"):
        run(tiny, "GRADIENT_ACCUMULATION.global_batch_size=6")


def test_fine_tuning_with_another_number_of_classes(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "epochs=1")
    file = tmp_path / "output/Tiny_epoch_00001.pdparams"
    run(
        tiny,
        "epochs=1",
        "MODEL.head.num_classes=9",
        "DATASET.labels=null",
        f"output_dir={tmp_path / 'new'}",
        weights=str(file),
    )
    text = (tmp_path / "new/run.log").read_text()
    assert f"Finetune from checkpoint: {file}" in text and "head" in text
    before, after = weights.read_state(file), weights.read_state(tmp_path / "new/Tiny_epoch_00001.pdparams")
    assert after["head.fc.weight"].shape == (16, 9)
    assert before["backbone.blocks.0.conv._conv.weight"].shape == after["backbone.blocks.0.conv._conv.weight"].shape


@pytest.mark.parametrize("count", [1, 3, 5])
def test_any_size_of_data_set_trains(count: int, repeated: Callable[[int], str], tiny: Path, tmp_path: Path) -> None:
    run(tiny, repeated(count), "epochs=1", validate=True)
    assert (tmp_path / "output/Tiny_epoch_00001.pdparams").exists()


def test_unreadable_videos_are_counted_and_listed(data: Path, tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    path = tmp_path / "some.list"
    path.write_text(
        "".join(f"{data}/{line}\n" for line in (data / "train.list").read_text().splitlines()) + f"{broken} 3\n"
    )
    overrides = [
        f"DATASET.train.file_path={path}",
        "DATASET.train.data_prefix=null",
        "epochs=1",
        "DATASET.batch_size=23",
    ]
    with pytest.raises(UserError, match=r"broken\.mp4"):
        run(tiny, *overrides)
    run(tiny, *overrides, "DATASET.train.on_error=skip")
    listing = tmp_path / "output/unreadable_train.txt"
    assert f"1 of 23 train samples unreadable; {listing} lists them with" in (tmp_path / "output/run.log").read_text()
    assert listing.read_text().startswith(f"{broken}\t")


def test_an_error_keeps_the_finished_steps(data: Path, tiny: Path, tmp_path: Path) -> None:
    """A validation video that cannot be read ends the run after an epoch; mended, the run goes on as if nothing was."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run(tiny, f"output_dir={whole}", validate=True)
    listing = tmp_path / "valid.list"
    listing.write_text("missing.mp4 0\n")
    with pytest.raises(UserError, match=r"missing\.mp4"):
        run(tiny, f"output_dir={parts}", f"DATASET.valid.file_path={listing}", validate=True)
    assert (parts / "Tiny_epoch_00001_step_000005.pdparams").exists()
    assert "ended by an error in epoch 1 after step 5" in (parts / "run.log").read_text()
    run(tiny, f"output_dir={parts}", validate=True, resume="auto")
    for name in ("best", "epoch_00001", "epoch_00002"):
        assert_equal(whole / f"Tiny_{name}", parts / f"Tiny_{name}")


def test_an_error_keeps_epochs_that_were_not_due_for_saving(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error at the very start of epoch 3, where only epoch 1 was saved."""
    forward_backward = train.Trainer._forward_backward

    def failing(self: train.Trainer, *arguments: Any, **options: Any) -> Any:
        if self.state.epoch == 2:
            raise RuntimeError("a worker process of the loader died")
        return forward_backward(self, *arguments, **options)

    monkeypatch.setattr(train.Trainer, "_forward_backward", failing)
    with pytest.raises(RuntimeError):
        run(tiny, "epochs=4", "save_interval=4")
    monkeypatch.undo()
    assert (tmp_path / "output/Tiny_epoch_00003_step_000000.pdparams").exists()
    assert run(tiny, "epochs=4", "save_interval=4", resume="auto").epoch == 4
    assert "(epoch 3, step 0)" in (tmp_path / "output/run.log").read_text()


def test_a_diverged_run_is_not_saved(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "epochs=1", f"output_dir={tmp_path / 'before'}")
    state = weights.read_state(tmp_path / "before/Tiny_epoch_00001.pdparams")
    state["head.fc.weight"][0, 0] = np.nan
    paddle.save(state, str(tmp_path / "bad.pdparams"))
    with pytest.raises(UserError, match=r"no longer finite numbers in epoch 1, step 0, of \S+/train/\w+.mp4, "):
        run(tiny, weights=str(tmp_path / "bad.pdparams"))
    assert not list((tmp_path / "output").glob("*.pdparams"))


def test_scalars_are_written_where_asked(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("visualdl")
    run(tiny, f"log_dir={tmp_path / 'scalars'}", "epochs=1", validate=True)
    from visualdl import LogReader

    (file,) = (tmp_path / "scalars").glob("vdlrecords.*.log")
    tags = LogReader(file_path=str(file)).get_tags()["scalar"]
    assert {"step/loss", "step/lr", "val/top1", "train/loss"} <= set(tags)


WARM = "{name: LinearWarmup, learning_rate: {name: MultiStepDecay, learning_rate: 0.04, milestones: [1]}"
WARM += ", warmup_steps: 1, start_lr: 0.02, end_lr: 0.04}"


def rates(text: str) -> list[str]:
    """The learning rate of the first logged step of each epoch."""
    return re.findall(r"train step:0 .*? lr: (\S+)", text)


def test_scale_lr_scales_the_whole_schedule(tiny: Path, tmp_path: Path) -> None:
    logged = tmp_path / "output/run.log"
    rate = [f"OPTIMIZER.learning_rate={WARM}", "epochs=3", "OPTIMIZER.base_batch_size=16"]
    run(tiny, *rate)
    hint = "the learning rates are the recipe's, for a global batch of 16; this run's is 4, for which --scale-lr would"
    assert hint in logged.read_text() and rates(logged.read_text()) == ["0.020000", "0.040000", "0.004000"]
    logged.unlink()
    state = run(tiny, *rate, scale_lr=True)
    assert "learning rate scaled by 0.25: global batch 4, the recipe's is 16" in logged.read_text()
    assert rates(logged.read_text()) == ["0.005000", "0.010000", "0.001000"]
    assert state.lr_scale == 0.25
    logged.unlink()
    run(tiny, f"OPTIMIZER.learning_rate={WARM[:-1]}, base_batch_size: 16}}", "epochs=3")
    assert rates(logged.read_text()) == ["0.005000", "0.010000", "0.001000"]


def test_the_clock_is_told_every_batch_and_where_epochs_begin(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    firsts: list[bool] = []
    plain = clock.Clock.step

    def step(self: clock.Clock, seconds: float, waited: float, pace: float | None, first: bool) -> None:
        assert seconds >= waited >= 0 and pace is None
        firsts.append(first)
        plain(self, seconds, waited, pace, first)

    monkeypatch.setattr(clock.Clock, "step", step)
    run(tiny, "GRADIENT_ACCUMULATION.global_batch_size=8")  # 5 batches an epoch, in steps of 2, 2 and 1
    assert firsts == 2 * [True, False, False, False, False]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["val_interval=2", "EMA={decay: 0.5}", "save_interval={iterations: 2}"],
        ["SWA={epochs: 2}", "EMA={decay: 0.5}", "PRECISEBN={preciseBN_interval: 2, num_iters_preciseBN: 3}"],
        ["SWA={epochs: 1}", "GRADIENT_ACCUMULATION.global_batch_size=8"],
    ],
    ids=["plain", "ema", "all", "swa"],
)
@pytest.mark.parametrize("validate", [True, False])
def test_the_clock_knows_all_the_work_there_is(
    validate: bool, overrides: list[str], tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the end of a run as much is done as was planned, of every kind."""
    made: list[clock.Clock] = []
    plain = clock.Clock.__init__

    def init(self: clock.Clock, *arguments: int, **options: int) -> None:
        plain(self, *arguments, **options)
        made.append(self)

    monkeypatch.setattr(clock.Clock, "__init__", init)
    run(tiny, "epochs=3", *overrides, validate=validate)
    kinds = {"step": made[0]._step, "first": made[0]._first} | {k: v[0] for k, v in made[0]._others.items()}
    assert {name: kind.left for name, kind in kinds.items()} == dict.fromkeys(kinds, 0)
    assert ("validation" in kinds) == validate


def test_accumulated_clips_count_for_the_scale(tiny: Path, tmp_path: Path) -> None:
    run(tiny, "epochs=1", "OPTIMIZER.base_batch_size=4", "GRADIENT_ACCUMULATION.global_batch_size=8", scale_lr=True)
    text = (tmp_path / "output/run.log").read_text()
    assert "learning rate scaled by 2: global batch 8, the recipe's is 4" in text
    assert "lr: 0.100000" in text


def test_a_resumed_run_keeps_its_scale(tiny: Path, tmp_path: Path) -> None:
    base = "OPTIMIZER.base_batch_size=16"
    run(tiny, base, "epochs=1", scale_lr=True)
    run(tiny, base, resume="auto")
    text = (tmp_path / "output/run.log").read_text()
    assert "learning rate scaled by 0.25, as in the run that is resumed" in text
    assert rates(text) == ["0.012500", "0.002500"]
