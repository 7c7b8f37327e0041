"""Scores on disk: what a test wrote, read back to the bit, and figures computed from it again."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from ranks import main

from paddlevideo.cli.main import parser
from paddlevideo.tasks import results, schema, train
from paddlevideo.tasks.results import About, Results
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ABOUT = About("a.yaml", "a.pdparams", "logits", ["top_k_accuracy"], [1, 5], 4, ["pouring tea", "b, c", 'd "e"'])
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(scores=st_numpy.arrays(np.float32, st.tuples(st.integers(1, 5), st.just(3)), elements=finite), data=st.data())
@settings(deadline=None, max_examples=60)
def test_scores_come_back_to_the_bit(scores: np.ndarray, data: st.DataObject, tmp_path_factory: object) -> None:
    n = len(scores)
    files = data.draw(st.lists(names, min_size=n, max_size=n))
    labels = np.array(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)), dtype=np.int64)
    folder = tmp_path_factory.mktemp("results")  # type: ignore[attr-defined]
    for suffix in (".json", ".csv"):
        path = folder / f"r{suffix}"
        results.write(path, Results(ABOUT, files, labels, scores))
        back = results.read(path)
        assert (back.about, back.files, back.labels.tolist()) == (ABOUT, files, labels.tolist())
        assert back.scores.dtype == np.float32 and np.array_equal(back.scores, scores)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    scores = np.array([[0.1, 2.5, -3], [1, 1, 0]], dtype=np.float32)
    about = About(**{**vars(ABOUT), "unreadable": [{"file": "gone.mp4", "reason": "no such file"}]})
    path = tmp_path / "result.json"
    results.write(path, Results(about, ["x.mp4", "y z.mp4"], np.array([1, 2]), scores))
    results.write(path.with_suffix(".csv"), Results(about, ["x.mp4", "y z.mp4"], np.array([1, 2]), scores))
    return path


def test_the_form_of_the_json(written: Path) -> None:
    whole = json.loads(written.read_text())
    assert list(whole) == [*vars(ABOUT), "samples"]
    assert whole["score_kind"] == "logits" and whole["unreadable"] == [{"file": "gone.mp4", "reason": "no such file"}]
    assert whole["samples"] == [
        {"file": "x.mp4", "label": 1, "prediction": 1, "scores": [0.100000001, 2.5, -3]},
        {"file": "y z.mp4", "label": 2, "prediction": 0, "scores": [1, 1, 0]},
    ]


def test_the_form_of_the_csv(written: Path) -> None:
    first, *rest = written.with_suffix(".csv").read_text().splitlines()
    assert json.loads(first.removeprefix("# "))["weights"] == "a.pdparams"
    assert list(csv.reader(rest)) == [
        ["file", "label", "prediction", "score_0", "score_1", "score_2"],
        ["x.mp4", "1", "1", "0.100000001", "2.5", "-3"],
        ["y z.mp4", "2", "0", "1", "1", "0"],
    ]


@pytest.mark.parametrize(
    ("suffix", "old", "new", "told"),
    [
        (".json", '"label": 2', '"label": 3', "y z.mp4: 3 scores and label 3, but there are 3 classes"),
        (".json", "[1, 1, 0]", "[1, 1]", "y z.mp4: 2 scores and label 2, but there are 3 classes"),
        (".json", "[1, 1, 0]", "[1, 1, NaN]", "some scores are not numbers"),
        (".json", '"score_kind"', '"kind"', "kind"),
        (".json", '"label": 2', '"label": 1.5', "label 1.5"),
        (".json", '"top_k_accuracy"', '"accuracy"', "eval ['accuracy'] or topk [1, 5] is not known here"),
        (".json", " ]\n}", "", "not a whole file"),
        (".csv", ",1,1,0\n", ",1,1\n", "line 4 has 5 of 6 columns"),
        (".csv", "y z.mp4,2", "y z.mp4,two", "two"),
    ],
)
def test_damaged_files_are_told(suffix: str, old: str, new: str, told: str, written: Path) -> None:
    path = written.with_suffix(suffix)
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}: not a whole file of --test --out .*") as caught:
        results.read(path)
    assert told in str(caught.value)


def test_scores_are_rows_of_numbers(written: Path) -> None:
    whole = json.loads(written.read_text())
    for sample in whole["samples"]:
        sample["scores"] = [[value] for value in sample["scores"]]
    written.write_text(json.dumps(whole))
    with pytest.raises(UserError, match="the scores of a sample are not a row of numbers"):
        results.read(written)


@given(content=st.binary(max_size=60), suffix=st.sampled_from([".json", ".csv"]))
@settings(deadline=None, max_examples=60)
def test_any_bytes_are_one_error(content: bytes, suffix: str, tmp_path_factory: object) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"r{suffix}"  # type: ignore[attr-defined]
    path.write_bytes(content)
    with pytest.raises(UserError, match="not a whole file of --test --out"):
        results.read(path)


def test_names_that_cannot_be_written_are_told_first(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--out r\.pkl: the name must end in \.json or \.csv"):
        results.check_name(Path("r.pkl"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        results.check_name(tmp_path / "file" / "r.json")
    with pytest.raises(UserError, match=r"none\.json: cannot be read \(No such file"):
        results.read(tmp_path / "none.json")


# --- from a test to its figures ---------------------------------------------------------------------------------------


@pytest.fixture
def weights(tiny: Path, tmp_path: Path) -> Path:
    train.train(schema.load(tiny, ["epochs=1"]), TrainOptions())
    return tmp_path / "output/Tiny_epoch_00001.pdparams"


def command(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """What `paddlevideo` prints, run in this process."""
    capsys.readouterr()
    args = parser().parse_args([str(word) for word in words])
    args.command.run(args)
    return capsys.readouterr().out


def finished(text: str) -> str:
    """The figures of a test's log."""
    return re.findall(r"\[TEST\] finished, (.*)", text)[-1]


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_eval_repeats_the_figures_of_the_test(
    suffix: str, tiny: Path, weights: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, asked = tmp_path / f"new/r{suffix}", ["--eval", "top_k_accuracy", "mean_class_accuracy"]
    log = command(capsys, "test", "-c", tiny, "-w", weights, *asked, "--out", out)
    assert re.fullmatch(r"avg_acc1=\S+, avg_acc5=\S+, mean_class_accuracy=\S+", finished(log))
    said = command(capsys, "eval", out, "--per-class", "--confusion").splitlines()
    assert said[:2] == [finished(log), f"on 10 of 10 samples, logits of {weights}"]
    assert command(capsys, "eval", out, "--eval", "mean_class_accuracy").splitlines()[0] == finished(log).split(", ")[2]
    found = results.read(out)
    listed = [line.rsplit(maxsplit=1) for line in (data / "valid.list").read_text().splitlines()]
    assert found.files == [f"{data}/{name}" for name, _ in listed]
    assert found.labels.tolist() == [int(label) for _, label in listed]
    assert found.about.config == str(tiny) and found.about.eval == asked[1:]


def test_unreadable_videos_are_listed_apart(
    tiny: Path, weights: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listing = tmp_path / "test.list"
    listing.write_text("gone.mp4 0\n" + (data / "valid.list").read_text())
    out = tmp_path / "r.json"
    options = ["-o", f"DATASET.test.file_path={listing}", "DATASET.test.on_error=skip"]
    command(capsys, "test", "-c", tiny, "-w", weights, "--out", out, *options)
    about = results.read(out).about
    assert [item["file"] for item in about.unreadable] == [f"{data}/gone.mp4"] and about.total == 11
    assert about.overrides == options[1:]
    assert "on 10 of 11 samples" in command(capsys, "eval", out)


def test_two_processes_write_one_file_like_one_process(
    tiny: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    command(capsys, "test", "-c", tiny, "-w", weights, "--out", one)
    main(2, tmp_path / "logs", "--test", "-c", str(tiny), "-w", str(weights), "--out", str(two))
    first, second = results.read(one), results.read(two)
    assert (first.files, first.labels.tolist()) == (second.files, second.labels.tolist())
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-4, atol=1e-5)


def test_eval_works_without_paddle(written: Path) -> None:
    code = (
        "import atexit, sys\nfrom paddlevideo.cli.main import main\n"
        "atexit.register(lambda: print('paddle' in sys.modules))\n"
        f"main(['eval', {str(written)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=python_environment()
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "avg_acc1=0.5, avg_acc5=1.0",
        "on 2 of 4 samples, logits of a.pdparams",
        "False",
    ]


def test_an_unknown_figure_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["eval", "r.json", "--eval", "top_accuracy"])
    assert "top_k_accuracy" in capsys.readouterr().err


def test_a_multi_crop_metric_must_know_the_views(
    edited: Callable[[str, str], Path], weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = edited(
        "METRIC: {name: CenterCropMetric}",
        "METRIC: {name: MultiCropMetric, num_ensemble_views: 10, num_spatial_crops: 3, num_classes: 8}",
    )
    with pytest.raises(
        UserError, match=r"METRIC: num_ensemble_views x num_spatial_crops is 30, but PIPELINE.test makes 1"
    ):
        command(capsys, "test", "-c", config, "-w", weights)
    command(
        capsys, "test", "-c", config, "-w", weights, "-o", "METRIC.num_ensemble_views=1", "METRIC.num_spatial_crops=1"
    )


# --- views ------------------------------------------------------------------------------------------------------------

TWO_VIEWS = "PIPELINE.test.sample={name: SampleFrames, num_clips: 4, twice_sample: True, test_mode: True}"


def test_average_clips_before_or_after_the_softmax(
    tiny: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def scores(*options: str) -> Results:
        out = tmp_path / "r.json"
        command(capsys, "test", "-c", tiny, "-w", weights, "--out", out, *options)
        return results.read(out)

    def softmax(x: np.ndarray) -> np.ndarray:
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    both, chances = scores("-o", TWO_VIEWS), scores("-o", TWO_VIEWS, "--average-clips", "prob")
    middles = scores("-o", "PIPELINE.test.sample={name: SampleFrames, num_clips: 4, test_mode: True}")
    assert (both.about.score_kind, chances.about.score_kind) == ("logits", "probabilities")
    beginnings = 2 * both.scores - middles.scores  # logits are averaged over equally many frames of both views
    expected = (softmax(middles.scores) + softmax(beginnings)) / 2
    np.testing.assert_allclose(chances.scores, expected, rtol=1e-4, atol=1e-6)
    program = scores("-o", TWO_VIEWS, "--average-clips", "prob", "--engine", "inference")
    np.testing.assert_allclose(program.scores, chances.scores, rtol=1e-4, atol=1e-6)
    undone = ["MODEL.runtime_cfg.test.avg_type=prob", "MODEL.runtime_cfg.test.num_seg=4"]
    assert scores("-o", TWO_VIEWS, *undone).about.score_kind == "probabilities"
    assert scores("-o", TWO_VIEWS, *undone, "--average-clips", "score").about.score_kind == "logits"
