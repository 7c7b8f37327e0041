"""Parameters and multiply-adds, against figures worked out by hand and published ones."""

import subprocess
import sys
from pathlib import Path

import paddle
import pytest

from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.layers.attention import Attention
from paddlevideo.tasks import flops, schema
from paddlevideo.tasks.benchmark.bare import BareResNet
from paddlevideo.tasks.summary import summarize, summarize_rates
from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
TSM = "configs/recognition/tsm/tsm_k400_frames.yaml"
# The 4,089,184,256 multiply-adds of ResNet-50 that everybody knows, without its layer for 1000 classes.
RESNET50 = 4_089_184_256 - 2048 * 1000
NORMALISED = 11_113_984  # outputs of the 53 convolutions of ResNet-50 at 224x224


def whole(build, shape: list[int]) -> tuple[int, int]:
    total = flops.parts(build, shape)[0]
    return total.parameters, total.macs


def test_resnet50_has_the_known_figures() -> None:
    parameters, macs = whole(lambda: ResNet(50), [3, 224, 224])
    assert parameters == 25_557_032 - (2048 * 1000 + 1000)
    assert macs == RESNET50 + 2 * NORMALISED


@pytest.mark.parametrize(
    ("depth", "frames", "classes", "millions", "billions"),
    [(50, 8, 174, "23.86", "32.88"), (50, 16, 174, "23.86", "65.76"), (101, 8, 174, "42.86", "62.66")],
)
def test_tsm_has_the_figures_of_mmaction2(depth: int, frames: int, classes: int, millions: str, billions: str) -> None:
    """Its table has 23.87 M, 32.88 G and 65.75 G, and for depth 101 42.86 M and 62.66 G."""
    changes = [f"MODEL.backbone.depth={depth}", f"MODEL.backbone.num_seg={frames}", f"MODEL.head.num_classes={classes}"]
    parameters, macs = whole(schema.load(ROOT / TSM, changes).root.MODEL.build, [frames, 3, 224, 224])
    assert (f"{parameters / 1e6:.2f}", f"{macs / 1e9:.2f}") == (millions, billions)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_tsm_by_hand(layout: str) -> None:
    changes = [f"MODEL.{part}.data_format={layout}" for part in ("backbone", "head")]
    shape = [8, 3, 224, 224] if layout == "NCHW" else [8, 224, 224, 3]
    parameters, macs = whole(schema.load(ROOT / TSM, changes).root.MODEL.build, shape)
    assert parameters == 24_327_632
    assert macs == 8 * (RESNET50 + 2 * NORMALISED + 2048 * 400)


def test_attention_counts_its_matrix_products() -> None:
    tokens, dim = 10, 12
    parameters, macs = whole(lambda: Attention(dim, num_heads=3, qkv_bias=True), [tokens, dim])
    assert parameters == dim * 3 * dim + 3 * dim + dim * dim + dim
    assert macs == tokens * dim * 3 * dim + 2 * tokens * tokens * dim + tokens * dim * dim


