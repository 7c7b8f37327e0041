"""Converters: names, settings and values of every source, from layouts written out here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from golden_fill import golden

from paddlevideo.modeling.backbones.resnet import BLOCKS
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.convert import Plan, Source, arrays, recognise
from paddlevideo.utils.errors import UserError

NORM = ("weight", "bias", "running_mean", "running_var")
Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    return {f"{name}.{part}": (channels,) for part in NORM} | {f"{name}.num_batches_tracked": ()}


def torchvision(depth: int, vd: bool = False, classes: int = 1000) -> Shapes:
    """Names and shapes of torchvision's ResNet; vd: timm's resnet50d."""
    wide = 4 if depth >= 50 else 1
    shapes: Shapes = {"conv1.weight": (64, 3, 7, 7)}
    if vd:
        shapes = {"conv1.0.weight": (32, 3, 3, 3), "conv1.3.weight": (32, 32, 3, 3), "conv1.6.weight": (64, 32, 3, 3)}
        shapes |= norm("conv1.1", 32) | norm("conv1.4", 32)
    shapes |= norm("bn1", 64)
    channels = 64
    for stage, (count, width) in enumerate(zip(BLOCKS[depth], (64, 128, 256, 512)), 1):
        for i in range(count):
            block = f"layer{stage}.{i}"
            kernels = [(channels, width, 1), (width, width, 3), (width, width * 4, 1)]
            if wide == 1:
                kernels = [(channels, width, 3), (width, width, 3)]
            for k, (fan_in, fan_out, size) in enumerate(kernels, 1):
                shapes[f"{block}.conv{k}.weight"] = (fan_out, fan_in, size, size)
                shapes |= norm(f"{block}.bn{k}", fan_out)
            if i == 0 and (wide == 4 or stage > 1):
                first = 1 if vd else 0
                shapes[f"{block}.downsample.{first}.weight"] = (width * wide, channels, 1, 1)
                shapes |= norm(f"{block}.downsample.{first + 1}", width * wide)
            channels = width * wide
    return shapes | {"fc.weight": (classes, channels), "fc.bias": (classes,)}


def mit(depth: int, every: int, classes: int = 174) -> Shapes:
    """mit-han-lab's TSM, its DataParallel prefix taken off."""
    shapes = {}
    for name, shape in torchvision(depth, classes=classes).items():
        match = re.match(r"layer\d\.(\d+)\.conv1\.", name)
        shifted = every and match and int(match[1]) % every == 0
        name = name.replace("conv1.", "conv1.net.") if shifted else name
        shapes[name.replace("fc.", "new_fc.") if name.startswith("fc.") else f"base_model.{name}"] = shape
    return shapes


def mmaction2(depth: int, every: int, classes: int = 174) -> Shapes:
    """mmaction2's TSN (every 0) and TSM."""
    shapes = {}
    for name, shape in mit(depth, every, classes).items():
        name = name.replace("new_fc", "cls_head.fc_cls").replace("base_model", "backbone")
        name = re.sub(r"\.downsample\.0\.", ".downsample.conv.", name)
        name = re.sub(r"\.downsample\.1\.", ".downsample.bn.", name)
        name = re.sub(r"\.conv(\d)\.(net\.)?weight$", r".conv\1.conv.\2weight", name)
        shapes[re.sub(r"\.bn(\d)\.", r".conv\1.bn.", name)] = shape
    return shapes


def source(shapes: Shapes, name: str = "x.pth", container: str = "torch", text: str = "") -> Source:
    return Source(Path(name), {key: np.zeros(shape, "f4") for key, shape in shapes.items()}, container, text)  # type: ignore[arg-type]


def backbone(plan: Plan) -> dict:
    assert plan.model is not None
    return plan.model["backbone"]


