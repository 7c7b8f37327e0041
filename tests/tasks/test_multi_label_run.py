"""Videos with any number of labels, from training to prediction."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ranks import program
from tiny import TINY

from paddlevideo.cli.main import parser
from paddlevideo.metrics.average_precision import mean_average_precision, multi_hot
from paddlevideo.tasks import results, run, schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.tasks.test import ResultOptions
from paddlevideo.utils import log
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LOSS = "MODEL.head.loss_cfg={name: BinaryCrossEntropyLoss}"
METRIC = "METRIC={name: MultiLabelMetric}"


@pytest.fixture(scope="module")
def config(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny config with lists that give each clip its class, and class 6 or 7 (or neither) besides."""
    folder = tmp_path_factory.mktemp("multi")
    for name in ("train", "valid"):
        rows = [line.rsplit(maxsplit=1) for line in (data / f"{name}.list").read_text().splitlines()]
        more = [[], [6], [6, 7]]
        lines = [[path, int(label), *more[i % 3]] for i, (path, label) in enumerate(rows)]
        (folder / f"{name}.list").write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))
    text = TINY.format(data=data, output=folder / "output").replace(f"file_path: {data}", f"file_path: {folder}")
    text = text.replace("format: VideoDataset,", "format: VideoDataset, multi_label: True,")
    text = text.replace("std: 0.01}", "std: 0.01, loss_cfg: {name: BinaryCrossEntropyLoss}}")
    path = folder / "multi.yaml"
    path.write_text(text.replace("CenterCropMetric", "MultiLabelMetric") + "MIX: {name: Mixup, alpha: 0.2}\n")
    return path


@pytest.fixture(scope="module")
def trained(config: Path) -> tuple[Path, str]:
    """(log of the training, best checkpoint)."""
    resolved = schema.load(config)
    log.setup(resolved.root.output / "run.log")
    state = train.train(resolved, TrainOptions(validate=True))
    assert 0 < state.best_top1 <= 1
    return resolved.root.output / "run.log", str(resolved.root.output / "Tiny_best.pdparams")


def labels_of(config: Path) -> np.ndarray:
    """[10, 8]: which classes the lines of valid.list name."""
    rows = [line.split()[1:] for line in (config.parent / "valid.list").read_text().splitlines()]
    padded = [[int(one) for one in row] + [-1] * (3 - len(row)) for row in rows]
    return multi_hot(np.array(padded), 8)


def test_training_logs_and_keeps_the_best_by_its_mean_average_precision(
    config: Path, trained: tuple[Path, str]
) -> None:
    text, weights = trained[0].read_text(), trained[1]
    assert " hit1: " in text and "top1" not in text
    result = testing.test(schema.load(config), weights)
    assert result.labels.tolist() == labels_of(config).tolist()
    found = mean_average_precision(result.scores, labels_of(config))["mean_average_precision"]
    assert result.figures["mean_average_precision"] == found
    best = f"Already save the best model (mean_average_precision){int(found * 10000) / 10000}"
    assert best in text
    assert f"mean_average_precision_avg: {found:.5f}" in text
    p = 1 / (1 + np.exp(-result.scores.astype("float64")))
    expected = -np.log(np.where(labels_of(config), p, 1 - p)).mean()
    assert result.figures["loss"] == pytest.approx(expected, rel=1e-6)


RANKS = """
from paddlevideo.utils import environment
environment.prepare()
import sys
from pathlib import Path
from paddlevideo.tasks import evaluate, schema, train
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.utils import dist, log
dist.start()
resolved = schema.load(sys.argv[1], sys.argv[2:])
log.setup(resolved.root.output / f"rank{dist.rank()}.log")
kinds = set()
def noted(batch):
    kinds.add(str(batch["imgs"].dtype))
    return to_tensors(batch)
evaluate.to_tensors = train.to_tensors = noted
train.train(resolved, TrainOptions(validate=True))
Path(resolved.root.output, f"kinds{dist.rank()}").write_text(" ".join(kinds))
"""


