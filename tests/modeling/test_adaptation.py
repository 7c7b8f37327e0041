"""Weights of image models, of other grids and of other lengths for the transformers; files of other models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.framework.recognizer_transformer import RecognizerTransformer
from paddlevideo.modeling.heads.timesformer_head import TimeSformerHead
from paddlevideo.modeling.heads.tsn_head import TSNHead
from paddlevideo.modeling.kinds import describe
from paddlevideo.modeling.weights import load_pretrained, load_weights, state_arrays
from paddlevideo.utils.errors import UserError

State = dict[str, np.ndarray]


def backbone(**changes: Any) -> VisionTransformer:
    sizes = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_seg": 4}
    return VisionTransformer(**{**sizes, **changes})


def model(num_classes: int = 5, **changes: Any) -> RecognizerTransformer:
    return RecognizerTransformer(backbone(**changes), TimeSformerHead(num_classes, 8))


def filled(layer: paddle.nn.Layer, seed: int = 0) -> State:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=value.shape).astype("float32") for name, value in state_arrays(layer).items()}


def image_weights(**changes: Any) -> State:
    """What an image transformer's file holds, head and all."""
    state = filled(backbone(attention_type="space_only", **changes))
    return {**state, "head.weight": np.zeros((8, 1000), "float32"), "head.bias": np.zeros(1000, "float32")}


def write(path: Path, state: State) -> Path:
    paddle.save(state, str(path))
    return path


def test_image_weights_become_a_timesformer(tmp_path: Path) -> None:
    state, target = image_weights(), backbone()
    path = write(tmp_path / "vit.pdparams", state)
    assert load_pretrained(target, path) == [
        f"loaded 43 arrays from {path}",
        "temporal attention and norm copied from the spatial ones (10 arrays)",
        "temporal_fc and time_embed keep their initialisation (5 arrays), the file has none",
        f"left out of {path}: head.weight, head.bias",
    ]
    own = state_arrays(target)
    for i in range(2):
        for part in ("qkv.weight", "proj.weight", "proj.bias"):
            np.testing.assert_array_equal(own[f"blocks.{i}.temporal_attn.{part}"], state[f"blocks.{i}.attn.{part}"])
        np.testing.assert_array_equal(own[f"blocks.{i}.temporal_norm1.bias"], state[f"blocks.{i}.norm1.bias"])
        assert not own[f"blocks.{i}.temporal_fc.weight"].any()
    assert not own["time_embed"].any()
    for name, value in state.items():
        if not name.startswith("head."):
            np.testing.assert_array_equal(own[name], value)


def test_a_video_of_one_frame_repeated_is_classified_as_the_image(tmp_path: Path) -> None:
    path, image = write(tmp_path / "vit.pdparams", image_weights()), backbone(attention_type="space_only")
    frame = paddle.to_tensor(np.random.default_rng(1).normal(size=(2, 3, 1, 8, 8)).astype("float32"))
    load_pretrained(image, path)
    image.eval()
    for kind in ("divided_space_time", "space_only"):
        video = backbone(attention_type=kind)
        load_pretrained(video, path)
        video.eval()
        np.testing.assert_allclose(video(frame.tile([1, 1, 4, 1, 1])), image(frame), atol=1e-5)


