"""TimeSformer and PP-TimeSformer: attention, drop path, embeddings, blocks, and the model around them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle.nn import functional as F
from ranks import program

from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer, VisionTransformerTweaks
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.framework.recognizer_transformer import RecognizerTransformer
from paddlevideo.modeling.framework.runtime import RuntimeConfig, ViewConfig
from paddlevideo.modeling.heads.timesformer_head import PPTimeSformerHead, TimeSformerHead
from paddlevideo.modeling.heads.tsn_head import TSNHead
from paddlevideo.modeling.layers.attention import Attention, can_fuse, fused_attention, plain_attention
from paddlevideo.modeling.layers.drop_path import DropPath
from paddlevideo.modeling.layers.embeddings import grid_weights, linear_weights, nearest_frames

KINDS = ["divided_space_time", "joint_space_time", "space_only"]


def vit(cls: Any = VisionTransformer, **changes: Any) -> Any:
    """A very small transformer whose parameters are all away from zero."""
    paddle.seed(3)
    sizes = {"img_size": 8, "patch_size": 4, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_seg": 3}
    backbone = cls(**{**sizes, **changes})
    for parameter in backbone.parameters():
        parameter.set_value(parameter + 0.3 * paddle.randn(parameter.shape))
    return backbone


def clips(*shape: int) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(0).normal(size=shape).astype("float32"))


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.5, 0.1])
def test_both_attentions_are_equal(scale: float) -> None:
    q, k, v = (clips(3, 5, 2, 4) * factor for factor in (1.0, 2.0, -1.0))
    plain = plain_attention(q, k, v, scale, 0.0, training=True)
    np.testing.assert_allclose(fused_attention(q, k, v, scale, 0.0, training=True), plain, atol=1e-5)
    by_hand = F.softmax(paddle.einsum("blhd,bmhd->bhlm", q, k) * scale, axis=-1)
    np.testing.assert_allclose(paddle.einsum("bhlm,bmhd->blhd", by_hand, v), plain, atol=1e-5)
    assert not can_fuse(q)


def test_attention_weights_are_dropped_in_training_only() -> None:
    layer = Attention(8, 2, qkv_bias=True, attn_drop=0.5)
    x = clips(2, 5, 8)
    assert not np.allclose(layer(x), layer(x))
    layer.eval()
    np.testing.assert_array_equal(layer(x), layer(x))


def test_drop_path() -> None:
    paddle.seed(1)
    layer, x = DropPath(0.25), paddle.ones([4000, 2, 3])
    y = layer(x).numpy()
    assert set(np.unique(y).tolist()) == {0.0, np.float32(1 / 0.75)}
    assert (y == y[:, :1, :1]).all()  # whole samples
    assert abs((y[:, 0, 0] > 0).mean() - 0.75) < 0.03
    layer.eval()
    np.testing.assert_array_equal(layer(x), x)
    assert [block.drop_path.rate for block in vit(depth=3, drop_path_rate=0.2).blocks] == pytest.approx([0, 0.1, 0.2])


# --- embeddings -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([0, 10, 20], 5, [0, 5, 10, 15, 20]),
        ([0, 10, 20, 60], 2, [0, 60]),
        ([0, 10, 20, 60], 3, [0, 15, 60]),
        ([7, 9], 1, [7]),
        ([7], 3, [7, 7, 7]),
        ([0, 1, 4, 9], 6, [0, 0.6, 1.6, 3.4, 6, 9]),
    ],
)
def test_linear_interpolation_keeps_the_corners(old: list[float], new: int, expected: list[float]) -> None:
    np.testing.assert_allclose(linear_weights(len(old), new) @ np.array(old, dtype=float), expected, atol=1e-12)


def test_a_grid_is_zoomed_as_scipy_does() -> None:
    grid = np.arange(12.0).reshape(3, 4) ** 2
    # scipy.ndimage.zoom(grid, (2 / 3, 5 / 4), order=1) and zoom(grid, (5 / 3, 0.5), order=1)
    shrunk = [[0, 0.75, 2.5, 5.25, 9], [64, 76.75, 90.5, 105.25, 121]]
    grown = [[0, 9], [8, 29], [16, 49], [40, 85], [64, 121]]
    np.testing.assert_allclose(grid_weights((3, 4), (2, 5)) @ grid.reshape(-1), np.ravel(shrunk))
    np.testing.assert_allclose(grid_weights((3, 4), (5, 2)) @ grid.reshape(-1), np.ravel(grown))


@settings(deadline=None, max_examples=50)
@given(old=st.tuples(st.integers(1, 9), st.integers(1, 9)), new=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_grid_weights(old: tuple[int, int], new: tuple[int, int]) -> None:
    weights = grid_weights(old, new)
    assert weights.shape == (new[0] * new[1], old[0] * old[1])
    assert weights.min() >= 0
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_array_equal(weights[0], np.eye(len(weights[0]))[0])
    if min(new) > 1:
        np.testing.assert_allclose(weights[-1], np.eye(len(weights[0]))[-1], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [(2, 4, [0, 0, 1, 1]), (4, 2, [0, 2]), (8, 3, [0, 2, 5]), (3, 8, [0, 0, 0, 1, 1, 1, 2, 2]), (1, 2, [0, 0])],
)
def test_times_take_the_nearest(old: int, new: int, expected: list[int]) -> None:
    assert nearest_frames(old, new).tolist() == expected


# --- the backbone -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 8, 8), (5, 8, 12), (1, 12, 4), (2, 16, 16)])
def test_any_frames_and_any_size(kind: str, shape: tuple[int, int, int]) -> None:
    """What forward interpolates is what a model of that size has after loading."""
    backbone = vit(attention_type=kind)
    resized = vit(attention_type=kind, img_size=list(shape[1:]), num_seg=shape[0])
    state = {name: value.numpy() for name, value in backbone.state_dict().items()}
    state, _ = resized.adapt_embeddings(state)
    for name, value in resized.state_dict().items():
        value.set_value(state[name])
    backbone.eval(), resized.eval()
    x = clips(2, 3, *shape)
    y = backbone(x)
    assert y.shape == [2, 8]
    np.testing.assert_allclose(y, resized(x), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_which_parameters_there_are(kind: str) -> None:
    names = {name.split(".", 2)[-1].rpartition(".")[0] for name in vit(attention_type=kind).state_dict()}
    divided = {"temporal_attn.qkv", "temporal_attn.proj", "temporal_norm1", "temporal_fc"}
    assert {name for name in names if "temporal" in name} == (divided if kind == "divided_space_time" else set())
    assert ("time_embed" in vit(attention_type=kind).state_dict()) == (kind != "space_only")
    assert "blocks.0.attn.qkv.bias" not in vit(qkv_bias=False).state_dict()
    assert "blocks.0.attn.qkv.bias" in vit(qkv_bias=True).state_dict()


def test_what_the_kinds_of_attention_see() -> None:
    """space_only is blind to the order of the frames, the others are not; divided at its start sees single frames."""
    x = clips(1, 3, 3, 8, 8)
    for kind in KINDS:
        backbone = vit(attention_type=kind)
        backbone.eval()
        same = np.allclose(backbone(x), backbone(x[:, :, ::-1]), atol=1e-5)
        assert same == (kind == "space_only")
    still, image = vit(depth=1), vit(attention_type="space_only", depth=1)
    state = still.state_dict()
    for name in ("time_embed", "blocks.0.temporal_fc.weight", "blocks.0.temporal_fc.bias"):
        state[name].set_value(paddle.zeros(state[name].shape))
    for name, value in image.state_dict().items():
        value.set_value(state[name])
    still.eval(), image.eval()
    frame = x[:, :, :1]
    np.testing.assert_allclose(still(frame.tile([1, 1, 3, 1, 1])), image(frame), atol=1e-5)


def test_initial_values() -> None:
    paddle.seed(0)
    backbone = VisionTransformer(32, 16, embed_dim=64, depth=2, num_heads=2, num_seg=4)
    for name, value in backbone.state_dict().items():
        values = value.numpy()
        if "temporal_fc" in name or name == "time_embed" or (name.endswith("bias") and "norm" not in name):
            assert not values.any(), name
        elif "norm" in name:
            assert (values == (1 if name.endswith("weight") else 0)).all()
        elif values.size > 1000 and "patch_embed" not in name:
            assert abs(values.std() - 0.02) < 0.004 and abs(values.mean()) < 0.002, name
    assert abs(backbone.patch_embed.proj.weight.std().item() - (2 / (16 * 16 * 3)) ** 0.5) < 0.005


def test_what_decays() -> None:
    def free(layer: Any) -> set[str]:
        named = {name: parameter.regularizer for name, parameter in layer.named_parameters()}
        return {name for name, regularizer in named.items() if regularizer is not None and regularizer._coeff == 0}

    assert free(vit()) == set() and free(TimeSformerHead(5, 8)) == set()
    assert free(vit(VisionTransformerTweaks)) == {"cls_token", "pos_embed", "time_embed"}
    assert free(PPTimeSformerHead(5, 8)) == {"fc.bias"}


@pytest.mark.parametrize("kind", KINDS)
def test_recompute_changes_no_gradient(kind: str) -> None:
    rates = {"drop_rate": 0.2, "attn_drop_rate": 0.2, "drop_path_rate": 0.4}
    results = []
    for recompute in (False, True):
        backbone = vit(attention_type=kind, qkv_bias=True, recompute=recompute, **rates)
        backbone.train()
        paddle.seed(11)
        loss = (backbone(clips(4, 3, 3, 8, 8)) * clips(4, 8)).sum()
        loss.backward()
        results.append((loss.item(), {name: p.grad.numpy() for name, p in backbone.named_parameters()}))
    (plain_loss, plain), (loss, gradients) = results
    assert loss == pytest.approx(plain_loss, abs=1e-6)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, plain[name], atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"img_size": 10}, r"img_size=\[10, 10\] is not \[height, width\] in multiples of patch_size=4"),
        ({"img_size": [8, 9]}, "img_size="),
        ({"img_size": [8]}, "img_size="),
        ({"num_heads": 3}, "embed_dim=8 is not a multiple of num_heads=3"),
        ({"depth": 0}, "depth=0 must be 1 or more"),
        ({"num_seg": 0}, "num_seg=0"),
        ({"drop_path_rate": 1.0}, "drop_path_rate=1.0 is outside"),
    ],
)
def test_bad_values(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vit(**changes)


# --- the whole model --------------------------------------------------------------------------------------------------


def recognizer(avg_type: str = "score", **changes: Any) -> RecognizerTransformer:
    paddle.seed(5)
    head = TimeSformerHead(5, 8, std=0.5)
    runtime = RuntimeConfig(ViewConfig(changes.pop("view", None), avg_type))
    model = RecognizerTransformer(vit(**changes), head, runtime)
    model.eval()
    return model


def test_views_are_slices_of_time_and_averaged() -> None:
    x = clips(2, 3, 6, 8, 8)
    model = recognizer()
    logits = np.stack([model({"imgs": x[:, :, i : i + 3]}).numpy() for i in (0, 3)])
    softmax = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(model.scores(x), logits.mean(axis=0), atol=1e-5)
    assert model.score_kind == "logits"
    model = recognizer("prob")
    np.testing.assert_allclose(model.scores(x), softmax.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(model.predict(x), softmax.mean(axis=0), atol=1e-6)  # no second softmax
    assert model.score_kind == "probabilities"


def test_views_longer_than_the_training_clips() -> None:
    model = recognizer(view=6)
    x = clips(1, 3, 6, 8, 8)
    np.testing.assert_allclose(model.scores(x), model({"imgs": x}), atol=1e-6)
    clip = x[:, :, :3]  # of training, in validation
    np.testing.assert_allclose(model.scores(clip), model({"imgs": clip}), atol=1e-6)
    for shape, views in (([1, 3, 3, 8, 8], 1), ([1, 3, 6, 8, 8], 1), ([1, 3, 18, 8, 8], 3), ([1, 3, 12, 8, 8], None)):
        model.check_frames(shape, views)
    with pytest.raises(ValueError, match="gives 3 x 3 frames a video; the model takes views of 6"):
        model.check_frames([1, 3, 9, 8, 8], 3)
    with pytest.raises(ValueError, match="gives 1 x 3 frames a video; the model takes views of 2"):
        recognizer(view=2).check_frames([1, 3, 3, 8, 8], 1)


@pytest.mark.parametrize(
    ("shape", "views", "message"),
    [
        ([1, 3, 9, 8, 8], 3, None),
        ([1, 3, 9, 8, 8], None, None),
        ([1, 3, 3, 12, 8], 1, None),
        ([1, 3, 9, 8, 8], 1, r"the pipeline gives 1 x 9 frames a video; the model takes views of 3 frames"),
        ([1, 3, 24, 8, 8], 3, r"3 x 8 frames a video; the model takes views of 3"),
        ([1, 3, 8, 8, 8], None, r"8 frames a video do not divide into the model's views of 3 frames"),
        ([1, 3, 3, 8, 10], 1, r"frames of 10x8 pixels do not divide into the model's patches of 4"),
        ([1, 3, 3, 8], 1, r"the model takes \[N, 3, T, H, W\]"),
        ([1, 8, 3, 8, 8], 1, r"data_format: cthw"),
    ],
)
def test_check_frames(shape: list[int], views: int | None, message: str | None) -> None:
    if message is None:
        recognizer().check_frames(shape, views)
    else:
        with pytest.raises(ValueError, match=message):
            recognizer().check_frames(shape, views)


def test_parts_of_other_models_are_refused() -> None:
    with pytest.raises(ValueError, match=r"head.in_channels=9, but VisionTransformer gives 8"):
        RecognizerTransformer(vit(), TimeSformerHead(5, 9))
    with pytest.raises(ValueError, match="joins a VisionTransformer and its head, not ResNet and TSNHead"):
        RecognizerTransformer(ResNet(18), TSNHead(5, 512))
    with pytest.raises(ValueError, match="VisionTransformer takes whole clips; use framework: RecognizerTransformer"):
        Recognizer2D(vit(), TSNHead(5, 8))
    with pytest.raises(ValueError, match="num_seg=0"):
        ViewConfig(0)


def test_label_smoothing_of_the_head() -> None:
    head = PPTimeSformerHead(4, 8, ls_eps=0.1)
    logits = paddle.to_tensor([[2.0, 0.0, 0.0, 0.0]])
    chances = F.log_softmax(logits)[0].numpy()
    target = np.array([0.925, 0.025, 0.025, 0.025])
    assert head.loss(logits, paddle.to_tensor([0])).item() == pytest.approx(-(chances * target).sum(), abs=1e-5)
    head.eval()
    assert head.loss(logits, paddle.to_tensor([0])).item() == pytest.approx(-chances[0], abs=1e-5)


# --- two processes ----------------------------------------------------------------------------------------------------

TWO_RANKS = """
import numpy as np, paddle
from test_transformers import clips, vit
paddle.distributed.init_parallel_env()
gradients = []
for recompute in (False, True):
    backbone = vit(recompute=recompute, drop_path_rate=0.4)
    parallel = paddle.DataParallel(backbone)
    paddle.seed(11 + paddle.distributed.get_rank())
    parallel(clips(4, 3, 3, 8, 8)).sum().backward()
    gradients.append(np.concatenate([p.grad.numpy().ravel() for p in backbone.parameters()]))
np.testing.assert_allclose(gradients[1], gradients[0], atol=1e-5)
print("ranks agree")
"""


def test_recompute_on_two_processes(tmp_path: Path) -> None:
    """Paddle's usual way of recomputing ends DataParallel's backward pass in an error."""
    script = tmp_path / "two.py"
    here = Path(__file__).parent
    path = f"import sys\nsys.path += [{str(here)!r}, {str(here.parent)!r}]\n"
    script.write_text(f"{path}from paddlevideo.utils import environment\nenvironment.prepare()\n{TWO_RANKS}")
    assert "ranks agree" in program(2, tmp_path / "log", script)