def assert_fits(plan: Plan, model, of: Source, prefix: str = "backbone.") -> None:
    """The arrays have exactly the names and shapes of `model`, apart from the classifier."""
    result = {name: value.shape for name, value in arrays.convert(of, plan).items() if not name.startswith("head.")}
    assert result == {prefix + name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert set(plan.names) | set(plan.dropped) | set(plan.folded) == set(of.arrays)


def test_the_layout_written_here_is_that_of_the_golden_records() -> None:
    for name, every in (("tsm_r50_8f", 1), ("tsn_r50", 0)):
        record = golden("models_mmaction2")[name]["params"]
        ours = mmaction2(50, every, classes=record["cls_head.fc_cls.bias"][0])
        assert {key: tuple(shape) for key, shape in record.items()} == {
            key: shape for key, shape in ours.items() if not key.endswith("num_batches_tracked")
        }


@pytest.mark.parametrize("layout", [mmaction2, mit])
@pytest.mark.parametrize("depth, every", [(50, 1), (101, 2)])
def test_tsm(layout, depth: int, every: int) -> None:
    file = source(layout(depth, every))
    plan = recognise(file)
    assert backbone(plan) == {
        "name": "ResNetTSM",
        "depth": depth,
        "num_seg": 8,
        "shift_ratio": 0.125,
        "shift_direction": "torch",
        "shift_every": every,
        "temporal_pool": False,
    }
    assert plan.model["head"] == {"name": "TSMHead", "num_classes": 174, "in_channels": 2048}
    assert_fits(plan, ResNetTSM(depth), file)
    assert set(plan.dropped.values()) == {"a counter of training steps that no formula uses"}


@pytest.mark.parametrize("layout", [mmaction2, mit])
def test_tsn(layout) -> None:
    plan = recognise(source(layout(50, 0)))
    assert plan.model["head"]["name"] == "TSNHead" and backbone(plan) == {"name": "ResNet", "depth": 50}
    assert plan.source.endswith("TSN, ResNet-50")


def test_values_go_where_they_belong() -> None:
    file = source(mit(50, 1))
    rng = np.random.default_rng(0)
    file.arrays.update({name: rng.normal(size=array.shape).astype("f2") for name, array in file.arrays.items()})
    state = arrays.convert(file, recognise(file))
    for theirs, ours in {
        "base_model.conv1.weight": "backbone.conv._conv.weight",
        "base_model.bn1.running_var": "backbone.conv._batch_norm._variance",
        "base_model.layer1.0.conv1.net.weight": "backbone.res2a.conv0._conv.weight",
        "base_model.layer3.5.bn3.bias": "backbone.res4f.conv2._batch_norm.bias",
        "base_model.layer4.0.downsample.0.weight": "backbone.res5a.short._conv.weight",
        "base_model.layer4.0.downsample.1.running_mean": "backbone.res5a.short._batch_norm._mean",
        "new_fc.bias": "head.fc.bias",
    }.items():
        np.testing.assert_array_equal(state[ours], file.arrays[theirs].astype("f4"), err_msg=ours)
        assert state[ours].dtype == np.float32
    np.testing.assert_array_equal(state["head.fc.weight"], file.arrays["new_fc.weight"].astype("f4").T)


def test_deep_models_name_stage_3_by_numbers() -> None:
    names = recognise(source(mmaction2(101, 2))).names
    assert names["backbone.layer3.0.conv1.conv.net.weight"] == "backbone.res4a.conv0._conv.weight"
    assert names["backbone.layer3.22.conv1.conv.net.weight"] == "backbone.res4b22.conv0._conv.weight"
    assert names["backbone.layer3.21.conv1.conv.weight"] == "backbone.res4b21.conv0._conv.weight"


# --- frames, pixels, classes ------------------------------------------------------------------------------------------

TEXT = """model = dict(type='Recognizer2D', backbone=dict(type='ResNetTSM', depth=50{backbone}),
    cls_head=dict(type='TSMHead', num_segments=16, consensus=dict(type='AvgConsensus', dim=1)))
img_norm_cfg = dict(mean=[127.5, 127.5, 127.5], std=[51, 51, 51], to_bgr=False)
test_pipeline = [dict(type='SampleFrames', clip_len=1, frame_interval=1, num_clips={clips})]"""


@pytest.mark.parametrize(
    "name, text, num_seg, ratio, known, told",
    [
        ("x.pth", "", 8, 1 / 8, False, "cannot tell"),
        ("tsm_r50_1x1x16_50e_kinetics400_rgb_20200607-f731bffc.pth", "", 8, 1 / 8, True, "groups of 8"),
        ("tsm_r50_1x1x16_50e_sthv2_rgb_20210401-68d582b4.pth", "", 16, 1 / 8, True, "clips of 16"),
        ("tsm_r50_1x1x8_50e_kinetics400_rgb_20200607-af7fb746.pth", "", 8, 1 / 8, True, "clips of 8"),
        ("TSM_kinetics_RGB_resnet50_shift4_blockres_avg_segment16_e50.pth", "", 16, 1 / 4, True, "clips of 16"),
        ("x.pth", TEXT.format(backbone="", clips=16), 8, 1 / 8, True, "groups of 8"),
        ("x_1x1x8.pth", TEXT.format(backbone=", num_segments=16, shift_div=4", clips=16), 16, 1 / 4, True, "inside"),
    ],
)
def test_frames(name: str, text: str, num_seg: int, ratio: float, known: bool, told: str) -> None:
    plan = recognise(source(mmaction2(50, 1), name, text=text))
    assert (backbone(plan)["num_seg"], backbone(plan)["shift_ratio"]) == (num_seg, ratio)
    assert ("num_seg" in plan.settings) == known
    assert told in " ".join(plan.notes)
    mean, std = ([0.5] * 3, [0.2] * 3) if text else ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert plan.normalization == (mean, std)


def test_class_counts_that_mean_something() -> None:
    assert "only the first 174" in " ".join(recognise(source(mmaction2(50, 1, classes=339))).notes)
    assert "alphabetical" in " ".join(recognise(source(mit(50, 1, classes=174))).notes)
    state = {"head.fc.weight": np.arange(6).reshape(2, 3), "head.fc.bias": np.arange(3), "x": np.arange(3)}
    picked = arrays.pick_classes(state, [2, 0])
    assert picked["head.fc.weight"].tolist() == [[2, 0], [5, 3]]
    assert (picked["head.fc.bias"].tolist(), picked["x"].tolist()) == ([2, 0], [0, 1, 2])


# --- variants ---------------------------------------------------------------------------------------------------------


def with_non_local(shapes: Shapes, places: set[str], block: str, unit: str, parts: dict[str, str]) -> Shapes:
    """Wraps the blocks at `places` ("layer2.0") and adds a non-local block to each."""
    wrapped: Shapes = {}
    for name, shape in shapes.items():
        place = next((place for place in places if f".{place}." in name), None)
        wrapped[name.replace(f"{place}.", f"{place}.{block}.") if place else name] = shape
    start = next(iter(shapes)).split(".")[0]
    for place in places:
        c = 512 if place.startswith("layer2") else 1024
        for part, where in parts.items():
            shape = (c, c // 2, 1, 1, 1) if part == "out" else (c // 2, c, 1, 1, 1)
            wrapped |= {
                f"{start}.{place}.{unit}.{where}.weight": shape,
                f"{start}.{place}.{unit}.{where}.bias": shape[:1],
            }
        out = parts["out"].replace("conv_out.conv", "conv_out.bn").replace("W.0", "W.1")
        wrapped |= norm(f"{start}.{place}.{unit}.{out}", c)
    return wrapped


FLAGS = [[0, 0, 0], [1, 0, 1, 0], [1, 0, 1, 0, 1, 0], [0, 0, 0]]
PLACES = {"layer2.0", "layer2.2", "layer3.0", "layer3.2", "layer3.4"}


@pytest.mark.parametrize(
    "layout, unit, parts",
    [
        (
            mmaction2,
            "non_local_block",
            {"theta": "theta.conv", "phi": "phi.0.conv", "g": "g.0.conv", "out": "conv_out.conv"},
        ),
        (mit, "nl", {"theta": "theta", "phi": "phi.0", "g": "g.0", "out": "W.0"}),
    ],
)
def test_non_local(layout, unit: str, parts: dict[str, str]) -> None:
    file = source(with_non_local(layout(50, 1), PLACES, "block", unit, parts))
    start = next(iter(file.arrays)).split(".")[0]
    out = f"{start}.layer2.0.{unit}.{parts['out']}"
    running_mean = out.replace("conv_out.conv", "conv_out.bn").replace("W.0", "W.1") + ".running_mean"
    file.arrays[f"{out}.bias"][:] = 3
    file.arrays[running_mean][:] = 5
    plan = recognise(file)
    assert backbone(plan)["non_local"] == FLAGS
    assert backbone(plan)["non_local_mode"] == "embedded_gaussian"
    assert_fits(plan, ResNetTSM(50, non_local=FLAGS), file)
    state = arrays.convert(file, plan)
    assert set(state["backbone.res3a.non_local.conv_out._batch_norm._mean"]) == {2}  # the bias is in the mean
    assert (
        recognise(source({n: a.shape for n, a in file.arrays.items()}, text="mode='dot_product'")).model["backbone"][
            "non_local_mode"
        ]
        == "dot_product"
    )


@pytest.mark.parametrize("layout", [mmaction2, mit])
def test_temporal_pool(layout) -> None:
    file = source({name.replace(".layer2.", ".layer2.net."): shape for name, shape in layout(50, 1).items()})
    plan = recognise(file)
    assert backbone(plan)["temporal_pool"] is True
    assert_fits(plan, ResNetTSM(50, temporal_pool=True), file)


@pytest.mark.parametrize("depth, vd", [(50, False), (101, False), (50, True)])
def test_image_resnets(depth: int, vd: bool) -> None:
    file = source(torchvision(depth, vd))
    plan = recognise(file)
    assert plan.backbone_only
    assert plan.dropped["fc.weight"] == "the classifier of the image data set"
    assert plan.fits == (("ResNetTweaksTSM", "ResNetTweaksTSN") if vd else ("ResNet", "ResNetTSM"))
    from paddlevideo.registry import BACKBONES

    assert_fits(plan, BACKBONES.get(plan.fits[-1])(depth), file, prefix="")


# --- transformers -----------------------------------------------------------------------------------------------------

HUGGING_FACE = {
    "cls_token": "timesformer.embeddings.cls_token",
    "pos_embed": "timesformer.embeddings.position_embeddings",
    "time_embed": "timesformer.embeddings.time_embeddings",
    "patch_embed.proj": "timesformer.embeddings.patch_embeddings.projection",
    "blocks.N.temporal_norm1": "timesformer.encoder.layer.N.temporal_layernorm",
    "blocks.N.temporal_attn.qkv": "timesformer.encoder.layer.N.temporal_attention.attention.qkv",
    "blocks.N.temporal_attn.proj": "timesformer.encoder.layer.N.temporal_attention.output.dense",
    "blocks.N.temporal_fc": "timesformer.encoder.layer.N.temporal_dense",
    "blocks.N.norm1": "timesformer.encoder.layer.N.layernorm_before",
    "blocks.N.attn.qkv": "timesformer.encoder.layer.N.attention.attention.qkv",
    "blocks.N.attn.proj": "timesformer.encoder.layer.N.attention.output.dense",
    "blocks.N.norm2": "timesformer.encoder.layer.N.layernorm_after",
    "blocks.N.mlp.fc1": "timesformer.encoder.layer.N.intermediate.dense",
    "blocks.N.mlp.fc2": "timesformer.encoder.layer.N.output.dense",
    "norm": "timesformer.layernorm",
    "head.fc": "classifier",
}
LAYERS = "backbone.transformer_layers.layers.N."
MMACTION2 = {
    **{name: f"backbone.{name}" for name in ("cls_token", "pos_embed", "time_embed", "norm")},
    "patch_embed.proj": "backbone.patch_embed.projection",
    "blocks.N.mlp.fc1": f"{LAYERS}ffns.0.layers.0.0",
    "blocks.N.mlp.fc2": f"{LAYERS}ffns.0.layers.1",
    "head.fc": "cls_head.fc_cls",
}
MMACTION2_DIVIDED = {
    **MMACTION2,
    "blocks.N.temporal_norm1": f"{LAYERS}attentions.0.norm",
    "blocks.N.temporal_attn.qkv": f"{LAYERS}attentions.0.attn.in_proj_",
    "blocks.N.temporal_attn.proj": f"{LAYERS}attentions.0.attn.out_proj",
    "blocks.N.temporal_fc": f"{LAYERS}attentions.0.temporal_fc",
    "blocks.N.norm1": f"{LAYERS}attentions.1.norm",
    "blocks.N.attn.qkv": f"{LAYERS}attentions.1.attn.in_proj_",
    "blocks.N.attn.proj": f"{LAYERS}attentions.1.attn.out_proj",
    "blocks.N.norm2": f"{LAYERS}ffns.0.norm",
}
MMACTION2_UNDIVIDED = {
    **MMACTION2,
    "blocks.N.attn.qkv": f"{LAYERS}attentions.0.attn.in_proj_",
    "blocks.N.attn.proj": f"{LAYERS}attentions.0.attn.out_proj",
    "blocks.N.norm1": f"{LAYERS}norms.0",
    "blocks.N.norm2": f"{LAYERS}norms.1",
}


def theirs(name: str, table: dict[str, str] | None) -> str:
    """Our name of an array as the other project's; without a table facebookresearch's."""
    if table is None:
        return "model." + name.replace("head.fc.", "head.")
    number = next(iter(re.findall(r"\d+", name)), "")
    plain = name.replace(f"blocks.{number}.", "blocks.N.")
    owner = max((key for key in table if plain == key or plain.startswith(f"{key}.")), key=len)
    last = plain.removeprefix(owner).removeprefix(".")
    joint = "" if table[owner].endswith("_") or not last else "."
    return f"{table[owner].replace('.N.', f'.{number}.')}{joint}{last}"


def video_transformer(attention_type: str, table: dict[str, str] | None, classes: int = 5):
    """A small TimeSformer, and its weights as another project's file."""
    model = VisionTransformer(
        32, embed_dim=64, depth=2, num_heads=1, qkv_bias=True, num_seg=3, attention_type=attention_type
    )
    rng = np.random.default_rng(0)
    state = {name: rng.normal(size=value.shape).astype("f4") for name, value in model.state_dict().items()}
    state |= {"head.fc.weight": rng.normal(size=(64, classes)).astype("f4"), "head.fc.bias": np.ones(classes, "f4")}
    file = {theirs(name, table): value.T if value.ndim == 2 else value for name, value in state.items()}
    assert len(file) == len(state)
    return state, Source(Path("x.pth"), file, "torch")


@pytest.mark.parametrize("attention_type", ["divided_space_time", "joint_space_time", "space_only"])
@pytest.mark.parametrize("whose", ["facebookresearch", "Hugging Face", "mmaction2"])
def test_timesformer(attention_type: str, whose: str) -> None:
    undivided = MMACTION2_UNDIVIDED if attention_type != "divided_space_time" else MMACTION2_DIVIDED
    table = {"facebookresearch": None, "Hugging Face": HUGGING_FACE, "mmaction2": undivided}[whose]
    state, file = video_transformer(attention_type, table)
    plan = recognise(file)
    assert whose in plan.source
    result = arrays.convert(file, plan)
    expected = {name if name.startswith("head.") else f"backbone.{name}": value for name, value in state.items()}
    assert set(result) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(result[name], value, err_msg=name)
    assert backbone(plan) == {
        "name": "VisionTransformer",
        "img_size": 32,
        "patch_size": 16,
        "embed_dim": 64,
        "depth": 2,
        "num_heads": 1,
        "mlp_ratio": 4.0,
        "qkv_bias": True,
        "epsilon": 1e-6,
        "num_seg": 8 if attention_type == "space_only" else 3,
        "attention_type": attention_type,
    }
    pixels = {"facebookresearch": (0.45, 0.225), "Hugging Face": (0.45, 0.225), "mmaction2": (0.5, 0.5)}[whose]
    assert plan.normalization == ([pixels[0]] * 3, [pixels[1]] * 3)


def test_image_transformer() -> None:
    state, file = video_transformer("space_only", None)
    names = {name.removeprefix("model."): value for name, value in file.arrays.items()}
    image = Source(Path("x.safetensors"), names, "safetensors")
    plan = recognise(image)
    assert plan.backbone_only and set(plan.dropped) == {"head.weight", "head.bias"}
    result = arrays.convert(image, plan)
    assert set(result) == {name for name in state if not name.startswith("head.")}
    for name, value in result.items():
        np.testing.assert_array_equal(value, state[name])


def test_our_own_files_stay_as_they_are() -> None:
    state, _ = video_transformer("divided_space_time", None)
    whole = {name if name.startswith("head.") else f"backbone.{name}": value for name, value in state.items()}
    for names, only in ((whole, False), ({k: v for k, v in state.items() if "head" not in k}, True)):
        for container in ("paddle", "safetensors"):
            ours = Source(Path("x"), dict(names), container)  # type: ignore[arg-type]
            plan = recognise(ours)
            assert (plan.source, plan.backbone_only, plan.model) == ("PaddleVideo", only, None)
            result = arrays.convert(ours, plan)
            assert all(result[name] is value for name, value in names.items())


# --- what cannot be converted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes, told",
    [
        (
            {"slow_path.conv.weight": (1,), "fast_path.conv.weight": (1,)},
            "it begins with slow_path.conv.weight, fast_path",
        ),
        ({"base_model.features.0.0.weight": (32, 3, 3, 3)}, "MobileNetV2"),
        (mmaction2(50, 1) | {"backbone.conv1.conv.weight": (64, 3, 5, 7, 7)}, "three-dimensional"),
        (mmaction2(50, 1) | {"backbone.layer1.0.se.conv.weight": (1,)}, "parts that no model here has.*layer1.0.se"),
        (mit(50, 1) | {"base_model.layer1.0.se.weight": (1,)}, "parts that no model here has.*layer1.0.se"),
        (torchvision(50) | {"layer1.0.se.weight": (1,)}, "parts that no model here has.*layer1.0.se"),
        ({n.replace("1.0.conv", "1.0.net.conv"): s for n, s in mit(50, 0).items()}, "whole blocks"),
        ({n.replace("1.0.conv", "1.0.net.conv"): s for n, s in mmaction2(50, 0).items()}, "whole blocks"),
        ({n: s for n, s in mmaction2(50, 1).items() if "layer4" not in n}, r"\(3, 4, 6, 0\) blocks"),
        (torchvision(18), "ResNet-18 of PyTorch cannot be converted"),
        (mmaction2(34, 0), "ResNet-34 of PyTorch cannot be converted"),
        (
            {n.replace("layer1.0.conv1.conv.net", "layer1.0.conv1.conv"): s for n, s in mmaction2(50, 1).items()},
            "15 of 16",
        ),
        (mit(50, 1) | {"base_model.fc.weight": (174, 2048)}, "two arrays become head.fc.weight"),
    ],
)
def test_refused(shapes: Shapes, told: str) -> None:
    file = source(shapes)
    with pytest.raises(UserError, match=rf"x\.pth: .*{told}"):
        arrays.convert(file, recognise(file))


@pytest.mark.parametrize("name, told", [("model.blocks.1.attn.proj.weight", None), ("model.pos_embed", "pos_embed")])
def test_incomplete_transformers(name: str, told: str | None) -> None:
    _, file = video_transformer("divided_space_time", None)
    del file.arrays[name]
    if told:
        with pytest.raises(UserError, match=told):
            recognise(file)
    else:
        recognise(file)  # the model it is compared with shows what is missing


def test_blocks_that_are_not_numbered() -> None:
    _, file = video_transformer("divided_space_time", None)
    file.arrays["model.blocks.999999999.norm1.weight"] = np.zeros(64)
    with pytest.raises(UserError, match="3 blocks that are not numbered"):
        recognise(file)


def test_what_stands_beside_the_network_is_dropped_with_a_reason() -> None:
    file = source(mmaction2(50, 0) | {"data_preprocessor.mean": (3,), "shared.view": (2, 3)})
    dropped = recognise(file).dropped
    assert dropped["shared.view"] == dropped["data_preprocessor.mean"] == "belongs to no part of the model"
