"""Every backbone for single frames: builds twice, runs, learns, and does not care for the axis order."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import paddle
import pytest
from paddle.regularizer import L2Decay

import paddlevideo.modeling  # noqa: F401  (fills the tables)
from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM
from paddlevideo.modeling.backbones.resnet_tweaks import ResNetTweaksTSM, ResNetTweaksTSN
from paddlevideo.modeling.layers.conv_bn import ConvBN
from paddlevideo.registry import BACKBONES

SMALLEST: dict[str, dict[str, Any]] = {
    "ResNet": {"depth": 18},
    "ResNetTSM": {"depth": 18, "num_seg": 2},
    "ResNetTweaksTSM": {"depth": 18, "num_seg": 2},
    "ResNetTweaksTSN": {"layers": 18},
    "ConvNet": {"num_seg": 2},
}
FOR_FRAMES = [name for name in BACKBONES if not name.startswith("VisionTransformer")]
NON_LOCAL = [[0, 0], [1, 0], [0, 1], [0, 0]]


def smallest(name: str, **more: Any) -> paddle.nn.Layer:
    return BACKBONES.get(name)(**{**SMALLEST[name], **more})


def frames(*shape: int) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(1).normal(size=shape).astype("float32"))


@pytest.mark.parametrize("name", FOR_FRAMES)
def test_two_in_one_process_forward_and_backward(name: str) -> None:
    first, second = smallest(name), smallest(name)
    second.set_state_dict(first.state_dict())
    x = frames(4, 3, 45, 53)
    for model in (first, second):
        model.train()
        model(x).square().mean().backward()
    for (key, a), (_, b) in zip(first.named_parameters(), second.named_parameters()):
        if not a.stop_gradient:
            assert a.grad is not None and float(a.grad.abs().max()) > 0, key
            np.testing.assert_array_equal(a.grad.numpy(), b.grad.numpy(), err_msg=key)


@pytest.mark.parametrize(
    ("name", "more"),
    [(name, {}) for name in FOR_FRAMES if "data_format" in inspect.signature(BACKBONES.get(name)).parameters]
    + [
        ("ResNetTSM", {"num_seg": 4, "temporal_pool": True, "non_local": NON_LOCAL}),
        ("ResNetTSM", {"depth": 50, "shift_direction": "torch", "shift_ratio": 0.3}),
        ("ResNetTweaksTSM", {"depth": 50}),
        ("ResNetTweaksTSN", {"layers": 50}),
    ],
)
def test_channels_last_gives_the_same(name: str, more: dict[str, Any]) -> None:
    first, last = smallest(name, **more), smallest(name, data_format="NHWC", **more)
    last.set_state_dict(first.state_dict())
    x = frames(4, 3, 40, 65)  # sizes 10x17, 5x9, 3x5 and 2x3 in the stages
    with paddle.no_grad():
        expected = first.eval()(x)
        got = last.eval()(x.transpose([0, 2, 3, 1]))
    np.testing.assert_allclose(got.transpose([0, 3, 1, 2]).numpy(), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("depth", "entries", "channels"),
    [(18, 105, 512), (34, 185, 512), (50, 265, 2048), (101, 520, 2048), (152, 775, 2048), (200, 1015, 2048)],
)
def test_every_depth(depth: int, entries: int, channels: int) -> None:
    model = ResNetTSM(depth, num_seg=2).eval()
    assert len(model.state_dict()) == entries
    with paddle.no_grad():
        assert model(frames(2, 3, 32, 32)).shape == [2, channels, 1, 1]


TWEAKS_SIZES = {
    18: (115, 11_209_824),
    34: (195, 21_325_408),
    50: (275, 23_580_512),
    101: (530, 42_624_864),
    152: (785, 58_314_592),
    200: (1025, 72_884_064),
}


@pytest.mark.parametrize("depth", list(TWEAKS_SIZES))
def test_every_depth_of_the_tweaked_ones(depth: int) -> None:
    for model in (ResNetTweaksTSM(depth, num_seg=2), ResNetTweaksTSN(depth)):
        state = model.state_dict()
        assert (len(state), sum(value.size for value in state.values())) == TWEAKS_SIZES[depth]
        assert model.out_channels == (512 if depth < 50 else 2048)
        with paddle.no_grad():
            assert model.eval()(frames(2, 3, 32, 32)).shape == [2, model.out_channels, 1, 1]


def names(model: paddle.nn.Layer) -> list[str]:
    return [name for stage in model.stages for name in stage]


def test_block_names() -> None:
    deep = names(ResNet(101))
    assert deep[:9] == ["res2a", "res2b", "res2c", "res3a", "res3b", "res3c", "res3d", "res4a", "res4b1"]
    assert deep[-4:] == ["res4b22", "res5a", "res5b", "res5c"]
    assert ResNetTSM(50).stages[2] == [f"res4{c}" for c in "abcdef"]
    assert names(ResNetTweaksTSM(18)) == ["res2a", "res2b", "res3a", "res3b", "res4a", "res4b", "res5a", "res5b"]
    assert names(ResNetTweaksTSN(18)) == [f"bb_{stage}_{i}" for stage in range(4) for i in range(2)]
    assert ResNetTweaksTSM(101).stages[2] == [f"bb_2_{i}" for i in range(23)]


def test_sizes_of_r50() -> None:
    for model in (ResNet(50), ResNetTSM(50)):
        assert sum(int(np.prod(value.shape)) for value in model.state_dict().values()) == 23_561_152


@pytest.mark.parametrize(
    ("model", "averaged"),
    [
        (ResNet(50), [False] * 4),
        (ResNetTweaksTSM(18), [False] * 4),
        (ResNetTweaksTSM(50), [False, True, True, True]),
        (ResNetTweaksTSN(18), [False, True, True, True]),
        (ResNetTweaksTSN(50), [False, True, True, True]),
    ],
    ids=["plain", "TSM basic", "TSM bottleneck", "TSN basic", "TSN bottleneck"],
)
def test_which_short_cuts_average(model: paddle.nn.Layer, averaged: list[bool]) -> None:
    shorts = [getattr(model, stage[0]).short for stage in model.stages]
    assert [short.averaged for short in shorts] == averaged
    strides = [1 if averages or stage == 0 else 2 for stage, averages in enumerate(averaged)]
    assert [short._conv._stride[0] for short in shorts] == strides


@pytest.mark.parametrize("data_format", ["NCHW", "NHWC"])
def test_an_averaged_short_cut_takes_what_there_is_at_the_edge(data_format: str) -> None:
    unit = ConvBN(1, 1, 1, 2, averaged=True, data_format=data_format).eval()
    unit._conv.weight.set_value(np.ones([1, 1, 1, 1], "float32"))
    image = np.arange(9, dtype="float32").reshape(3, 3)
    y = unit(paddle.to_tensor(image.reshape([1, 1, 3, 3] if data_format == "NCHW" else [1, 3, 3, 1])))
    np.testing.assert_allclose(y.numpy().ravel(), [2, 3.5, 6.5, 8], rtol=1e-4)


def test_which_blocks_shift() -> None:
    for model in (ResNetTSM(34, shift_every=2), ResNetTweaksTSM(34, shift_every=2)):
        shifted = [
            (s, i) for s, stage in enumerate(model.stages) for i, n in enumerate(stage) if getattr(model, n).shift
        ]
        assert shifted == [(0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2), (2, 4), (3, 0), (3, 2)]
    for model in (ResNetTSM(18), ResNetTweaksTSM(18)):
        assert all(getattr(model, name).shift is not None for name in names(model))
    for build in (ResNetTSM, ResNetTweaksTSM):
        for shift in (build(18, num_seg=16).res2a.shift, build(18, num_seg=16).res5b.shift):
            assert (shift.num_seg, shift.shift_ratio, shift.shift_direction) == (16, 1 / 16, "paddle")
        shift = build(18, 16, shift_ratio=0.125, shift_direction="torch").res3a.shift
        assert (shift.num_seg, shift.shift_ratio, shift.shift_direction) == (16, 0.125, "torch")


@pytest.mark.parametrize("build", [ResNetTweaksTSM, ResNetTweaksTSN])
@pytest.mark.parametrize(("activation", "slope"), [("leaky_relu", 0.01), ("relu", 0.0)])
def test_activation(activation: str, slope: float, build) -> None:
    model = build(50, activation=activation)
    for layer in [model, *(getattr(model, name) for name in names(model))]:
        np.testing.assert_allclose(layer.activation(paddle.to_tensor([-1.0, 2.0])).numpy(), [-slope, 2])
    with paddle.no_grad():
        assert (model.eval()(frames(8, 3, 32, 32)).min().item() < 0) == (slope > 0)


@pytest.mark.parametrize("build", [ResNetTweaksTSM, ResNetTweaksTSN])
def test_learning_rate_multipliers(build) -> None:
    model = build(18, lr_mult_list=(0.1, 0.2, 0.3, 0.4, 0.5))
    wanted = dict.fromkeys(["conv1_1", "conv1_2", "conv1_3"], 0.1)
    wanted |= {name: 0.2 + 0.1 * stage for stage, stage_names in enumerate(model.stages) for name in stage_names}
    for name, parameter in model.named_parameters():
        rate = parameter.optimize_attr["learning_rate"]
        assert parameter.stop_gradient or rate == pytest.approx(wanted[name.split(".")[0]]), name


def test_temporal_pool_halves_the_frames_after_the_first_stage() -> None:
    for model in (ResNetTSM(18, 8, temporal_pool=True), ResNetTweaksTSM(18, 8, temporal_pool=True)):
        segments = [[getattr(model, name).shift.num_seg for name in stage] for stage in model.stages]
        assert segments == [[8, 8], [4, 4], [4, 4], [4, 4]]
        assert model.res3a.shift.shift_ratio == 1 / 8
        assert (model.num_seg, model.frame_stride) == (8, 2)
        with paddle.no_grad():
            assert model.eval()(frames(16, 3, 32, 32)).shape == [8, 512, 1, 1]
    assert ResNetTSM(18).frame_stride == 1


def test_non_local_blocks_follow_the_blocks_named() -> None:
    model = ResNetTSM(18, 4, non_local=NON_LOCAL, temporal_pool=True)
    assert [name for name in names(model) if getattr(model, name).non_local is not None] == ["res3a", "res4b"]
    assert model.res3a.non_local.num_seg == 2
    assert list(model.res3a.state_dict())[-11:] == [
        *(f"non_local.{part}.{kind}" for part in ("g", "theta", "phi") for kind in ("weight", "bias")),
        "non_local.conv_out._conv.weight",
        *(f"non_local.conv_out._batch_norm.{kind}" for kind in ("weight", "bias", "_mean", "_variance")),
    ]
    plain = ResNetTSM(18, 4, temporal_pool=True)
    x = frames(4, 3, 64, 64)
    plain.set_state_dict({key: value for key, value in model.state_dict().items() if "non_local" not in key})
    with paddle.no_grad():  # an untrained non-local block changes nothing
        np.testing.assert_array_equal(model.eval()(x).numpy(), plain.eval()(x).numpy())
        model.res4b.non_local.conv_out._batch_norm.weight.set_value(np.ones(256, "float32"))
        assert (model(x) - plain(x)).abs().max().item() > 1e-3


def test_all_but_tsn_pin_the_decay_of_batch_norm() -> None:
    models = [(ResNet(18), False), (ResNetTSM(18), True), (ResNetTweaksTSM(18), True), (ResNetTweaksTSN(18), True)]
    for model, pinned in models:
        for key, param in model.named_parameters():
            if not param.stop_gradient:
                expected = pinned and "_batch_norm" in key
                assert isinstance(param.regularizer, L2Decay) == expected, key


def test_he_initialisation() -> None:
    weight = ResNet(18).res5b.conv1._conv.weight
    assert float(weight.std()) == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("model", [ResNetTSM(18, num_seg=4), ResNetTweaksTSM(18, num_seg=4), ConvNet(num_seg=4)])
def test_shift_makes_frames_look_at_each_other(model: paddle.nn.Layer) -> None:
    model.eval()
    x = frames(8, 3, 32, 32)
    changed = x.clone()
    changed[0] = 0
    with paddle.no_grad():
        differs = (model(x) - model(changed)).abs().max(axis=[1, 2, 3]).numpy() > 0
    assert differs.tolist() == [True] * 4 + [False] * 4  # the other clip sees nothing of it


@pytest.mark.parametrize("model", [ResNet(18), ResNetTweaksTSN(18), ConvNet(shift_ratio=0)])
def test_without_shift_frames_are_alone(model: paddle.nn.Layer) -> None:
    model.eval()
    x = frames(3, 3, 32, 32)
    changed = x.clone()
    changed[0] = 0
    with paddle.no_grad():
        differs = (model(x) - model(changed)).abs().max(axis=[1, 2, 3]).numpy() > 0
    assert differs.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: ResNet(20), "depth=20"),
        (lambda: ResNet(18, data_format="CHWN"), "CHWN"),
        (lambda: ResNetTSM(18, num_seg=1), "num_seg=1"),
        (lambda: ResNetTSM(18, shift_ratio=0.7), "0.7"),
        (lambda: ResNetTSM(18, shift_every=0), "shift_every=0"),
        (lambda: ResNetTSM(18, num_seg=5, temporal_pool=True), "num_seg=5.*even"),
        (lambda: ResNetTSM(18, num_seg=2, temporal_pool=True), "num_seg=2.*2 frames after temporal_pool"),
        (lambda: ResNetTSM(18, non_local=[[0, 0], [1, 0], [1], [0, 0]]), r"four lists of \[2, 2, 2, 2\]"),
        (lambda: ResNetTSM(18, non_local=[[0, 0], [2, 0], [1, 0], [0, 0]]), "zeros and ones"),
        (lambda: ResNetTSM(18, non_local=NON_LOCAL, non_local_mode="concatenation"), "concatenation"),
        (lambda: ResNetTweaksTSM(20), "depth=20"),
        (lambda: ResNetTweaksTSM(18, num_seg=1), "num_seg=1"),
        (lambda: ResNetTweaksTSM(18, activation="gelu"), "gelu"),
        (lambda: ResNetTweaksTSM(18, lr_mult_list=(1.0, 1.0)), "five numbers"),
        (lambda: ResNetTweaksTSN(20), "20"),
        (lambda: ResNetTweaksTSN(18, lr_mult_list=(1.0, 1.0, 1.0, 1.0, -1.0)), "-1.0"),
        (lambda: ConvNet(channels=[]), "channels"),
    ],
)
def test_senseless_values_are_refused(build, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build()
