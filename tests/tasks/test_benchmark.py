"""The benchmark: that the bare networks do the same work, and that the figures are what they say."""

import argparse
import json
from pathlib import Path
from time import sleep

import numpy as np
import paddle
import pytest

from paddlevideo.cli import benchmark as command
from paddlevideo.modeling.layers.temporal_shift import TemporalShift
from paddlevideo.tasks import flops, schema
from paddlevideo.tasks.benchmark import memory, model, report
from paddlevideo.tasks.benchmark.bare import BareResNet, BareTimeSformer
from paddlevideo.tasks.models import View

ROOT = Path(__file__).resolve().parents[2]
VIT = "img_size: 32, embed_dim: 24, depth: 2, num_heads: 3, num_seg: 4"
JOINT, SPACE = "attention_type: joint_space_time", "attention_type: space_only"
# name: (framework, backbone, its arguments, head, channels)
MODELS = {
    "tsn": ("Recognizer2D", "ResNet", "depth: 50", "TSNHead", 2048),
    "tsm": ("Recognizer2D", "ResNetTSM", "depth: 50, num_seg: 4", "TSNHead", 2048),
    "pptsm": ("Recognizer2D", "ResNetTweaksTSM", "depth: 50, num_seg: 4", "ppTSMHead", 2048),
    "pptsn": ("Recognizer2D", "ResNetTweaksTSN", "layers: 50", "ppTSNHead", 2048),
    "tsm-18": ("Recognizer2D", "ResNetTSM", "depth: 18, num_seg: 4", "TSNHead", 512),
    "pptsn-101": ("Recognizer2D", "ResNetTweaksTSN", "layers: 101", "ppTSNHead", 2048),
    "divided": ("RecognizerTransformer", "VisionTransformer", f"{VIT}, qkv_bias: true", "TimeSformerHead", 24),
    "joint": ("RecognizerTransformer", "VisionTransformer", f"{VIT}, {JOINT}", "TimeSformerHead", 24),
    "space": ("RecognizerTransformer", "VisionTransformer", f"{VIT}, {SPACE}", "TimeSformerHead", 24),
    "pptimesformer": ("RecognizerTransformer", "VisionTransformer_tweaks", VIT, "ppTimeSformerHead", 24),
}


def subject(tiny: Path, name: str) -> model.Subject:
    """The tiny config with another model, and clips of 4 frames of 32x32."""
    framework, backbone, arguments, head, channels = MODELS[name]
    text = tiny.read_text()
    section = f"""MODEL:
  framework: {framework}
  backbone: {{name: {backbone}, {arguments}}}
  head: {{name: {head}, num_classes: 8, in_channels: {channels}}}
"""
    path = tiny.with_name(f"{name}.yaml")
    path.write_text(text[: text.index("MODEL:")] + section + text[text.index("DATASET:") :])
    shape = [4, 3, 32, 32] if framework == "Recognizer2D" else [3, 4, 32, 32]
    return model.Subject(str(path), [], schema.load(path), View(shape, 4, 1, 1, (32, 32)))


@pytest.mark.parametrize("name", MODELS)
def test_the_bare_network_does_the_same_work(name: str, tiny: Path) -> None:
    """As many parameters and multiply-adds; all heads here classify the mean of the frames."""
    case = subject(tiny, name)
    ours, bare = (flops.parts(build, case.view.shape)[0] for build in (case.ours, case.bare))
    assert bare == ours


@pytest.mark.parametrize("name", ["tsn", "divided"])
def test_the_bare_network_gives_finite_scores(name: str, tiny: Path) -> None:
    case = subject(tiny, name)
    network = case.bare()
    network.eval()
    scores = network(paddle.randn([2, *case.view.shape])).numpy()
    assert scores.shape == (2, 8) and np.isfinite(scores).all()


def test_bare_networks_share_no_code_with_ours() -> None:
    for kind in (BareResNet, BareTimeSformer):
        assert {base.__module__.split(".")[0] for base in kind.__mro__[1:]} <= {"paddle", "builtins"}
    text = (ROOT / "paddlevideo/tasks/benchmark/bare.py").read_text()
    assert "import paddlevideo" not in text and "from paddlevideo" not in text