def test_two_ranks_with_unreadable_videos_give_the_figure_of_one(config: Path, tmp_path: Path) -> None:
    """Both ranks meet some; one has a batch of training of which nothing can be read, and does not leave the other."""
    overrides = [f"output_dir={tmp_path}", "epochs=1", "DATASET.batch_size=1", "MIX={name: Cutmix}"]
    for name, broken in (("train", {3, 10, 17}), ("valid", {0, 3, 4, 9})):
        lines = (config.parent / f"{name}.list").read_text().splitlines()
        lines = [f"gone{i}.mp4 1 6" if i in broken else line for i, line in enumerate(lines)]
        (tmp_path / f"{name}.list").write_text("\n".join(lines))
        overrides += [f"DATASET.{name}.file_path={tmp_path}/{name}.list", f"DATASET.{name}.on_error=skip"]
    (tmp_path / "ranks.py").write_text(RANKS)
    program(2, tmp_path / "log", tmp_path / "ranks.py", str(config), *overrides)
    assert [(tmp_path / f"kinds{rank}").read_text() for rank in (0, 1)] == ["uint8", "uint8"]
    text = (tmp_path / "rank0.log").read_text()
    assert "3 of 22 train samples unreadable; " in text and "4 of 10 valid samples unreadable; " in text
    for split, count in (("train", 3), ("valid", 4)):
        assert len((tmp_path / f"unreadable_{split}.txt").read_text().splitlines()) == count
    (val,) = [line for line in text.splitlines() if " val " in line and "END epoch:1" in line]
    overrides += [f"DATASET.test.file_path={tmp_path}/valid.list", "DATASET.test.on_error=skip"]
    alone = testing.test(schema.load(config, overrides), str(tmp_path / "Tiny_best.pdparams"))
    assert alone.index.tolist() == [1, 2, 5, 6, 7, 8]
    assert f" mean_average_precision_avg: {alone.figures['mean_average_precision']:.5f} " in val
    assert val.endswith(", on 6 of 10 samples")


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_the_file_of_scores_gives_the_figure_again(
    suffix: str, config: Path, trained: tuple[Path, str], tmp_path: Path
) -> None:
    out = tmp_path / f"scores{suffix}"
    result = testing.test(schema.load(config), trained[1], options=ResultOptions(out=out))
    read = results.read(out)
    assert read.labels.tolist() == labels_of(config).tolist() and read.about.eval == ["mean_average_precision"]
    np.testing.assert_array_equal(read.scores, result.scores)
    lines = list(results.report(read, read.about.eval, per_class=True))
    assert lines[0] == f"mean_average_precision={result.figures['mean_average_precision']}"
    assert lines[2] == " videos average precision  class"
    with pytest.raises(UserError, match="--confusion: these samples have any number of labels"):
        list(results.report(read, read.about.eval, confusion=True))
    with pytest.raises(UserError, match="--eval: top_k_accuracy is of one label a sample"):
        list(results.report(read, ["top_k_accuracy"]))


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["METRIC={name: CenterCropMetric}"],
            "METRIC: CenterCropMetric is of one label a video, MODEL.head.loss_cfg of any number; set",
        ),
        (["MODEL.head.loss_cfg=null"], "METRIC: MultiLabelMetric is of any number of labels a video, the model of one"),
        (
            ["MODEL.head.loss_cfg={name: CrossEntropyLoss}", "METRIC={name: CenterCropMetric}"],
            "DATASET.test: multi_label: True, but the model has one label a video; set MODEL.head.loss_cfg",
        ),
        (["MODEL.head.num_classes=7", "DATASET.labels=null"], "of 10 labels are outside 0..6"),
    ],
)
def test_what_does_not_go_together(overrides: list[str], said: str, config: Path, trained: tuple[Path, str]) -> None:
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        testing.test(schema.load(config, overrides), trained[1])


def test_a_figure_of_one_label_is_refused_before_the_test(config: Path, trained: tuple[Path, str]) -> None:
    with pytest.raises(UserError, match="--eval: mean_class_accuracy is of one label a sample"):
        testing.test(schema.load(config), trained[1], options=ResultOptions(("mean_class_accuracy",)))


def test_a_list_of_one_label_a_video_serves_too(config: Path, trained: tuple[Path, str], data: Path) -> None:
    overrides = ["DATASET.test.multi_label=False", f"DATASET.test.file_path={data}/valid.list"]
    result = testing.test(schema.load(config, overrides), trained[1])
    assert result.labels.shape == (10, 8) and result.labels.sum(axis=1).tolist() == [1] * 10


def test_the_metric_of_one_label_may_be_asked_for_its_mean_average_precision(tiny: Path, tmp_path: Path) -> None:
    train.train(schema.load(tiny, ["epochs=1"]), TrainOptions())
    weights = str(tmp_path / "output/Tiny_epoch_00001.pdparams")
    out = tmp_path / "scores.json"
    options = ResultOptions(("top_k_accuracy", "mean_average_precision"), out)
    result = testing.test(schema.load(tiny), weights, options=options)
    found = mean_average_precision(result.scores, result.labels)["mean_average_precision"]
    line = next(iter(results.report(results.read(out), ["mean_average_precision"])))
    assert line == f"mean_average_precision={found}"
    with pytest.raises(
        UserError, match=r"METRIC: MultiLabelMetric is of any number of labels a video, the model of one"
    ):
        run.check_fit(schema.load(tiny, [METRIC]).root, run.build_model(schema.load(tiny).root), "test")


def test_exported_probabilities_are_by_sigmoid(
    config: Path, trained: tuple[Path, str], data: Path, tmp_path: Path
) -> None:
    export = [sys.executable, str(ROOT / "tools/export_model.py"), "-c", str(config), "-p", trained[1], "-o"]
    done = subprocess.run([*export, str(tmp_path / "out")], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out/Tiny.manifest.json").read_text())["multi_label"] is True
    flags = ["--model_file", tmp_path / "out", "--input_file", data / "valid", "--top_k", 8]
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/predict.py"), *map(str, flags), "--output", str(tmp_path / "found.json")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=python_environment(),
    )
    assert done.returncode == 0, done.stderr
    expected = testing.test(schema.load(config), trained[1]).scores.astype("float64")
    order = [line.split()[0] for line in (config.parent / "valid.list").read_text().splitlines()]
    for record in json.loads((tmp_path / "found.json").read_text()):
        row = expected[order.index(str(Path(record["file"]).relative_to(data)))]
        for entry in record["topk"]:
            assert entry["score"] == pytest.approx(1 / (1 + np.exp(-row[entry["class_id"]])), abs=1e-4)


def test_the_flag() -> None:
    args = parser().parse_args(["eval", "x.json", "--eval", "mean_average_precision"])
    assert args.eval == ["mean_average_precision"]
