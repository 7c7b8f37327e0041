"""Whether a training repeats: what is recorded, where two runs part, and what is said of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from paddlevideo.cli.main import parser
from paddlevideo.tasks.repro import compare, one_run, record, report
from paddlevideo.tasks.repro.compare import Comparison
from paddlevideo.tasks.repro.one_run import Request
from paddlevideo.tasks.repro.record import About, Difference, Step, first_difference
from paddlevideo.utils.checksum import array_crc
from paddlevideo.utils.errors import UserError

# --- checksums and their comparison -----------------------------------------------------------------------------------


def test_a_checksum_is_of_type_shape_and_bytes() -> None:
    x = np.arange(6, dtype="float32")
    assert array_crc(x) == array_crc(x.copy()) == array_crc(np.stack([x, x], axis=1)[:, 0])
    others = [x.reshape(2, 3), x.astype("float64"), x.view("int32"), x[:5], -x, np.zeros(0, "float32"), np.float32(0)]
    assert len({array_crc(np.asarray(other)) for other in [x, *others]}) == 8
    assert array_crc(np.array([0.0])) != array_crc(np.array([-0.0]))
    assert array_crc(np.array([np.nan])) == array_crc(np.array([np.nan]))


def steps(*changes: tuple[int, str, str]) -> list[Step]:
    """Three steps in two epochs, with other checksums where (step, part, name) says so."""
    parts = {
        "batch": {"index": 1, "imgs": 2},
        "loss": {"loss": 3},
        "gradient": {"last": 4, "first": 5},
        "parameter": {"first": 6, "last": 7},
    }
    found = [Step(0, 1, {"parameter": dict(parts["parameter"])})]
    found += [Step(number, 1 + number // 3, {part: dict(sums) for part, sums in parts.items()}) for number in (1, 2, 3)]
    for number, part, name in changes:
        found[number].sums[part][name] = 99
    return found


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], None),
        ([(0, "parameter", "last")], Difference(0, 1, "parameter", "last", 1, 2)),
        ([(2, "batch", "imgs"), (2, "loss", "loss")], Difference(2, 1, "batch", "imgs", 1, 2)),
        ([(2, "loss", "loss"), (2, "gradient", "first")], Difference(2, 1, "loss", "loss", 1, 1)),
        ([(3, "gradient", "first"), (3, "gradient", "last")], Difference(3, 2, "gradient", "last", 2, 2)),
        ([(3, "parameter", "last"), (2, "parameter", "first")], Difference(2, 1, "parameter", "first", 1, 2)),
    ],
)
def test_the_first_difference(changes: list[tuple[int, str, str]], expected: Difference | None) -> None:
    assert first_difference(steps(), steps(*changes)) == expected
    assert first_difference(steps(*changes), steps()) == expected


def test_what_only_one_run_has_differs() -> None:
    shorter, more = steps()[:3], steps()
    assert first_difference(shorter, more) == Difference(3, 2, "batch", "index", 2, 2)
    more[1].sums["batch"]["lam"] = 8
    assert first_difference(more, steps()) == Difference(1, 1, "batch", "lam", 1, 3)


# --- what is said -----------------------------------------------------------------------------------------------------

CPU = About("CPU", 2, 0, False)


def said(found: Difference | None, *arrays: np.ndarray | None, one: About = CPU, other: About = CPU) -> list[str]:
    pair = (arrays[0], arrays[1]) if arrays else (None, None)
    return list(report.lines(Comparison(20, 14, (one, other), found, pair)))


def test_equal_runs_are_one_line() -> None:
    assert said(None) == ["20 steps, 14 parameters: equal bit for bit"]


def test_a_difference_is_placed_and_measured() -> None:
    a, b = np.array([1.0, -2.0, 3.0], "float32"), np.array([1.0, -2.5, 3.25], "float32")
    assert said(Difference(3, 1, "gradient", "head.fc.bias", 2, 9), a, b) == [
        "step 3 (epoch 1): gradient head.fc.bias differs, the first of 2 of 9 gradients",
        "  largest difference 0.5, in 2 of 3 numbers up to 3.25",
        "  equal until then: everything before this step, the batch, the loss",
        "likely causes:",
        "- CPU threads that add in another order each time: repeat with --cpu_threads 1",
        "- a layer whose backward pass is not the same each time; the forward pass is",
    ]
    assert said(Difference(0, 1, "parameter", "a.w", 1, 9), a, b)[0] == (
        "before the first step: parameter a.w differs, the first of 1 of 9 parameters"
    )
    lines = said(Difference(1, 1, "batch", "imgs", 1, 3), a, b)
    assert lines[0] == "step 1 (epoch 1): batch imgs differs, the first of 1 of 3 batches"
    assert lines[2] == "  equal until then: everything before this step"


ONE = np.ones(3, "float32")


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        (ONE, None, "only run 1 has it"),
        (None, ONE, "only run 2 has it"),
        (ONE, np.ones(4, "float32"), "run 1: float32 [3], run 2: float32 [4]"),
        (ONE, np.ones(3), "run 1: float32 [3], run 2: float64 [3]"),
        (ONE, ONE.copy(), "two further runs agreed up to there: the difference comes and goes"),
        (ONE, np.array([1, np.nan, 1], "float32"), "1 of 3 numbers are not finite in one of the runs"),
        (np.uint8([0, 255]), np.uint8([1, 0]), "largest difference 255, in 2 of 2 numbers up to 255"),
    ],
)
def test_distances(one: np.ndarray | None, other: np.ndarray | None, text: str) -> None:
    assert report.distance(one, other) == text


@pytest.mark.parametrize(
    ("found", "one", "other", "words"),
    [
        (
            Difference(1, 1, "batch", "imgs", 1, 3),
            CPU,
            replace(CPU, workers=4),
            ["0 and 4 loader", "PIPELINE", "files"],
        ),
        (Difference(1, 1, "batch", "imgs", 1, 3), CPU, CPU, ["PIPELINE", "files"]),
        (Difference(0, 1, "parameter", "w", 1, 3), CPU, CPU, ["initialiser", "weights"]),
        (Difference(2, 1, "loss", "loss", 1, 1), CPU, CPU, ["--cpu_threads 1", "paddle.seed"]),
        (Difference(2, 1, "loss", "loss", 1, 1), replace(CPU, threads=1), replace(CPU, threads=1), ["paddle.seed"]),
        (Difference(2, 1, "gradient", "w", 1, 1), *[About("GPU", 1, 2, False)] * 2, ["--deterministic", "backward"]),
        (Difference(2, 1, "gradient", "w", 1, 1), *[About("GPU", 1, 2, True)] * 2, ["backward"]),
        (Difference(2, 1, "parameter", "w", 1, 1), *[About("GPU", 1, 2, True)] * 2, ["optimizer"]),
    ],
)
def test_likely_causes(found: Difference, one: About, other: About, words: list[str]) -> None:
    causes = list(report.causes(found, one, other))
    assert len(causes) == len(words) and all(word in cause for word, cause in zip(words, causes))


# --- one run ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def request_of(tiny: Path, tmp_path: Path) -> Callable[..., Request]:
    """What to run of the tiny config: overrides, then fields of the request."""

    def make(*overrides: str, **fields: object) -> Request:
        values = {"seed": 1234, "use_gpu": False, "deterministic": False, "steps": 2, "out": str(tmp_path / "run")}
        return Request(str(tiny), [f"output_dir={tmp_path / 'output'}", *overrides], **{**values, **fields})  # type: ignore[arg-type]

    return make


def test_a_run_records_every_step(request_of: Callable[..., Request]) -> None:
    request = request_of(steps=7)
    one_run.work(request)
    about, found = record.read(Path(request.out))
    assert (about.device, about.workers) == ("CPU", 0)
    assert [(step.number, step.epoch) for step in found] == [(0, 1), *((n, 1) for n in range(1, 6)), (6, 2), (7, 2)]
    assert list(found[0].sums) == ["parameter"] and len(found[0].sums["parameter"]) == 12
    assert list(found[1].sums) == list(record.PARTS)
    assert list(found[1].sums["batch"]) == ["index", "imgs", "scale", "shift", "label"]
    assert list(found[1].sums["gradient"]) == [
        "head.fc.bias",
        "head.fc.weight",
        *(
            f"backbone.blocks.{block}.conv.{name}"
            for block in (1, 0)
            for name in ("_batch_norm.bias", "_batch_norm.weight", "_conv.weight")
        ),
    ]
    assert len({step.sums["parameter"]["head.fc.weight"] for step in found}) == 8


def test_micro_batches_are_named(request_of: Callable[..., Request]) -> None:
    request = request_of("DATASET.batch_size=2", "GRADIENT_ACCUMULATION.global_batch_size=4", steps=1)
    one_run.work(request)
    _, found = record.read(Path(request.out))
    assert {"imgs of micro-batch 1", "imgs of micro-batch 2"} <= set(found[1].sums["batch"])
    assert list(found[1].sums["loss"]) == ["loss of micro-batch 1", "loss of micro-batch 2"]


def test_a_training_that_is_over_sooner(request_of: Callable[..., Request]) -> None:
    request = request_of("epochs=1", steps=7)
    one_run.work(request)
    assert len(record.read(Path(request.out))[1]) == 1 + 5


@pytest.mark.parametrize(
    ("step", "part", "name"), [(2, "gradient", "head.fc.bias"), (0, "parameter", "head.fc.weight")]
)
def test_an_array_of_a_step_is_kept(
    step: int, part: record.Part, name: str, request_of: Callable[..., Request], tmp_path: Path
) -> None:
    request = request_of(steps=2)
    one_run.work(request)
    sums = record.read(Path(request.out))[1][step].sums
    kept = tmp_path / "kept.npy"
    one_run.work(replace(request, steps=step, keep=(part, name), out=str(kept)))
    assert array_crc(np.load(kept)) == sums[part][name]


def test_another_seed_differs_before_the_first_step(request_of: Callable[..., Request], tmp_path: Path) -> None:
    runs = []
    for seed in (1234, 5):
        request = request_of(steps=1, seed=seed, out=str(tmp_path / str(seed)))
        one_run.work(request)
        runs.append(record.read(Path(request.out))[1])
    found = first_difference(*runs)
    assert found is not None and (found.step, found.part, found.total) == (0, "parameter", 12)


def test_requests_survive_the_way_to_the_process(request_of: Callable[..., Request]) -> None:
    for request in (request_of("a.b=[1, {c: d}]"), request_of(keep=("gradient", "head.fc.bias"))):
        assert Request.load(request.dump()) == request


# --- two runs, each in a process of its own ---------------------------------------------------------------------------


def test_the_tiny_config_repeats_with_any_number_of_workers(
    tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Over the end of an epoch; nothing is written where the config says."""
    args = parser().parse_args(["repro", str(tiny), "-n", "7", "--workers", "0", "1"])
    assert args.command.run(args) == 0
    threads = capsys.readouterr().out.splitlines()
    assert threads[0].startswith("run 1 of 2: 7 steps, CPU, ") and threads[0].endswith(
        " CPU threads, 0 loader processes"
    )
    assert threads[1].startswith("run 2 of 2: 7 steps, CPU, ") and threads[1].endswith(
        " CPU threads, 1 loader processes"
    )
    assert threads[2:] == ["7 steps, 12 parameters: equal bit for bit"]
    assert not (tmp_path / "output").exists()


