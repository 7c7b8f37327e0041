"""`paddlevideo convert`: figures of the reference, configs, labels, reports, and files that mean harm."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
import yaml
from golden_fill import golden, golden_input
from torch_writer import Call, Global, tensor, write_legacy, write_zip

from paddlevideo.cli.main import parser
from paddlevideo.modeling import weights
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.weights import read_state
from paddlevideo.registry import BACKBONES, HEADS, RECOGNIZERS
from paddlevideo.tasks.convert import convert
from paddlevideo.utils.errors import UserError


def fill(name: str, shape: list[int]) -> np.ndarray:
    """The value of one of PyTorch's parameters in the golden records: a function of its name."""
    rng = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype("f4")
    if name.endswith("running_mean"):
        return rng.normal(0, 0.1, shape).astype("f4")
    if len(shape) == 1:
        return rng.normal(1 if name.endswith("weight") else 0, 0.1, shape).astype("f4")
    fan_in = {4: np.prod(shape[1:]), 3: 2500, 2: shape[-1]}[len(shape)]
    return rng.normal(0, np.sqrt(1 / fan_in), shape).astype("f4")


def build(section: dict[str, Any]) -> Any:
    backbone, head = dict(section["backbone"]), dict(section["head"])
    made = BACKBONES.get(backbone.pop("name"))(**backbone)
    return RECOGNIZERS.get(section["framework"])(made, HEADS.get(head.pop("name"))(**head))