@pytest.mark.parametrize(("t", "size"), [(8, 224), (16, 224), (8, 112)])
def test_timesformer_of_any_length_and_size(t: int, size: int) -> None:
    _, macs = whole(lambda: VisionTransformer(num_seg=8, qkv_bias=True), [3, t, size, size])
    d, p = 768, (size // 16) ** 2
    time = p * t * (5 * d * d + 2 * d) + p * 2 * t * t * d  # qkv, projection, one more layer; norm; the products
    space = t * (p + 1) * (4 * d * d + 2 * d) + t * 2 * (p + 1) ** 2 * d
    perceptron = (p * t + 1) * (8 * d * d + 2 * d)
    moved = p * 196 * d if size != 224 else 0  # position embeddings for another grid
    assert macs == p * t * d * 3 * 16 * 16 + 12 * (time + space + perceptron) + moved + 2 * d
    if (t, size) == (8, 224):
        assert f"{macs / 1e9:.0f}" == "196", "the figure of mmaction2"


def test_parts_add_up() -> None:
    cfg = schema.load(ROOT / TSM).root
    total, *parts = flops.parts(cfg.MODEL.build, [8, 3, 224, 224])
    assert total.name == "total" and parts[0].name == "backbone.conv" and "head.fc" in [part.name for part in parts]
    assert sum(part.parameters for part in parts) == total.parameters
    assert sum(part.macs for part in parts) == total.macs


def test_both_program_forms_give_the_same() -> None:
    """Paddle 2 has but the older form; Paddle 3 still makes it when told to before it starts."""
    code = (
        "from paddlevideo.utils import environment; environment.prepare(legacy_program=True)\n"
        "from paddle import nn; from paddlevideo.tasks import flops; from paddlevideo.tasks.benchmark import bare\n"
        "print(flops.parts(lambda: bare.BareResNet(18, 9, True, nn.ReLU, 'NCHW'), [4, 3, 64, 64])[0].macs)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=200, check=True, env=environment.python_environment()
    )
    _, macs = whole(lambda: BareResNet(18, 9, True, paddle.nn.ReLU, "NCHW"), [4, 3, 64, 64])
    assert int(done.stdout.split()[-1]) == macs


def test_nothing_stays_symbolic() -> None:
    with pytest.raises(ValueError, match="not a multiple"):
        whole(schema.load(ROOT / TSM).root.MODEL.build, [7, 3, 224, 224])
    assert paddle.in_dynamic_mode()
    assert paddle.ones([2]).sum().item() == 2


def test_summary_of_other_frames(tiny: Path) -> None:
    cfg = schema.load(tiny).root
    lines = list(summarize(cfg, 32, 8, macs=True))
    assert lines[-1].startswith("for one video of shape [8, 3, 32, 32]")
    # conv 3x3x3x8, conv 3x3x8x16, both halving and normalised; the classifier 16x8 for every frame
    adds = 8 * (256 * (216 + 16) + 64 * (1152 + 32) + 128)
    assert lines[-2].replace(",", "").split() == ["total", "1552", str(adds)]
    with pytest.raises(UserError, match=r"shape \[6, 3, 16, 16\]: 6 frames .* num_seg=4"):
        list(summarize(cfg, None, 6, macs=False))


def test_rates_of_the_parameters(tiny: Path) -> None:
    cfg = schema.load(tiny, ["OPTIMIZER.groups=[{match: '*.1.*', lr_mult: 2.0, weight_decay: 0.01}]"]).root
    header, *lines = summarize_rates(cfg)
    assert header.split() == ["parameter", "rate", "decay"]
    assert [line.split() for line in lines[:8]] == [
        ["backbone.blocks.0.conv._conv.weight", "x1", "0.0001"],
        ["backbone.blocks.0.conv._batch_norm.weight", "x1", "0"],
        ["backbone.blocks.0.conv._batch_norm.bias", "x1", "0"],
        ["backbone.blocks.1.conv._conv.weight", "x2", "0.01"],
        ["backbone.blocks.1.conv._batch_norm.weight", "x2", "0.01"],
        ["backbone.blocks.1.conv._batch_norm.bias", "x2", "0.01"],
        ["head.fc.weight", "x5", "0.0001"],
        ["head.fc.bias", "x10", "0"],
    ]
    assert lines[8:] == [
        "backbone.blocks.0.conv._conv.weight: rate x1, decay 0.0001",
        "2 parameters: rate x1, decay 0",
        "3 parameters: rate x2, decay 0.01",
        "head.fc.weight: rate x5, decay 0.0001",
        "head.fc.bias: rate x10, decay 0",
    ]


def test_rates_need_an_optimizer(tiny: Path) -> None:
    with pytest.raises(UserError, match="OPTIMIZER is missing"):
        list(summarize_rates(schema.load(tiny, ["OPTIMIZER=null"]).root))