def test_a_difference_is_found_where_it_begins(request_of: Callable[..., Request], tmp_path: Path) -> None:
    """Another learning rate from epoch 2 on: its first step gives other parameters, from equal gradients."""
    one, other = request_of(steps=7), request_of("OPTIMIZER.learning_rate.values.1=0.02", steps=7)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    result = compare.compare(one, other, scratch, lambda said: None)
    name = "backbone.blocks.0.conv._conv.weight"
    assert result.difference is not None
    assert result.difference == Difference(6, 2, "parameter", name, result.difference.count, 12)
    a, b = result.arrays
    assert a is not None and b is not None and a.shape == (8, 3, 3, 3) and 0 < np.abs(a - b).max() < 0.1
    lines = list(report.lines(result))
    assert lines[0].startswith(f"step 6 (epoch 2): parameter {name} differs, the first of ")
    assert lines[1].startswith("  largest difference ")


def test_runs_that_fail(request_of: Callable[..., Request], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    request = request_of("MODEL.head.num_classes=3")
    with pytest.raises(UserError, match=r"labels are outside 0\.\.2"):
        compare.compare(request, request, scratch, lambda said: None)
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho oops; exit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(compare.sys, "executable", str(broken))
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match=r"^run 1 ended with exit code 3; what it said is above$"):
        compare.compare(request, request, tmp_path / "other", lambda said: None)
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    with pytest.raises(UserError, match=r"run it without paddle\.distributed\.launch"):
        compare.compare(request, request, tmp_path / "other", lambda said: None)