def printed_model(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The MODEL section that the command showed."""
    lines = [line.partition("] ")[2] for line in capsys.readouterr().out.splitlines()]
    start = lines.index("MODEL:")
    stop = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(" "))
    return yaml.safe_load("\n".join(lines[start:stop]))["MODEL"]


def run(*arguments: object) -> int:
    """A command in this process: its exit code, the error as it would be shown."""
    args = parser().parse_args([str(argument) for argument in arguments])
    try:
        return args.command.run(args) or 0
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


@pytest.mark.parametrize("name", list(golden("models_mmaction2")))
def test_output_of_the_reference(name: str, tmp_path: Path, capsys) -> None:
    record = golden("models_mmaction2")[name]
    state = OrderedDict((key, tensor(fill(key, shape))) for key, shape in record["params"].items())
    path, out = write_zip(tmp_path / "x.pth", {"meta": {}, "state_dict": state}), tmp_path / "x.pdparams"
    assert run("convert", path, out) == 0
    model = build(printed_model(capsys))
    assert weights.load_weights(model, out) == [f"loaded {len(state)} arrays from {out}"]
    model.eval()
    with paddle.no_grad():
        logits = model({"imgs": paddle.to_tensor(golden_input(record))}).numpy()
    expected = np.array(record["output"])
    assert np.abs(logits - expected).max() < 1e-4 * np.abs(expected).max()


# --- small transformers -----------------------------------------------------------------------------------------------

SIZES: dict[str, Any] = {"img_size": 32, "embed_dim": 64, "depth": 2, "num_heads": 1, "num_seg": 2}
CONFIG = """
MODEL:
  framework: RecognizerTransformer
  backbone: {{name: {name}, img_size: {size}, embed_dim: 64, depth: 2, num_heads: 1, num_seg: {seg}, qkv_bias: {bias}, epsilon: 1.0e-6}}
  head: {{name: TimeSformerHead, num_classes: {classes}, in_channels: 64}}
DATASET: {{}}
PIPELINE:
  test:
    decode: {{name: VideoDecoder}}
    sample: {{name: Sampler, num_seg: {seg}, seg_len: 1, valid_mode: True}}
    transform:
    - CenterCrop: {{target_size: 32}}
    - Normalization: {{mean: [{mean}, {mean}, {mean}], std: [0.225, 0.225, 0.225]}}
model_name: Small
"""  # noqa: E501


@pytest.fixture
def config(tmp_path: Path) -> Callable[..., Path]:
    def write(**changes: Any) -> Path:
        values = {
            "name": "VisionTransformer",
            "size": 32,
            "seg": 2,
            "bias": True,
            "classes": 3,
            "mean": 0.45,
            **changes,
        }
        (tmp_path / "small.yaml").write_text(CONFIG.format(**values))
        return tmp_path / "small.yaml"

    return write


def small_state(**changes: Any) -> dict[str, np.ndarray]:
    """Ours, of a whole model."""
    model = VisionTransformer(**{**SIZES, **changes}, qkv_bias=True)
    rng = np.random.default_rng(0)
    state = {
        f"backbone.{name}": rng.normal(size=value.shape).astype("f4") for name, value in model.state_dict().items()
    }
    return state | {"head.fc.weight": rng.normal(size=(64, 3)).astype("f4"), "head.fc.bias": np.arange(3, dtype="f4")}


def pyth(path: Path, state: dict[str, np.ndarray], **more: Any) -> Path:
    """facebookresearch's file of the same."""
    named = OrderedDict()
    for name, value in state.items():
        theirs = name.replace("backbone.", "model.").replace("head.fc.", "model.head.")
        named[theirs] = tensor(value.T if value.ndim == 2 else value)
    return write_zip(path, {"epoch": 3, "model_state": named, "cfg": "TRAIN: {}", **more})


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return pyth(tmp_path / "x.pyth", small_state())


def assert_same(state: dict[str, np.ndarray], path: Path) -> None:
    again = read_state(path)
    assert again.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(again[name], value, err_msg=name)
        assert again[name].dtype == value.dtype


@pytest.mark.parametrize("suffix", [".pdparams", ".safetensors"])
def test_into_both_containers_and_back(source: Path, tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"first{suffix}", tmp_path / "second.pdparams"
    convert(source, first)
    assert_same(small_state(), first)
    convert(first, second)
    convert(second, tmp_path / "third.safetensors")
    assert_same(small_state(), tmp_path / "third.safetensors")
    if suffix == ".safetensors":
        numpy = pytest.importorskip("safetensors.numpy")
        assert numpy.load_file(first).keys() == small_state().keys()
    head = {"name": "TimeSformerHead", "num_classes": 3, "in_channels": 64}
    backbone = {"name": "VisionTransformer", **SIZES, "qkv_bias": True}
    model = build({"framework": "RecognizerTransformer", "backbone": backbone, "head": head})
    weights.load_weights(model, tmp_path / "third.safetensors")


def test_the_report_lists_every_array(source: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "new/out.pdparams"
    assert run("convert", source, out) == 0
    lines = (tmp_path / "new/out.pdparams.report.txt").read_text().splitlines()
    state = small_state()
    assert f"mapped ({len(state)})" in lines and "dropped (0)" in lines and "missing (0)" in lines
    assert "  model.pos_embed -> backbone.pos_embed [1, 5, 64]" in lines
    assert "  model.head.weight -> head.fc.weight [64, 3] transposed" in lines
    assert sum(" -> " in line and line.startswith("  ") for line in lines) == len(state)
    shown = capsys.readouterr().out
    assert f"arrays: {len(state)} mapped, 0 dropped, 0 missing" in shown
    assert "mean: [0.45, 0.45, 0.45] std: [0.225, 0.225, 0.225]" in shown


def test_the_report_goes_where_it_is_wanted(source: Path, tmp_path: Path) -> None:
    convert(source, tmp_path / "out.pdparams", report=tmp_path / "list.txt")
    assert (tmp_path / "list.txt").exists() and not (tmp_path / "out.pdparams.report.txt").exists()


def test_what_is_missing_is_told(tmp_path: Path, capsys) -> None:
    state = small_state()
    del state["backbone.blocks.1.norm2.bias"]
    assert run("convert", pyth(tmp_path / "x.pyth", state), tmp_path / "out.pdparams") == 0
    assert "INCOMPLETE: the model also needs backbone.blocks.1.norm2.bias" in capsys.readouterr().out
    assert "  backbone.blocks.1.norm2.bias" in (tmp_path / "out.pdparams.report.txt").read_text().splitlines()


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"backbone.norm.bias": (63,)}, r"backbone\.norm\.bias \[63\] instead of \[64\]"),
        (
            {"backbone.blocks.2.norm1.bias": (64,), "backbone.blocks.1.attn.qkv.weight": (64, 100)},
            r"qkv\.weight \[64, 100\]",
        ),
    ],
)
def test_shapes_that_no_model_has(tmp_path: Path, changes: dict[str, tuple[int, ...]], told: str) -> None:
    state = small_state() | {name: np.ones(shape, "f4") for name, shape in changes.items()}
    with pytest.raises(UserError, match=rf"x\.pyth.*fits no model here: .*{told}"):
        convert(pyth(tmp_path / "x.pyth", state), tmp_path / "out.pdparams")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pyth"]