def test_a_larger_grid_is_zoomed_with_its_corners_in_place(tmp_path: Path) -> None:
    state, target = image_weights(), backbone(img_size=[12, 20])
    lines = load_pretrained(target, write(tmp_path / "vit.pdparams", state))
    assert lines[1] == "position embeddings of 2x2 patches interpolated for 3x5"
    old, new = state["pos_embed"][0], target.pos_embed.numpy()[0]
    np.testing.assert_array_equal(new[0], old[0])  # the class token's
    grid = new[1:].reshape(3, 5, 8)
    np.testing.assert_allclose(grid[[0, 0, 2, 2], [0, 4, 0, 4]], old[1:], atol=1e-6)
    np.testing.assert_allclose(grid[1, 2], old[1:].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(grid[0, 1], 0.75 * old[1] + 0.25 * old[2], atol=1e-6)


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_a_whole_timesformer_as_pretrained(tmp_path: Path, prefix: str) -> None:
    source, target = filled(backbone()), backbone(num_seg=6)
    state = {**{prefix + name: value for name, value in source.items()}, "head.fc.bias": np.zeros(400, "float32")}
    path = write(tmp_path / "k400.pdparams", state)
    assert load_pretrained(target, path) == [
        f"loaded {len(source)} arrays from {path}",
        "time embeddings of 4 frames spread over 6, by the nearest",
        f"left out of {path}: head.fc.bias",
    ]
    own = state_arrays(target)
    np.testing.assert_array_equal(own["time_embed"], source["time_embed"][:, [0, 0, 1, 2, 2, 3]])
    np.testing.assert_array_equal(own["blocks.1.temporal_fc.weight"], source["blocks.1.temporal_fc.weight"])


def test_a_checkpoint_of_another_length_and_size_is_loaded_aloud(tmp_path: Path) -> None:
    state, target = filled(model()), model(num_seg=8, img_size=16)
    path = write(tmp_path / "k400.pdparams", state)
    assert load_weights(target, path) == [
        f"loaded {len(state)} arrays from {path}",
        "position embeddings of 2x2 patches interpolated for 4x4",
        "time embeddings of 4 frames spread over 8, by the nearest",
    ]
    np.testing.assert_array_equal(
        target.backbone.time_embed.numpy(), np.repeat(state["backbone.time_embed"], 2, axis=1)
    )


def test_nothing_else_is_excused(tmp_path: Path) -> None:
    state = filled(model())
    lacking = {name: value for name, value in state.items() if name != "backbone.blocks.1.temporal_fc.bias"}
    with pytest.raises(UserError, match=r"1 differences: missing: backbone.blocks.1.temporal_fc.bias"):
        load_weights(model(), write(tmp_path / "x.pdparams", lacking))
    with pytest.raises(UserError, match=r"missing: blocks.1.temporal_fc.bias"):
        load_pretrained(backbone(), tmp_path / "x.pdparams")
    state = image_weights()
    del state["blocks.0.attn.qkv.weight"]
    with pytest.raises(UserError, match=r"missing: blocks.0.attn.qkv.weight; missing: blocks.0.temporal_attn.qkv"):
        load_pretrained(backbone(), write(tmp_path / "y.pdparams", state))
    with pytest.raises(UserError, match=r"unexpected: blocks.0.attn.qkv.bias"):
        load_pretrained(backbone(), write(tmp_path / "z.pdparams", image_weights(qkv_bias=True)))
    oblong = filled(backbone(img_size=[8, 12]))
    with pytest.raises(UserError, match=r"pos_embed is \[1, 7, 8\] in the file, \[1, 5, 8\] in the model"):
        load_pretrained(backbone(), write(tmp_path / "o.pdparams", oblong))
    load_pretrained(backbone(img_size=[8, 12]), tmp_path / "o.pdparams")


@settings(deadline=None, max_examples=40)
@given(
    side=st.integers(1, 6),
    grid=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    frames=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    dtype=st.sampled_from(["float16", "float32", "float64"]),
)
def test_embeddings_always_fit(side: int, grid: tuple[int, int], frames: tuple[int, int], dtype: str) -> None:
    target = backbone(img_size=[4 * grid[0], 4 * grid[1]], num_seg=frames[1], depth=1)
    rng = np.random.default_rng(0)
    state = {
        "pos_embed": rng.uniform(size=(1, 1 + side * side, 8)).astype(dtype),
        "time_embed": rng.uniform(size=(1, frames[0], 8)).astype(dtype),
    }
    adapted, _ = target.adapt_embeddings(state)
    for name, value in adapted.items():
        assert list(value.shape) == list(target.state_dict()[name].shape)
        assert value.dtype == dtype
        assert state[name].min() - 1e-3 <= value.min() and value.max() <= state[name].max() + 1e-3
    np.testing.assert_array_equal(adapted["pos_embed"][:, :2], state["pos_embed"][:, :2])


@settings(deadline=None, max_examples=40)
@given(shapes=st.tuples(*[st.lists(st.integers(0, 5), max_size=4)] * 2))
def test_odd_shapes_are_an_error_like_any_other(tmp_path_factory, shapes: tuple[list[int], list[int]]) -> None:
    state = filled(model())
    target, before = model(), state["backbone.cls_token"]
    state["backbone.pos_embed"], state["backbone.time_embed"] = (np.zeros(shape, "float32") for shape in shapes)
    path = write(tmp_path_factory.mktemp("odd") / "x.pdparams", state)
    try:
        load_weights(target, path)
        np.testing.assert_array_equal(target.backbone.cls_token.numpy(), before)
    except UserError as error:
        assert "_embed is [" in str(error) and "\n" not in str(error)


# --- files of other models --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["conv._conv.weight", "res2a.conv0._conv.weight", "res2b.conv0._conv.weight"], "a ResNet-6 (tsn, tsm)"),
        (["backbone.res2a.conv2._conv.weight", "backbone.res4b22.conv2.x"], "a ResNet-8 (tsn, tsm)"),
        (["conv1_1._conv.weight", "bb_0_0.conv2._conv.weight"], "a ResNet-vd-5 (pptsn, pptsm)"),
        (["blocks.0.attn.qkv.weight", "blocks.1.norm1.bias"], "a transformer of 2 blocks without temporal attention"),
        (["blocks.0.temporal_attn.qkv.weight"], "a transformer of 1 blocks (pptimesformer)"),
        (["backbone.blocks.0.temporal_attn.qkv.bias"], "a transformer of 1 blocks (timesformer)"),
        (["layer1.0.conv1.weight", "bn1.running_mean"], "weights of a PyTorch model"),
        (["backbone.layer1.0.conv1.conv.net.weight"], "weights of a PyTorch model"),
        (["model.blocks.0.attn.qkv.weight"], "weights of a PyTorch model"),
        (["conv.weight"], "a network of another kind"),
    ],
)
def test_what_arrays_look_like(names: list[str], expected: str) -> None:
    assert describe(dict.fromkeys(names)) == expected


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_depths_of_real_networks(depth: Any) -> None:
    net = Recognizer2D(ResNet(depth), TSNHead(7, 512 if depth < 50 else 2048))
    assert describe(net.state_dict()) == f"a ResNet-{depth} (tsn, tsm) with 7 classes"


