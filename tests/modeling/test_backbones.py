"""Every backbone in the table: builds twice, runs, learns, and does not care for the axis order."""

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
from paddlevideo.registry import BACKBONES

SMALLEST: dict[str, dict[str, Any]] = {
    "ResNet": {"depth": 18},
    "ResNetTSM": {"depth": 18, "num_seg": 2},
    "ConvNet": {"num_seg": 2},
}


def smallest(name: str, **more: Any) -> paddle.nn.Layer:
    return BACKBONES.get(name)(**SMALLEST.get(name, {}), **more)


def frames(*shape: int) -> paddle.Tensor:
    return paddle.to_tensor(np.random.default_rng(1).normal(size=shape).astype("float32"))


@pytest.mark.parametrize("name", list(BACKBONES))
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
    "name", [n for n in BACKBONES if "data_format" in inspect.signature(BACKBONES.get(n)).parameters]
)
def test_channels_last_gives_the_same(name: str) -> None:
    first, last = smallest(name), smallest(name, data_format="NHWC")
    last.set_state_dict(first.state_dict())
    x = frames(4, 3, 40, 33)
    with paddle.no_grad():
        expected = first.eval()(x)
        got = last.eval()(x.transpose([0, 2, 3, 1]))
    np.testing.assert_allclose(got.transpose([0, 3, 1, 2]).numpy(), expected.numpy(), atol=1e-4)


@pytest.mark.parametrize(
    ("depth", "entries", "channels"),
    [(18, 105, 512), (34, 185, 512), (50, 265, 2048), (101, 520, 2048), (152, 775, 2048)],
)
def test_every_depth(depth: int, entries: int, channels: int) -> None:
    model = ResNetTSM(depth, num_seg=2).eval()
    assert len(model.state_dict()) == entries
    with paddle.no_grad():
        assert model(frames(2, 3, 32, 32)).shape == [2, channels, 1, 1]


def test_deep_block_names() -> None:
    names = ResNet(101).block_names
    assert names[:9] == ["res2a", "res2b", "res2c", "res3a", "res3b", "res3c", "res3d", "res4a", "res4b1"]
    assert names[-4:] == ["res4b22", "res5a", "res5b", "res5c"]
    assert [name for name in ResNetTSM(50).block_names if name.startswith("res4")] == [f"res4{c}" for c in "abcdef"]


def test_sizes_of_r50() -> None:
    for model in (ResNet(50), ResNetTSM(50)):
        assert sum(int(np.prod(value.shape)) for value in model.state_dict().values()) == 23_561_152


def test_which_blocks_shift() -> None:
    every_second = ResNetTSM(50, shift_every=2)
    shifted = [name for name in every_second.block_names if getattr(every_second, name).shift is not None]
    assert shifted == ["res2a", "res2c", "res3a", "res3c", "res4a", "res4c", "res4e", "res5a", "res5c"]
    assert all(getattr(ResNetTSM(18), name).shift is not None for name in ResNetTSM(18).block_names)
    assert ResNetTSM(18, num_seg=16).res2a.shift.shift_ratio == 1 / 16
    assert ResNetTSM(18, num_seg=16, shift_ratio=0.125).res2a.shift.shift_ratio == 0.125


def test_only_tsm_pins_the_decay_of_batch_norm() -> None:
    for model, pinned in ((ResNet(18), False), (ResNetTSM(18), True)):
        for key, param in model.named_parameters():
            if not param.stop_gradient:
                expected = pinned and "_batch_norm" in key
                assert isinstance(param.regularizer, L2Decay) == expected, key


def test_he_initialisation() -> None:
    weight = ResNet(18).res5b.conv1._conv.weight
    assert float(weight.std()) == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("model", [ResNetTSM(18, num_seg=4), ConvNet(num_seg=4)])
def test_shift_makes_frames_look_at_each_other(model: paddle.nn.Layer) -> None:
    model.eval()
    x = frames(8, 3, 32, 32)
    changed = x.clone()
    changed[0] = 0
    with paddle.no_grad():
        differs = (model(x) - model(changed)).abs().max(axis=[1, 2, 3]).numpy() > 0
    assert differs.tolist() == [True] * 4 + [False] * 4  # the other clip sees nothing of it


@pytest.mark.parametrize("model", [ResNet(18), ConvNet(shift_ratio=0)])
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
        (lambda: ConvNet(channels=[]), "channels"),
    ],
)
def test_senseless_values_are_refused(build, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        build()
