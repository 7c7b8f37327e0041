"""Plans: the arithmetic as tables, the search on made-up machines, and the command that really runs."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddlevideo.cli import plan as command
from paddlevideo.registry import OPTIMIZERS
from paddlevideo.solver.lr import CustomWarmupCosineDecay, MultiStepDecay
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.tasks import schema
from paddlevideo.tasks.benchmark.child import Died
from paddlevideo.tasks.plan import advice, batches, costs, loading, plan, rates, report, search, wishes
from paddlevideo.tasks.plan.batches import Choice, Line, choices, fit
from paddlevideo.tasks.plan.command import training_command
from paddlevideo.tasks.plan.loading import Loading
from paddlevideo.tasks.plan.trial import Trial
from paddlevideo.tasks.plan.wishes import Wishes
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
MB, GB = 10**6, 10**9
KILLED = Died(-9, "no message", True)


# --- batches ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("together", "processes", "most", "expected"),
    [
        (16, 1, 16, [(1, 16), (2, 8), (4, 4), (8, 2), (16, 1)]),
        (16, 1, 10, [(1, 16), (2, 8), (4, 4), (8, 2)]),  # the data set has no more
        (24, 2, 12, [(1, 12), (2, 6), (3, 4), (4, 3), (6, 2), (12, 1)]),
        (7, 1, 7, [(1, 7), (7, 1)]),
        (15, 2, 7, [(1, 8), (2, 4), (4, 2), (7, 1)]),  # 16, 16, 16, 14: all miss by 1
        (128, 3, 4, [(1, 43), (2, 21), (3, 14), (4, 11)]),  # 129, 126, 126, 132 are within 5 %
        (2, 2, 1, [(1, 1)]),
    ],
)
def test_ways_to_a_global_batch(together: int, processes: int, most: int, expected: list[tuple[int, int]]) -> None:
    assert [choice[:2] for choice in choices(together, processes, most)] == expected


@given(together=st.integers(1, 300), processes=st.integers(1, 9), most=st.integers(1, 60))
def test_ways_are_exact_wherever_they_can_be(together: int, processes: int, most: int) -> None:
    found = choices(together, processes, most)
    assert found and all(1 <= choice.batch <= most for choice in found)
    if together % processes == 0:
        assert {choice.together for choice in found} == {together}
        assert {choice.batch for choice in found} == {
            size for size in range(1, most + 1) if together // processes % size == 0
        }


def test_lines() -> None:
    assert fit([(1, 300.0), (2, 350.0), (4, 450.0)]) == pytest.approx((250, 50))
    assert fit([(1, 300.0)]) == (300, 0)
    assert fit([(1, 300.0), (2, 290.0)]) == (300, 0), "memory that falls is noise"
    assert Line(250, 50).at(16) == 1050


@pytest.mark.parametrize(("given", "batch", "expected"), [(None, 8, 8), (2, 8, 2), (32, 8, 32), (64, 8, 32)])
def test_validation_batches(given: int | None, batch: int, expected: int) -> None:
    assert batches.validated(given, batch) == expected


# --- the search -------------------------------------------------------------------------------------------------------


def trial(batch: int, peak: float = 0, per_clip: float = 0.5, forward: float | None = 0.1) -> Trial:
    sizes = {"weights": 90 * MB, "trained": 80 * MB, "optimizer": 80 * MB, "clip": 10**6}
    return Trial(batch, int(peak), per_clip * batch, forward, **sizes, shape=[8, 3, 32, 32], batch_norm=True)


def look(
    sizes: list[int],
    budget: float,
    peak: Callable[[int], float] = lambda batch: 1000 + 100 * batch,
    per_clip: Callable[[int], float] = lambda batch: 0.1,
    killed: int = 10**9,
) -> tuple[search.Found, list[int]]:
    """What a search finds on a machine where batches of `killed` and more end their process, and what it tried."""
    tried: list[int] = []

    def attempt(batch: int) -> Trial | Died:
        tried.append(batch)
        return KILLED if batch >= killed else trial(batch, peak(batch), per_clip(batch))

    return search.Search(sizes, budget, lambda found: found.peak, attempt, 3).run(), tried


POWERS = [1, 2, 4, 8, 16, 32, 64, 128]


def test_the_largest_that_fits_is_tried_itself() -> None:
    found, tried = look(POWERS, 3000)
    assert (found.batch, tried) == (16, [1, 2, 16])
    assert found.measured == trial(16, 2600, 0.1) and found.line == pytest.approx((1000, 100))


def test_it_never_tries_more_than_eight_times_what_is_known() -> None:
    found, tried = look(POWERS, 10**6)
    assert (found.batch, tried) == (128, [1, 2, 16, 128])
    found, tried = look([1, 127], 10**6)
    assert (found.batch, tried) == (127, [1, 2, 16, 127])


def test_a_line_that_bends_is_corrected_by_the_trial() -> None:
    found, tried = look(POWERS, 3000, peak=lambda batch: 1000 + 100 * batch + (800 if batch > 8 else 0))
    assert (found.batch, found.too_large, tried) == (8, 16, [1, 2, 16, 8])


def test_a_killed_process_is_too_large() -> None:
    found, tried = look(POWERS, 3000, killed=5)
    assert (found.batch, found.too_large, tried) == (4, 8, [1, 2, 16, 8, 4])
    found, tried = look(POWERS, 3000, killed=2)
    assert (found.batch, found.too_large, tried) == (1, 2, [1, 2])


def test_nothing_fits() -> None:
    found, tried = look(POWERS, 1050)
    assert (found.batch, tried, found.line.at(1)) == (0, [1], 1100)
    found, tried = look(POWERS, 3000, killed=1)
    assert (found.batch, tried, found.line.at(1)) == (0, [1], 0)
    assert look([20, 40], 2500)[0].batch == 0, "one and two fit, but no size that makes the global batch"


def test_a_batch_that_is_slower_a_clip_is_left_for_a_smaller_one() -> None:
    found, tried = look(POWERS, 10**6, per_clip=lambda batch: 0.1 if batch <= 32 else 0.2)
    assert (found.batch, tried) == (32, [1, 2, 16, 128, 64, 32])
    assert look(POWERS, 10**6, per_clip=lambda batch: 0.1 + 0.01 * (batch > 32))[0].batch == 128, "that is noise"
    assert look(POWERS, 10**6, per_clip=lambda batch: 0.1 * batch)[0].batch == 1


def test_what_would_take_minutes_is_calculated() -> None:
    """1.1 seconds a clip of training, 4 steps and 2 validations: 120 s are over with 26 clips."""
    found, tried = look(POWERS, 13000, per_clip=lambda batch: 1.1)
    assert (found.batch, found.measured, tried) == (64, None, [1, 2, 16])
    assert look(POWERS, 7600, per_clip=lambda batch: 1.1)[0].batch == 32, "without a tenth to spare, not the 64"


def test_one_process_tries_nothing_beyond_its_share() -> None:
    assert look([1], 10**6) == (search.Found(1, {1: trial(1, 1100, 0.1)}, None, Line(1100, 0)), [1])


# --- rates ------------------------------------------------------------------------------------------------------------


def section(base: int | None = None, own: int | None = None) -> Optimizer:
    schedule = MultiStepDecay(0.02, [20], base_batch_size=own)
    return OPTIMIZERS.get("Momentum")(learning_rate=schedule, base_batch_size=base)


@pytest.mark.parametrize(
    ("base", "own", "together", "wanted", "expected"),
    [
        (128, None, 128, 128, rates.Rates(1.0, False, None, 0.02)),
        (128, None, 64, 64, rates.Rates(0.5, True, None, 0.01)),
        (None, 128, 64, 64, rates.Rates(0.5, False, None, 0.01)),  # the schedule scales by itself
        (None, None, 64, 64, rates.Rates(1.0, False, None, 0.02)),
        (None, None, 60, 64, rates.Rates(0.9375, True, 64, 0.01875)),
    ],
)
def test_rates(base: int | None, own: int | None, together: int, wanted: int, expected: rates.Rates) -> None:
    assert rates.rates(section(base, own), Choice(together, 1, 1), wanted, 30, 10) == expected


def test_schedules_that_count_batches_are_noticed() -> None:
    by_epochs = section()
    by_batches = OPTIMIZERS.get("SGD")(learning_rate=MultiStepDecay(0.1, [100], iter_step=True))
    cosine = CustomWarmupCosineDecay(
        warmup_start_lr=0.01, warmup_epochs=2, cosine_base_lr=0.1, max_epoch=30, iter_step=True
    )
    assert not rates.counts_batches(by_epochs, 30, 10, 80)
    assert rates.counts_batches(by_batches, 30, 10, 80) and not rates.counts_batches(by_batches, 30, 10, 10)
    assert not rates.counts_batches(OPTIMIZERS.get("SGD")(learning_rate=cosine), 30, 10, 80)
    assert not rates.counts_batches(OPTIMIZERS.get("SGD")(learning_rate=0.1), 30, 10, 80)


# --- times and space --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "workers", "cores", "processes", "gpu", "expected"),
    [
        (None, 4, 8, 1, False, 2.0),
        (8.0, 0, 8, 1, False, 4.0),  # 16 clips at 8 a second, then 2 s of work
        (8.0, 4, 8, 1, True, 2.0),  # both at once
        (4.0, 4, 8, 1, True, 4.0),
        (8.0, 4, 8, 1, False, 3.0),  # 2 s of half the cores are 1 s of all
        (8.0, 8, 8, 1, False, 4.0),
        (8.0, 16, 8, 1, False, 4.0),
        (8.0, 4, 8, 4, True, 4.0),  # 4 x 4 workers on 8 cores are half as fast
    ],
)
def test_reading_and_computing(
    rate: float | None, workers: int, cores: int, processes: int, gpu: bool, expected: float
) -> None:
    machine = costs.Machine(cores, processes, gpu)
    assert costs.with_loading(2.0, 16, rate, workers, machine) == pytest.approx(expected)


@pytest.mark.parametrize(("epochs", "interval", "expected"), [(1, 1, 1), (8, 1, 8), (8, 3, 4), (7, 3, 3), (50, 10, 6)])
def test_how_often(epochs: int, interval: int, expected: int) -> None:
    assert costs.times_due(epochs, interval) == expected


def test_times_of_a_run(tiny: Path) -> None:
    cfg = schema.load(tiny, ["epochs=3", "val_interval=2", "PRECISEBN={preciseBN_interval: 9, num_iters_preciseBN: 2}"])
    machine, data = costs.Machine(2, 1, False), {"train": Loading(22, 10.0), "valid": Loading(10, 5.0)}
    found = costs.times(cfg.root, Choice(4, 2, 1), 1.0, 0.1, data, machine)
    assert found is not None
    # 5 batches of 4 clips: 1 s and 0.4 s of reading; 10 clips of 0.1 s and 2 s of reading; 2 batches of 0.4 + 0.4 s
    assert found == costs.Times(
        5, pytest.approx(7.0), pytest.approx(2.0), pytest.approx(3.0), pytest.approx(1.6), found.run
    )
    assert found.run == pytest.approx(3 * 7.0 + 2 * 3.0 + 2 * 1.6)
    assert (
        costs.times(cfg.root, Choice(4, 2, 1), 1.0, 0.1, {"train": Loading(None, None, "not there")}, machine) is None
    )
    alone = costs.times(cfg.root, Choice(4, 1, 2), 1.0, None, {"train": Loading(22, None)}, machine)
    assert alone == costs.Times(2, 2.0, 0.0, None, None, 6.0)


def test_what_the_data_says(tiny: Path, edited: Callable[[str, str], Path], data: Path, tmp_path: Path) -> None:
    cfg = schema.load(tiny).root
    found = loading.look(cfg, str(tiny), "train")
    assert found.clips == 22 and found.rate is not None and found.rate > 0 and not found.why
    edited("batch_size: 4", "batch_size: 4\n  num_workers: 1")
    found = loading.look(schema.load(tiny).root, str(tiny), "valid")
    assert found.clips == 10 and found.rate is not None
    listing = tmp_path / "a.list"
    listing.write_text(f"{data}/absent.mp4 1\n")
    for on_error in ("raise", "skip", "substitute"):
        changed = [f"DATASET.train={{format: VideoDataset, file_path: {listing}, on_error: {on_error}}}"]
        found = loading.look(schema.load(tiny, changed).root, str(tiny), "train")
        assert (found.clips, found.rate) == (1, None) and "absent.mp4" in found.why
    listing.write_text(f"{data}/absent.mp4 1\n{data / (data / 'train.list').read_text().split()[0]} 1\n")
    found = loading.look(schema.load(tiny, changed).root, str(tiny), "train")
    assert found.clips == 2 and found.rate is not None, "one of them will do"
    changed = ["DATASET.train.file_path=nowhere.list"]
    found = loading.look(schema.load(tiny, changed).root, str(tiny), "train")
    assert found == Loading(None, None, "nowhere.list: the list of videos cannot be read: No such file or directory")


# --- what is wished for -----------------------------------------------------------------------------------------------


def wish(**changes: object) -> Wishes:
    plain = {"memory": None, "processes": 1, "global_batch": None, "steps": 1, "gpu": False, "threads": None}
    return Wishes(**{**plain, "options": {}, "flags": [], **changes})  # type: ignore[arg-type]


def test_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wishes, "free_memory", lambda: 20 * GB)
    assert wish().budget() == (16 * GB, "80% of the 20.0 GB that are free")
    assert wish(processes=4).budget() == (4 * GB, "80% of the 20.0 GB that are free, shared by 4 processes")
    assert wish(memory=5, processes=4).budget() == (5, "--memory")
    monkeypatch.setattr(wishes, "free_memory", lambda: None)
    with pytest.raises(UserError, match="--memory 8GB"):
        wish().budget()


def test_threads_of_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wishes.environment, "cores", lambda: 8)
    monkeypatch.setattr(wishes.environment, "threads", lambda: 8)
    assert [wish(processes=n).threads_of_process() for n in (1, 3, 16)] == [8, 2, 1]
    assert wish(processes=4, threads=8).threads_of_process() == 8
    monkeypatch.setattr(wishes.environment, "threads", lambda: 3)  # by OMP_NUM_THREADS
    assert wish(processes=4).threads_of_process() == 3


def test_gpus_that_are_not_there() -> None:
    with pytest.raises(UserError, match="--gpus 2: this run is on the CPU"):
        wish(processes=2).check_gpus()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8GB", 8 * GB), ("8g", 8 * GB), ("7.5GiB", 7.5 * 2**30), ("800 mb", 800 * MB), ("1TiB", 2**40), ("64kB", 64000)],
)
def test_sizes(text: str, expected: float) -> None:
    assert command.size(text) == expected


@pytest.mark.parametrize("text", ["", "8", "GB", "-1GB", "0GB", "1e3GB", "8PB", "8 G B", "eight GB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a size such as 8GB"):
        command.size(text)


@given(st.text(alphabet="0123456789.kmgtiKMGTB ", max_size=9))
def test_sizes_are_bytes_or_refused(text: str) -> None:
    with suppress(argparse.ArgumentTypeError):
        assert command.size(text) >= 0


@pytest.mark.parametrize(
    ("options", "wanted", "processes", "expected"),
    [
        ([], None, 1, 4),
        ([], None, 3, 12),
        (["GRADIENT_ACCUMULATION.global_batch_size=24"], None, 2, 24),
        (["GRADIENT_ACCUMULATION.global_batch_size=24", "OPTIMIZER.base_batch_size=16"], None, 2, 16),
        (["OPTIMIZER.learning_rate.base_batch_size=32"], None, 1, 32),
        (["OPTIMIZER.base_batch_size=16"], 8, 1, 8),
    ],
)
def test_the_recipe(options: list[str], wanted: int | None, processes: int, expected: int, tiny: Path) -> None:
    cfg = schema.load(tiny, options).root
    assert plan.recipe_of(cfg, wish(global_batch=wanted, processes=processes)) == expected


def test_memory_beside_a_trial(tiny: Path) -> None:
    cfg = schema.load(tiny, ["DATASET.num_workers=3"]).root
    measured = trial(4, 1000 * MB)
    assert plan.need_of(cfg, wish())(measured) == 1000 * MB + 3 * (130 + 2 * 1 * 4) * MB
    assert plan.need_of(cfg, wish(processes=2))(measured) == 1080 * MB + 3 * (130 + 2 * 1 * 4) * MB
    assert plan.need_of(cfg, wish(processes=2, gpu=True))(measured) == 1080 * MB


# --- the proposal -----------------------------------------------------------------------------------------------------


def test_commands() -> None:
    changes = {"DATASET.batch_size": 8, "GRADIENT_ACCUMULATION.global_batch_size": 64}
    own = ["DATASET.batch_size=99", "MODEL.backbone.channels=[8, 16]"]
    assert training_command("a b.yaml", own, changes, Choice(8, 8, 1), False, ["--validate"]) == (
        "python main.py --validate -c 'a b.yaml' -o 'MODEL.backbone.channels=[8, 16]' DATASET.batch_size=8 "
        "GRADIENT_ACCUMULATION.global_batch_size=64"
    )
    assert training_command("c.yaml", [], changes, Choice(8, 4, 2), False, []).startswith(
        "python -m paddle.distributed.launch --nproc_per_node 2 main.py -c c.yaml -o DATASET.batch_size=8"
    )
    assert training_command("c.yaml", [], changes, Choice(8, 2, 4), True, ["--amp"]).startswith(
        "python -m paddle.distributed.launch --gpus=0,1,2,3 main.py --amp -c c.yaml"
    )


def test_changes(tiny: Path) -> None:
    unscaled, scaled = rates.Rates(1.0, False, None, 0.1), rates.Rates(0.9, True, 20, 0.1)
    cfg = schema.load(tiny, ["DATASET.valid_batch_size=40"]).root
    assert plan.changes_of(cfg, Choice(16, 1, 1), unscaled) == {"DATASET.batch_size": 16}
    assert plan.changes_of(cfg, Choice(8, 2, 1), scaled) == {
        "DATASET.batch_size": 8,
        "DATASET.valid_batch_size": 32,
        "GRADIENT_ACCUMULATION.global_batch_size": 16,
        "OPTIMIZER.base_batch_size": 20,
    }
    cfg = schema.load(tiny, ["GRADIENT_ACCUMULATION.global_batch_size=24"]).root
    assert plan.changes_of(cfg, Choice(8, 1, 1), unscaled)["GRADIENT_ACCUMULATION.global_batch_size"] == 8


def test_what_takes_less(tiny: Path) -> None:
    text = advice.too_small("t.yaml", schema.load(tiny).root, 1, 377 * MB, 300 * MB)
    assert text == (
        "t.yaml: training steps on batches of 1 take 377.0 MB, and a process may take 300.0 MB; less is taken with "
        "fewer frames (-o num_seg=2), or smaller frames (the crop of PIPELINE)"
    )
    vit = schema.load(ROOT / "configs/recognition/timesformer/timesformer_k400_videos.yaml").root
    text = advice.too_small("v.yaml", vit, 1, 0, GB)
    assert "batches of 1 are refused the memory they want" in text
    assert "-o MODEL.backbone.recompute=True, which computes the forward pass twice" in text and "num_seg=4" in text
    again = schema.load(
        ROOT / "configs/recognition/timesformer/timesformer_k400_videos.yaml", ["MODEL.backbone.recompute=True"]
    )
    assert "recompute" not in advice.too_small("v.yaml", again.root, 1, 0, GB)


def test_remarks(tiny: Path) -> None:
    cfg = schema.load(
        tiny,
        [
            "MODEL.backbone={name: ResNetTSM, depth: 18, num_seg: 4, pretrained: no.pdparams}",
            "MODEL.head.in_channels=512",
            "OPTIMIZER.learning_rate={name: MultiStepDecay, learning_rate: 0.1, milestones: [15], iter_step: True}",
        ],
    ).root
    trials = {2: trial(2, GB, 0.1), 8: trial(8, 2 * GB, 0.2)}
    found = search.Found(2, trials, None, Line(0, 0))
    times = costs.Times(20, 1.0, 0.0, None, None, 2.0)
    assert list(advice.remarks(cfg, Choice(2, 2, 2), 8, found, trials[2], times, True)) == [
        "batches of 8 would fit too, but take longer a clip",
        "batch normalisation sees 2 clips at a time, 4 in the config: accumulation does not change that, so figures "
        "may differ",
        "OPTIMIZER.learning_rate counts batches, and an epoch has 20 of them instead of 10: adapt its numbers, or set "
        "iter_step: False",
        "MODEL.backbone.pretrained: no.pdparams is not there; training needs it, or =null",
        "measured on one process: the exchange of gradients comes on top",
        "plans for GPUs have not been tried on one yet",
    ]
    plain = schema.load(tiny).root
    found = search.Found(4, trials, None, Line(0, 0))
    assert list(advice.remarks(plain, Choice(4, 1, 1), 4, found, trials[2], None, False)) == [
        "a batch of 4 was not tried, which would take minutes: its figures are those of 2, in proportion",
        "batches of 8 would fit too, but take longer a clip",
    ]


def made(**changes: object) -> plan.Plan:
    """A plan without its trials."""
    trials = {1: trial(1, 400 * MB), 8: trial(8, 750 * MB)}
    plain: dict[str, object] = {
        "config": "c.yaml", "budget": 8 * GB, "recipe": 16, "choice": Choice(8, 2, 1),
        "rates": rates.Rates(1.0, False, None, 0.02), "found": search.Found(8, trials, None, Line(350 * MB, 50 * MB)),
        "facts": trials[8], "memory": 750 * MB, "beside": 0.0, "seconds": 4.0,
        "loading": {"train": Loading(640, 182.4), "valid": Loading(160, None, "a.mp4: damaged")},
        "times": costs.Times(80, 320.0, 20.0, 16.0, None, 2700.0), "disk": plan.Disk(10, 170 * MB, 80 * GB),
        "remarks": ["one thing"], "command": "python main.py",
    }  # fmt: skip
    return plan.Plan(**{**plain, **changes})  # type: ignore[arg-type]


def test_report() -> None:
    assert list(report.lines(made())) == [
        "batch       8 x 2 accumulated x 1 process = 16 clips a step, as in the recipe",
        "rate        0.02 at the peak, as it is written",
        "memory      750.0 MB a process, of 8.0 GB: 350.0 MB and 50.0 MB a clip",
        "of which    weights 90.0 MB, gradients 80.0 MB, optimizer 80.0 MB",
        "train data  640 clips; 182 clips/s from the loader alone",
        "valid data  160 clips; left out of the times: a.mp4: damaged",
        "time        4 s a batch; an epoch 5.3 min in 80 batches, 20 s of it for data; a validation 16 s; the whole "
        "run 45 min",
        "disk        10 checkpoints of 170.0 MB, 1.7 GB in all; 80.0 GB are free",
        "note        one thing",
        "",
        "python main.py",
    ]


def test_report_of_less_fortunate_plans() -> None:
    scaled = rates.Rates(0.875, True, None, 0.0175)
    assert report.parts(made(beside=260e6)).endswith("optimizer 80.0 MB, loader and exchange 260.0 MB")
    text = "\n".join(
        report.lines(
            made(
                choice=Choice(7, 1, 2),
                recipe=15,
                rates=scaled,
                loading={"train": Loading(None, None, "a.list: not there")},
                times=None,
                disk=plan.Disk(1, 2 * GB, GB),
            )
        )
    )
    for line in (
        "7 x 2 processes = 14 clips a step, nearest to the recipe's 15\n",
        "0.0175 at the peak: multiplied by 0.875, by --scale-lr\n",
        "train data  left out of the times: a.list: not there\n",
        "time        4 s a batch; 1000 clips of training 4.2 min; of validation 50 s\n",
        "1 checkpoint of 2.0 GB, 2.0 GB in all; 1.0 GB are free: too little; -o save_interval=N keeps fewer",
    ):
        assert line in text
    assert report.trial_line(4, trial(4), 800 * MB) == "      4   800.0 MB       2 s    500 ms"
    assert report.trial_line(4, KILLED, 0) == "      4   too large: its process was refused memory (signal SIGKILL)"


# --- the command ------------------------------------------------------------------------------------------------------


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, *map(str, words)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=300, check=False, cwd=cwd, env=python_environment()
    )


@pytest.mark.parametrize("wanted", [["--global_batch", 6], ["--processes", 2, "--global_batch", 9]], ids=["1", "2"])
def test_the_printed_command_runs(wanted: list[object], tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "main.py").symlink_to(ROOT / "main.py")
    before = sorted(tmp_path.rglob("*"))
    options = ["-o", "epochs=1", "DATASET.batch_size=3", "OPTIMIZER.grad_clip={name: ClipGradByGlobalNorm, value: 9.0}"]
    out = tmp_path.with_name(f"{tmp_path.name}.json")
    done = run("-m", "paddlevideo", "plan", tiny, "--steps", 1, "--json", out, *wanted, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(tmp_path.rglob("*")) == before, "it changes no files"
    found, pasted = json.loads(out.read_text()), shlex.split(done.stdout.splitlines()[-1])
    assert found["command"] == done.stdout.splitlines()[-1] and found["times"]["batches"] >= 1
    size, groups, processes = (found["choice"][key] for key in ("batch", "groups", "processes"))
    assert pasted[0] == "python" and "--validate" in pasted and f"DATASET.batch_size={size}" in pasted
    run_it = run(*pasted[1:], cwd=tmp_path)
    assert run_it.returncode == 0, run_it.stdout + run_it.stderr
    assert f"{found['times']['batches']} batches of {size} on {processes} process(es)" in run_it.stdout
    pair = [file.stat().st_size for file in (tmp_path / "output").glob("Tiny_epoch_00001.*")]
    assert len(pair) == 2 and found["disk"]["checkpoint"] < sum(pair) < found["disk"]["checkpoint"] + 20_000
    assert found["facts"]["shape"] == [4, 3, 16, 16] and found["machine"]["cpu"] in done.stdout
    if processes == 1:
        assert size * groups == 6
    else:
        assert size * groups * 2 in (8, 10) and f"learning rate scaled by {size * groups * 2 / 9:g}" in run_it.stdout


def test_nothing_fits_into_so_little(tiny: Path, tmp_path: Path) -> None:
    done = run("-m", "paddlevideo", "plan", tiny, "--steps", 1, "--memory", "90MB", cwd=tmp_path)
    assert done.returncode == 2
    assert "training steps on batches of 1 take" in done.stderr and "may take 90.0 MB; less is taken" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-o", "OPTIMIZER=null"], "OPTIMIZER is missing from the config; training needs it"),
        (["-o", "DATASET.train=null"], "DATASET.train is missing from the config; training needs it"),
        (["--processes", "5", "--global_batch", "4"], "a global batch of 4 has not a clip for each of 5 processes"),
        (["--gpus", "2"], "--gpus 2: this run is on the CPU"),
    ],
)
def test_mistakes(options: list[str], message: str, tiny: Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    with pytest.raises(UserError, match=message):
        command.run(parser.parse_args([str(tiny), "--use_gpu", "False", *options]))