def test_a_fifth_stage(tmp_path: Path) -> None:
    params = golden("models_mmaction2")["tsn_r50"]["params"] | {"backbone.layer5.0.conv1.bn.bias": [64]}
    state = {name: tensor(np.zeros(shape, "f2")) for name, shape in params.items()}
    with pytest.raises(UserError, match=r"fits no model here: backbone.* has no place"):
        convert(write_zip(tmp_path / "x.pth", {"state_dict": state}), tmp_path / "out.pdparams")


def test_files_of_several_gpus(tmp_path: Path, capsys) -> None:
    """mit-han-lab's own form: the older container, and `module.` before every name."""
    params = {"module.base_model.conv1.weight": (64, 3, 7, 7), "module.new_fc.bias": (5,)}
    state = OrderedDict((name, tensor(np.ones(shape, "f4"))) for name, shape in params.items())
    tree = {"epoch": 1, "arch": "resnet50", "state_dict": state, "best_prec1": 7.5}
    path = write_legacy(tmp_path / "x.pth.tar", tree)
    assert run("convert", path, tmp_path / "out.pdparams") == 0
    assert list(read_state(tmp_path / "out.pdparams")) == ["backbone.conv._conv.weight", "head.fc.bias"]
    assert "'module.' taken off every name" in capsys.readouterr().out


def test_values_that_are_no_numbers_are_told(tmp_path: Path, capsys) -> None:
    state = small_state()
    state["head.fc.bias"][1] = np.nan
    assert run("convert", pyth(tmp_path / "x.pyth", state), tmp_path / "out.pdparams") == 0
    assert "values that are no numbers in head.fc.bias" in capsys.readouterr().out


# --- against a config -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VisionTransformer", "VisionTransformer_tweaks"])
def test_to_a_config_that_fits(source: Path, tmp_path: Path, config, capsys, name: str) -> None:
    assert run("convert", source, tmp_path / "out.pdparams", "--to", config(name=name)) == 0
    assert "it fits" in capsys.readouterr().out
    assert_same(small_state(), tmp_path / "out.pdparams")


def test_embeddings_are_interpolated_to_the_config(source: Path, tmp_path: Path, config, capsys) -> None:
    assert run("convert", source, tmp_path / "out.pdparams", "--to", config(size=48, seg=4)) == 0
    again = read_state(tmp_path / "out.pdparams")
    assert (again["backbone.pos_embed"].shape, again["backbone.time_embed"].shape) == ((1, 10, 64), (1, 4, 64))
    assert "interpolated" in capsys.readouterr().out


def test_contradicting_settings_name_both_sides_and_the_cure(source: Path, tmp_path: Path, config, capsys) -> None:
    path = config(bias=False, mean=0)
    assert run("convert", source, tmp_path / "out.pdparams", "--to", path) == 2
    error = capsys.readouterr().err
    assert "qkv_bias is True in the weights, False in the config; use -o MODEL.backbone.qkv_bias=true" in error
    cures = ["MODEL.backbone.qkv_bias=true"]
    assert run("convert", source, tmp_path / "out.pdparams", "--to", path, "-o", *cures) == 2
    error = capsys.readouterr().err
    assert "expects pixels normalised with mean [0.45, 0.45, 0.45]" in error and "has mean [0.0, 0.0, 0.0]" in error
    assert error.count("\n") == 1
    cures += error.rpartition("use -o ")[2].split()
    assert run("convert", source, tmp_path / "out.pdparams", "--to", path, "-o", *cures) == 0


def test_other_classes_are_refused(source: Path, tmp_path: Path, config) -> None:
    with pytest.raises(UserError, match=r"has 3 classes, Small has 7; use -o MODEL.head.num_classes=3"):
        convert(source, tmp_path / "out.pdparams", str(config(classes=7)))
    assert {path.name for path in tmp_path.iterdir()} == {"x.pyth", "small.yaml"}


def test_missing_arrays_are_refused_for_a_config(tmp_path: Path, config) -> None:
    state = small_state()
    del state["backbone.norm.bias"]
    with pytest.raises(UserError, match=r"1 differences: missing: backbone\.norm\.bias"):
        convert(pyth(tmp_path / "x.pyth", state), tmp_path / "out.pdparams", str(config()))
    assert not (tmp_path / "out.pdparams").exists()