def test_both_sides_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pdparams", filled(model(depth=3)))
    torch = {"layer1.0.conv1.weight": np.zeros(1, "float32"), "fc.bias": np.zeros(1, "float32")}
    write(tmp_path / "torch.pdparams", torch)
    with pytest.raises(UserError, match=r"looks like a transformer of 3 blocks.* model is a transformer of 2 blocks"):
        load_pretrained(backbone(), path)
    with pytest.raises(UserError, match=r"of 3 blocks \(pptimesformer\) with 5 classes.* 6 classes\), .*head.fc.bias"):
        load_weights(model(6, depth=3), path)
    with pytest.raises(UserError, match=r"this model, a ResNet-18 \(tsn, tsm\); the file looks like a transformer"):
        load_pretrained(ResNet(18), path)
    with pytest.raises(UserError, match=r"none of its 1 arrays.*PyTorch.*convert them first: paddlevideo convert$"):
        load_pretrained(backbone(), tmp_path / "torch.pdparams")
    timm = {name: value.T if value.ndim == 2 else value for name, value in image_weights().items()}
    with pytest.raises(UserError, match=r"qkv.weight is \[24, 8\] in the file, .*these are PyTorch's weights, convert"):
        load_pretrained(backbone(), write(tmp_path / "timm.pdparams", timm))
