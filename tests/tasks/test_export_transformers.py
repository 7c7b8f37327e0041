"""The transformers by both roads: --test, and export + predict with oneDNN and without. Paddle writes them as .json."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import paddle
import pytest
from synthetic import encode

from paddlevideo.tasks import export, predict, run, schema
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.engine import EngineOptions, safe_options
from paddlevideo.tasks.exported import open_exported

ROOT = Path(__file__).resolve().parents[2]
CONFIG = """
MODEL:
  framework: RecognizerTransformer
  backbone:
    name: {backbone}
    img_size: 32
    patch_size: 16
    embed_dim: 64
    depth: 2
    num_heads: 4
    num_seg: 4
    qkv_bias: {qkv_bias}
  head: {{name: {head}, num_classes: 5, in_channels: 64, std: 0.5}}
  runtime_cfg: {{test: {{num_seg: 4, avg_type: {avg_type}}}}}
DATASET:
  test_batch_size: 3
  test: {{format: VideoDataset, file_path: {folder}/test.list, data_prefix: {folder}}}
PIPELINE:
  test:
    decode: {{name: VideoDecoder, backend: pyav, mode: test, num_seg: 4, sampling_rate: 7}}
    sample: {{name: Sampler, num_seg: 4, valid_mode: True, linspace_sample: True}}
    transform:
    - Normalization: {{mean: [0.45, 0.45, 0.45], std: [0.225, 0.225, 0.225], tensor_shape: [1, 1, 1, 3]}}
    - Image2Array: {{data_format: cthw}}
    - JitterScale: {{min_size: 32, max_size: 32}}
    - UniformCrop: {{target_size: 32}}
model_name: Tiny
output_dir: {folder}/output
"""
MODELS = {
    "timesformer": ("VisionTransformer", "TimeSformerHead", "score", True),
    "pptimesformer": ("VisionTransformer_tweaks", "ppTimeSformerHead", "prob", False),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four videos of 30 frames, wider than high, and their list."""
    folder, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for i in range(4):
        squares = rng.integers(0, 256, (30, 4, 6, 3), dtype=np.uint8)
        encode(folder / f"{i}.mp4", squares.repeat(8, axis=1).repeat(8, axis=2))
    (folder / "test.list").write_text("".join(f"{i}.mp4 {i}\n" for i in range(4)))
    return folder