def test_an_image_model_starts_a_video_model(tmp_path: Path, config, capsys) -> None:
    state = {name.removeprefix("backbone."): value.T if value.ndim == 2 else value
             for name, value in small_state().items() if "tempo" not in name and "time" not in name}  # fmt: skip
    named = OrderedDict((name.replace("head.fc", "head"), tensor(value)) for name, value in state.items())
    path = write_legacy(tmp_path / "vit.pth", named)
    out = tmp_path / "vit.pdparams"
    assert run("convert", path, out) == 0
    assert "MODEL.backbone.pretrained of VisionTransformer" in capsys.readouterr().out
    assert run("convert", path, out, "--to", config()) == 0
    assert "temporal attention" in capsys.readouterr().out
    model = VisionTransformer(**SIZES, qkv_bias=True)
    weights.load_pretrained(model, out)
    np.testing.assert_array_equal(
        model.state_dict()["blocks.1.attn.qkv.weight"].numpy(), small_state()["backbone.blocks.1.attn.qkv.weight"]
    )


# --- residual networks ------------------------------------------------------------------------------------------------

RESNET = """
MODEL:
  framework: Recognizer2D
  backbone: {{name: {name}, depth: 50{more}}}
  head: {{name: TSMHead, num_classes: 174, in_channels: 2048}}
DATASET: {{}}
PIPELINE: {{}}
model_name: Residual
"""


@pytest.fixture(scope="module")
def something_v2(tmp_path_factory) -> Path:
    """A TSM as mmaction2 first published it: 339 classes for 174, 16 frames shifted in halves of 8."""
    params = golden("models_mmaction2")["tsm_r50_8f"]["params"]
    state = OrderedDict((name, tensor(np.zeros(shape, "f2"))) for name, shape in params.items() if "fc_cls" not in name)
    state["cls_head.fc_cls.weight"] = tensor(np.arange(339, dtype="f2")[:, None].repeat(2048, 1))
    state["cls_head.fc_cls.bias"] = tensor(np.arange(339, dtype="f2"))
    path = tmp_path_factory.mktemp("v2") / "tsm_r50_1x1x16_50e_sthv2_rgb_20200621-60ff441a.pth"
    return write_zip(path, {"state_dict": state})


def test_tsm_with_339_classes(something_v2: Path, tmp_path: Path, capsys) -> None:
    path = tmp_path / "tsm.yaml"
    path.write_text(RESNET.format(name="ResNetTSM", more=", num_seg: 16"))
    out = tmp_path / "out.pdparams"
    assert run("convert", something_v2, out, "--to", path) == 2
    error = capsys.readouterr().err
    for side in (
        "shift_direction is torch in the weights, paddle in",
        "shift_ratio is 0.125 in the weights, 0.0625 in",
    ):
        assert side in error
    cures = error.rpartition("use -o ")[2].split()
    assert sorted(cures) == [
        "MODEL.backbone.num_seg=8",
        "MODEL.backbone.shift_direction=torch",
        "MODEL.backbone.shift_ratio=0.125",
    ]
    names = tmp_path / "sorted.txt", tmp_path / "list.txt"
    names[0].write_text("".join(f"Doing_{i:03}\n" for i in range(174)))
    names[1].write_text("".join(f"doing {i:03}\n" for i in reversed(range(174))))
    labels = ["--labels-from", names[0], "--labels-to", names[1]]
    assert run("convert", something_v2, out, *labels, "--to", path, "-o", *cures) == 0
    state = read_state(out)
    assert state["head.fc.bias"].tolist() == list(range(173, -1, -1))
    assert state["head.fc.weight"][5].tolist() == list(range(173, -1, -1))
    shown = capsys.readouterr().out
    assert "the first 174 of 339 classes kept" in shown and "174 of 174 moved" in shown


@pytest.mark.parametrize(
    "name, told", [("ResNetTweaksTSM", "its stem is one 7x7 convolution"), ("ResNet", "cannot become")]
)
def test_tsm_cannot_become_another_model(something_v2: Path, tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "x.yaml").write_text(RESNET.format(name=name, more="").replace("TSMHead", "ppTSMHead"))
    with pytest.raises(UserError, match=rf"cannot become a {name}.*fits ResNetTSM") as caught:
        convert(something_v2, tmp_path / "out.pdparams", str(tmp_path / "x.yaml"))
    assert told in str(caught.value)


# --- labels -----------------------------------------------------------------------------------------------------------


def test_classes_in_another_order(source: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "from.txt").write_text("a b\nc\nd\n")
    (tmp_path / "to.txt").write_text("0 d\n1 a_b\n")
    labels = ["--labels-from", tmp_path / "from.txt", "--labels-to", tmp_path / "to.txt"]
    assert run("convert", source, tmp_path / "out.pdparams", *labels) == 0
    assert read_state(tmp_path / "out.pdparams")["head.fc.bias"].tolist() == [2, 0]
    assert printed_model(capsys)["head"]["num_classes"] == 2