def test_without_shift(tiny: Path) -> None:
    case = subject(tiny, "tsm")
    assert len([layer for layer in case.ours().sublayers() if isinstance(layer, TemporalShift)]) >= 1
    assert not [layer for layer in case.unshifted().sublayers() if isinstance(layer, TemporalShift)]
    assert subject(tiny, "tsn").unshifted() is None


def test_networks_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> object:
        order.append(name)
        sleep(0.01 if name == "slow" else 0)
        return None

    seconds = model.in_turn({name: lambda name=name: run(name) for name in ("slow", "quick")}, rounds=3)
    assert order == ["quick", "slow", "slow", "quick", "quick", "slow", "slow", "quick"], "the first round warms up"
    assert [len(times) for times in seconds.values()] == [3, 3]
    assert min(seconds["slow"]) >= 0.01


def arguments(*given: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args(list(map(str, given)))


def test_the_flags_are_pinned() -> None:
    found = vars(arguments("model", "a.yaml"))
    assert set(found) == {
        "configs", "override", "configs_dir", "batch", "repeat", "no_memory", "json", "use_gpu", "cpu_threads",
        "measure",
    }  # fmt: skip
    assert (found["batch"], found["repeat"], found["configs"]) == ([1, 8], 5, ["a.yaml"])


def test_a_run(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results.json"
    case = subject(tiny, "divided")
    args = arguments("model", case.path, "--batch", 2, "--repeat", 3, "--json", out)
    args.override = ["PIPELINE.test.transform.2={Image2Array: {data_format: cthw}}", "MODEL.backbone.img_size=16"]
    command.run(args)
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    (row,) = found["results"]
    assert (row["config"], row["model"], row["batch"], row["rounds"]) == (case.path, "VisionTransformer", 2, 3)
    assert row["frames"] == 4 and row["macs"] == row["bare_macs"]
    assert row["ratio"] > 0 and row["clips_per_second"] > 0 and row["shift_cost"] is None
    assert row["memory"]["peak"] >= row["memory"]["ready"] > 50 * 2**20
    assert {"cpu", "threads", "paddle", "date"} <= set(found["machine"])
    assert "4x16x16" in printed and found["machine"]["cpu"] in printed


def test_all_takes_each_network_once(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    folder.mkdir()
    text = tiny.read_text()
    for name, other in {
        "a": text,
        "b": text.replace("drop_ratio: 0.5", "drop_ratio: 0.1"),
        "c": text.replace("channels: [8, 16]", "channels: [4, 16]"),
    }.items():
        (folder / f"{name}.yaml").write_text(other)
    names = [Path(item.path).stem for item in model.subjects(["all"], [], folder)]
    assert names == ["a", "c"]
    assert len(model.subjects([str(folder / "a.yaml"), str(folder / "b.yaml")], [], folder)) == 2


def result(**changes: object) -> model.Result:
    usage = memory.Usage(300 * 2**20, 500 * 2**20)
    plain = {
        "config": "c.yaml", "model": "ResNetTSM-50", "frames": 8, "size": (224, 224), "batch": 8, "rounds": 5,
        "macs": 33 * 10**9, "bare_macs": 33 * 10**9, "clips_per_second": 2.0, "bare_clips_per_second": 2.1,
        "ratio": 0.96, "shift_cost": 0.04, "memory": usage, "bare_memory": None,
    }  # fmt: skip
    return model.Result(**{**plain, **changes})  # type: ignore[arg-type]


def test_rows_and_remarks() -> None:
    line = report.line(result())
    assert " ".join(line.split()) == "ResNetTSM-50 8x224x224 8 2 2.1 0.960 4.0% 33 66 500 - 200 -"
    assert len(line) == len(report.HEADER)
    assert list(report.remarks(result())) == []
    (slow,) = report.remarks(result(ratio=0.9))
    assert slow == "ResNetTSM-50, batch 8: ratio 0.900 is below the target of 0.95"
    (shift,) = report.remarks(result(shift_cost=0.08))
    assert shift == "ResNetTSM-50, batch 8: the shifts take 8.0%, above the target of 5%"
    (unequal,) = report.remarks(result(ratio=0.5, bare_macs=20 * 10**9))
    assert "the bare network does 20 GMACs" in unequal
