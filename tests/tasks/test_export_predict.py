"""Export and prediction against the model itself. Export chooses its form at start-up, so it runs as a command."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from paddle import nn
from tiny import TINY

from paddlevideo.tasks import export, predict, schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.engine import EngineOptions
from paddlevideo.tasks.exported import open_exported
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.utils import compat
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A config and a checkpoint trained with it, shared by this file's tests."""
    folder = tmp_path_factory.mktemp("trained")
    config = folder / "tiny.yaml"
    config.write_text(TINY.format(data=data, output=folder / "output"))
    train.train(schema.load(config, ["epochs=1"]), TrainOptions())
    return config, folder / "output/Tiny_epoch_00001.pdparams"


def command(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module", params=["pdmodel", "json"])
def exported(
    request: pytest.FixtureRequest, trained: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    if request.param == "json" and compat.pdmodel_is_native():
        pytest.skip("this Paddle writes .pdmodel only")
    folder = tmp_path_factory.mktemp("inference") / request.param
    config, weights = trained
    done = command("tools/export_model.py", "-c", config, "-p", weights, "-o", folder, "--format", request.param)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_files_have_the_reference_names(exported: Path) -> None:
    extra = {"pdmodel": {"Tiny.pdmodel", "Tiny.pdiparams.info"}, "json": {"Tiny.json"}}[exported.name]
    assert {file.name for file in exported.iterdir()} == {"Tiny.pdiparams", "Tiny.manifest.json"} | extra


def test_the_manifest_says_all_that_prediction_needs(exported: Path, data: Path) -> None:
    manifest = json.loads((exported / "Tiny.manifest.json").read_text())
    assert manifest["input"]["shape"] == [None, 4, 3, 16, 16]
    assert manifest["labels"][:2] == ["moving right", "moving left"]
    assert manifest["score_kind"] == "logits"
    assert manifest["checked"]["max_relative_difference"] <= 1e-4
    assert manifest["config"]["PIPELINE"]["test"]["sample"]["num_seg"] == 4


@pytest.mark.parametrize("batch_size", [1, 4])
def test_predicted_scores_are_those_of_the_test(
    batch_size: int, exported: Path, trained: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    config, weights = trained
    expected = testing.test(schema.load(config), str(weights))
    powers = np.exp(expected.scores - expected.scores.max(axis=1, keepdims=True))
    chances = powers / powers.sum(axis=1, keepdims=True)
    results = tmp_path / "results.json"
    flags = ["--top_k", 8, "--output", results, "--batch_size", batch_size]
    done = command("tools/predict.py", "--model_file", exported, "--input_file", data / "valid", *flags)
    assert done.returncode == 0, done.stderr
    order = [line.rsplit(maxsplit=1)[0] for line in (data / "valid.list").read_text().splitlines()]
    records = json.loads(results.read_text())
    assert [record["file"] for record in records] == sorted(str(data / path) for path in order)
    for record in records:
        row = chances[order.index(str(Path(record["file"]).relative_to(data)))]
        assert [entry["class_id"] for entry in record["topk"]] == np.argsort(-row, kind="stable").tolist()
        for entry in record["topk"]:
            assert entry["score"] == pytest.approx(row[entry["class_id"]], abs=1e-4)


def test_printed_lines_and_csv(exported: Path, data: Path, tmp_path: Path) -> None:
    clip = sorted((data / "valid").iterdir())[0]
    table = tmp_path / "results.csv"
    program = next(file for suffix in ("pdmodel", "json") if (file := exported / f"Tiny.{suffix}").exists())
    files = ["--model_file", program, "--params_file", exported / "Tiny.pdiparams"]
    done = command("tools/predict.py", *files, "--input_file", clip, "--output", table, "--top_k", 2)
    assert done.returncode == 0, done.stderr
    with table.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["rank"] for row in rows] == ["1", "2"] and rows[0]["file"] == str(clip)
    classes, scores = ([kind(row[key]) for row in rows] for key, kind in (("class_id", int), ("score", float)))
    labels = ", ".join(row["label"] for row in rows)
    lines = [f"Current video file: {clip}", f"\ttop-2 class: {classes}", f"\ttop-2 score: {scores}"]
    assert "\n".join([*lines, f"\ttop-2 label: {labels}"]) in done.stdout


def test_a_program_that_differs_is_not_published(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(nn.Layer):
        def __init__(self, model: nn.Layer) -> None:
            super().__init__()
            self.model = model

        def forward(self, imgs):
            return self.model.scores(imgs) * 1.001

    monkeypatch.setattr(export, "Program", Wrong)
    config, weights = trained
    with pytest.raises(UserError, match=r"differ from the model's by 1\.0e-03"):
        export.export(
            schema.load(config), weights, tmp_path / "inference", form="auto" if compat.pdmodel_is_native() else "json"
        )
    assert not list((tmp_path / "inference").iterdir())


def test_exporting_the_wrong_checkpoint_leaves_the_last_export(exported: Path, trained: tuple[Path, Path]) -> None:
    before = {file.name: file.read_bytes() for file in exported.iterdir()}
    config, weights = trained
    with pytest.raises(UserError, match=r"head\.fc"):
        export.export(schema.load(config, ["MODEL.head.num_classes=9", "DATASET.labels=null"]), weights, exported)
    assert {file.name: file.read_bytes() for file in exported.iterdir()} == before


def test_the_inference_engine_gives_the_test_figure(trained: tuple[Path, Path]) -> None:
    config, weights = trained
    plain = testing.test(schema.load(config), str(weights))
    fast = testing.test(schema.load(config), str(weights), engine="inference")
    np.testing.assert_allclose(fast.scores, plain.scores, rtol=1e-4, atol=1e-5)


def test_a_crash_in_the_engine_never_takes_the_run_down(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from paddlevideo.tasks import engine

    crash = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"]
    plain_run = subprocess.run
    monkeypatch.setattr(engine.subprocess, "run", lambda command, **options: plain_run(crash, **options))
    files = (tmp_path / "a.json", tmp_path / "a.pdiparams")
    assert engine.safe_options(*files, EngineOptions(), [1, 2]).onednn is False
    assert engine.safe_options(*files, EngineOptions(onednn=False), [1, 2]).onednn is False
    monkeypatch.setattr(engine.environment, "has_bfloat16", lambda: True)
    with pytest.raises(UserError, match=r"bfloat16 fails on this program \(SIGSEGV\).*use --precision fp32"):
        engine.safe_options(*files, EngineOptions(precision="bf16"), [1, 2])


def test_bfloat16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from paddlevideo.tasks import engine

    monkeypatch.setattr(engine.environment, "has_bfloat16", lambda: False)
    with pytest.raises(UserError, match="this processor has no bfloat16 instructions"):
        engine.safe_options(tmp_path / "a.json", tmp_path / "a.pdiparams", EngineOptions(precision="bf16"), [1, 2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"use_tensorrt": True}, "needs a GPU"),
        ({"precision": "fp16"}, "needs --use_tensorrt"),
        ({"precision": "bf16", "onednn": False}, "through oneDNN"),
    ],
)
def test_settings_that_contradict_each_other(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        EngineOptions(**options)


def test_bad_inputs_to_predict(exported: Path, data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"x" * 100)
    clip = sorted((data / "valid").iterdir())[0]
    (tmp_path / "good.mp4").write_bytes(clip.read_bytes())
    opened = open_exported(exported, None, None, EngineOptions(onednn=False))
    predictor = predict.Predictor(opened, batch_size=2)
    done = list(predictor.predict(predict.find_videos(tmp_path)))
    assert [item.file for item in done] == [str(tmp_path / "good.mp4")]
    assert [failure.path for failure in predictor.failures] == [str(broken)]
    for path, message in [
        (tmp_path / "none.mp4", "there is no such file"),
        (exported, "there is no video in this folder"),
    ]:
        with pytest.raises(UserError, match=message):
            predict.find_videos(path)
    with pytest.raises(UserError, match="there is no manifest beside it"):
        open_exported(clip, None, None, EngineOptions())
    with pytest.raises(UserError, match="expected one exported model"):
        open_exported(data, None, None, EngineOptions())