@pytest.mark.parametrize(
    "before, after, told",
    [
        ("a\nb\n", "a\n", "no name for class 2"),
        ("a\nb\na\n", "a\n", r"from\.txt:3: 'a' is the name of class 0 as well as of class 2"),
        ("a\nb\nc\n", "a\na\n", r"to\.txt:2: 'a' is the name of class 0 as well as of class 1"),
        ("a\nb\nc\n", "a\nx\n", r"to\.txt: 'x' is not among the 3 classes"),
    ],
)
def test_labels_that_do_not_match(source: Path, tmp_path: Path, before: str, after: str, told: str) -> None:
    (tmp_path / "from.txt").write_text(before)
    (tmp_path / "to.txt").write_text(after)
    with pytest.raises(UserError, match=told):
        convert(source, tmp_path / "out.pdparams", labels=(tmp_path / "from.txt", tmp_path / "to.txt"))


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["x.pyth", "out.pth"], r"out.pth: the result is written as .pdparams or .safetensors"),
        (["nowhere.pth", "out.pdparams"], "nowhere.pth: cannot be read"),
        (["x.pyth", "out.pdparams", "--report", "x.pyth"], "x.pyth: the list of the arrays needs a file of its own"),
        (["x.pyth", "x.pyth/out.pdparams"], "x.pyth: cannot be made"),
        (["x.pdparams", "x.pdparams"], "would replace the file it is made from"),
        (["x.pyth", "out.pdparams", "--labels-from", "a"], "--labels-from and --labels-to go together"),
        (["x.pyth", "out.pdparams", "-o", "a=1"], "-o changes the config"),
        (["x.pyth", "out.pdparams", "--to", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_mistakes(source: Path, tmp_path: Path, monkeypatch, capsys, arguments: list[str], told: str) -> None:
    monkeypatch.chdir(tmp_path)
    convert(source, tmp_path / "x.pdparams")
    before = sorted(os.listdir(tmp_path))  # noqa: PTH208
    assert run("convert", *arguments) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert sorted(os.listdir(tmp_path)) == before  # noqa: PTH208


# --- hostile files ----------------------------------------------------------------------------------------------------


class Payload:
    """A pickle that runs a command when it is opened without care."""

    def __reduce__(self):
        return os.system, ("touch owned.txt",)


def hostile(kind: str, path: Path) -> Path:
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"w": Payload()}))
        return path
    tree = {
        "state_dict": {"w": tensor(np.ones(3, "f4"))},
        "meta": Call(Global("posix", "system"), ("touch owned.txt",)),
    }
    return (write_zip if kind == "zip" else write_legacy)(path, tree)


@pytest.mark.parametrize("kind", ["pickle", "zip", "legacy"])
@pytest.mark.parametrize("command", ["train -w", "train pretrained", "test", "export", "convert"])
def test_hostile_files_are_refused_everywhere(
    kind: str, command: str, tiny, tmp_path: Path, monkeypatch, capfd
) -> None:
    evil = hostile(kind, tmp_path / "evil.pdparams")
    monkeypatch.chdir(tmp_path)
    backbone = f"MODEL.backbone={{name: ResNetTSM, depth: 18, num_seg: 4, pretrained: {evil}}}"
    arguments = {
        "train -w": ["train", "-c", tiny, "-w", evil],
        "train pretrained": ["train", "-c", tiny, "-o", backbone, "MODEL.head.in_channels=512"],
        "test": ["test", "-c", tiny, "-w", evil],
        "export": ["export", "-c", tiny, "-p", evil, "-o", tmp_path / "inference"],
        "convert": ["convert", evil, tmp_path / "out.pdparams"],
    }[command]
    assert run(*arguments) == 2
    error = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1 and "evil.pdparams" in error[0]
    assert not list(tmp_path.rglob("owned.txt")) and not list(tmp_path.rglob("out.pdparams*"))


def test_as_a_script(tmp_path: Path) -> None:
    evil, script = (
        hostile("zip", tmp_path / "evil.pth"),
        Path(__file__).resolve().parents[2] / "tools/convert_weights.py",
    )
    done = subprocess.run(
        [sys.executable, script, evil, "out.pdparams"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "evil.pth" in done.stderr and "nothing was run" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pth"]