@pytest.fixture(scope="module", params=MODELS)
def exported(request: pytest.FixtureRequest, videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with config, weights and the program, exported as the command line does it."""
    backbone, head, avg_type, qkv_bias = MODELS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    parts = {"backbone": backbone, "head": head, "avg_type": avg_type, "qkv_bias": qkv_bias, "folder": videos}
    (folder / "tiny.yaml").write_text(CONFIG.format(**parts))
    paddle.seed(1)
    model = run.build_model(schema.load(folder / "tiny.yaml").root)
    state = {name: value + 0.3 * paddle.randn(value.shape) for name, value in model.state_dict().items()}
    paddle.save(state, str(folder / "tiny.pdparams"))
    flags = ["-c", folder / "tiny.yaml", "-p", folder / "tiny.pdparams", "-o", folder / "inference"]
    line = [sys.executable, str(ROOT / "tools/export_model.py"), *map(str, flags)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "Paddle cannot write this model as .pdmodel; writing its newer .json form" in done.stdout
    return folder


def chances(folder: Path) -> np.ndarray:
    """[4, 5], by --test."""
    result = testing.test(schema.load(folder / "tiny.yaml"), str(folder / "tiny.pdparams"))
    if folder.name.startswith("pptimesformer"):
        return result.scores
    powers = np.exp(result.scores)
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_manifest(exported: Path) -> None:
    manifest = json.loads((exported / "inference/Tiny.manifest.json").read_text())
    assert manifest["input"]["shape"] == [None, 3, 12, 32, 32]
    kind = "probabilities" if exported.name.startswith("pptimesformer") else "logits"
    assert (manifest["model_file"], manifest["score_kind"]) == ("Tiny.json", kind)
    assert manifest["checked"]["max_relative_difference"] <= 1e-5


@pytest.mark.parametrize("onednn", [None, True, False])
def test_predictions_are_those_of_the_test(
    exported: Path, videos: Path, onednn: bool | None, capfd, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads((exported / "inference/Tiny.manifest.json").read_text())["engine"]["onednn"]
    if onednn in (None, found):  # the export has tried it, so it is not tried again
        monkeypatch.delattr("paddlevideo.tasks.exported.safe_options")
    expected = chances(exported)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    options = EngineOptions(cpu_threads=2, onednn=onednn)
    capfd.readouterr()
    predictor = predict.Predictor(open_exported(exported / "inference", None, None, options), batch_size=3)
    done = list(predictor.predict(predict.find_videos(videos), top_k=5))
    assert [Path(item.file).name for item in done] == ["0.mp4", "1.mp4", "2.mp4", "3.mp4"]
    for item, row in zip(done, expected):
        assert item.classes == np.argsort(-row, kind="stable").tolist()
        np.testing.assert_allclose(item.scores, row[item.classes], atol=1e-4)
    assert capfd.readouterr().out == ""  # only results belong there


def test_a_program_without_manifest_takes_all_from_the_config(exported: Path, videos: Path, tmp_path: Path) -> None:
    for suffix in (".json", ".pdiparams"):
        (tmp_path / f"x{suffix}").write_bytes((exported / f"inference/Tiny{suffix}").read_bytes())
    cfg = schema.load(exported / "tiny.yaml").root
    opened = open_exported(tmp_path / "x.json", None, cfg, EngineOptions(onednn=False))
    assert opened.score_kind == ("probabilities" if exported.name.startswith("pptimesformer") else "logits")
    done = list(predict.Predictor(opened).predict([videos / "2.mp4"], top_k=5))
    np.testing.assert_allclose(done[0].scores, np.sort(chances(exported)[2])[::-1], atol=1e-4)


def test_onednn_is_found_safe_or_left_out_aloud(exported: Path, capfd) -> None:
    program, params = exported / "inference/Tiny.json", exported / "inference/Tiny.pdiparams"
    settled = safe_options(program, params, EngineOptions(cpu_threads=2), [1, 3, 12, 32, 32])
    assert settled.onednn is True or "running without it" in capfd.readouterr().out


def test_the_older_form_is_refused_in_one_line(exported: Path) -> None:
    flags = [
        "-c",
        exported / "tiny.yaml",
        "-p",
        exported / "tiny.pdparams",
        "-o",
        exported / "old",
        "--format",
        "pdmodel",
    ]
    line = [sys.executable, str(ROOT / "tools/export_model.py"), *map(str, flags)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert re.search(r"error: --format pdmodel: this Paddle cannot .*; use --format json\n\Z", done.stderr)
    assert not any((exported / "old").iterdir())


def test_a_pipeline_that_does_not_fit_is_one_error(exported: Path) -> None:
    for override, message in (
        ("PIPELINE.test.sample.num_seg=6", "the pipeline gives 3 x 6 frames a video; the model takes views of 4"),
        ("MODEL.runtime_cfg.test.num_seg=8", "3 x 4 frames a video; the model takes views of 8 frames"),
        ("PIPELINE.test.transform.3.UniformCrop.target_size=24", "frames of 24x24 pixels do not divide"),
        ("PIPELINE.test.transform.1.Image2Array.data_format=tchw", r"data_format: cthw"),
    ):
        resolved = schema.load(exported / "tiny.yaml", [override])
        with pytest.raises(run.UserError, match=f"PIPELINE.test and MODEL do not fit: .*{message}"):
            export.export(resolved, exported / "tiny.pdparams", exported / "unused")
        assert not (exported / "unused").exists()
