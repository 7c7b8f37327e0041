"""Groups, the policy of TSM and layer-wise decay: who is heard, in which order, and exact steps of the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle import ParamAttr, nn
from paddle.regularizer import L2Decay

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.backbones.resnet import ResNet
from paddlevideo.modeling.backbones.resnet_tsm import ResNetTSM
from paddlevideo.modeling.backbones.vision_transformer import VisionTransformer
from paddlevideo.modeling.framework import Recognizer2D, RecognizerTransformer
from paddlevideo.modeling.heads.timesformer_head import TimeSformerHead
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.heads.tsn_head import TSNHead
from paddlevideo.registry import BACKBONES, OPTIMIZERS
from paddlevideo.solver.groups import ParameterGroup, assign
from paddlevideo.solver.optimizer import WeightDecay, build_optimizer, rates
from paddlevideo.solver.rates import Rate, describe_rates
from paddlevideo.utils.errors import UserError


class Part(nn.Layer):
    """Two pairs of numbers: one as it comes, one whose layer says rate x 5 and decay 0.5."""

    def __init__(self) -> None:
        super().__init__()
        for name, attr in {
            "plain": ParamAttr(),
            "fast": ParamAttr(learning_rate=5.0, regularizer=L2Decay(0.5)),
        }.items():
            attr.initializer = nn.initializer.Assign([2.0, -4.0])
            self.add_parameter(name, self.create_parameter([2], attr=attr))


class Backbone(Part):
    """Of two layers: plain is an embedding, fast in the second."""

    num_layers = 2

    def layer_of(self, name: str) -> int:
        return {"plain": 0, "fast": 2}[name]


class Model(nn.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = Backbone(), Part()


GRADIENTS = {
    "backbone.plain": [3.0, 0.0],
    "backbone.fast": [0.0, 4.0],
    "head.plain": [12.0, 0.0],
    "head.fast": [0.0, -84.0],
}  # global norm 85


def section(name: str = "SGD", **settings: Any) -> Any:
    groups = [ParameterGroup(**group) for group in settings.pop("groups", [])]
    return OPTIMIZERS.get(name)(**{"learning_rate": 0.1, "groups": groups, **settings})


def table(model: nn.Layer | None = None, name: str = "SGD", **settings: Any) -> dict[str, tuple[float, float]]:
    """Name -> (multiplier, decay)."""
    return {rate.name: (rate.lr_mult, rate.decay) for rate in rates(section(name, **settings), model or Model())}


def stepped(name: str, steps: int = 1, model: nn.Layer | None = None, **settings: Any) -> dict[str, np.ndarray]:
    """The parameters of a model after `steps` steps with the gradients above."""
    model = model or Model()
    optimizer = build_optimizer(section(name, **settings), model)
    parameters = dict(model.named_parameters())
    for _ in range(steps):
        sum((parameters[key] * paddle.to_tensor(value)).sum() for key, value in GRADIENTS.items()).backward()
        optimizer.step()
        optimizer.clear_grad()
    return {key: value.numpy() for key, value in parameters.items()}


# --- names ------------------------------------------------------------------------------------------------------------

NAMES = ["backbone.blocks.0.norm1.weight", "backbone.blocks.10.norm1.bias", "backbone.norm.bias", "head.fc.weight"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", [0, 1, 2, 3]),
        ("head.*", [3]),
        ("backbone.blocks.*.norm*", [0, 1]),
        ("*norm*.bias", [1, 2]),
        ("backbone.blocks.?.*", [0]),
        ("backbone.blocks.[01]*", [0, 1]),
        (["head.fc.weight", "*.0.*"], [0, 3]),
    ],
)
def test_patterns(pattern: Any, expected: list[int]) -> None:
    group = ParameterGroup(pattern, 2.0)
    assert sorted(assign([group], NAMES), key=NAMES.index) == [NAMES[i] for i in expected]


def test_the_first_group_that_matches_counts() -> None:
    first, second, third = (ParameterGroup(pattern, i) for i, pattern in enumerate(["*.bias", "backbone.*", "*"]))
    assert list(map(assign([first, second, third], NAMES).get, NAMES)) == [second, first, first, third]


@given(st.lists(st.sets(st.sampled_from(NAMES), min_size=1), max_size=4))
def test_each_name_is_in_the_first_group_that_has_it(sets: list[set[str]]) -> None:
    groups = [ParameterGroup(sorted(names), 1.0) for names in sets]
    if any(names <= set().union(*sets[:i]) for i, names in enumerate(sets)):
        with pytest.raises(UserError, match=r"all \d parameters it matches are in groups before it"):
            assign(groups, NAMES)
        return
    expected = {name: next((g for g, names in zip(groups, sets) if name in names), None) for name in NAMES}
    assert assign(groups, NAMES) == {name: group for name, group in expected.items() if group}


@pytest.mark.parametrize(
    ("patterns", "told"),
    [
        (["haed.*"], r"OPTIMIZER.groups.0: 'haed.\*' matches no trained parameter; did you mean 'head.\*'\?"),
        (["*", "head.*"], r"OPTIMIZER.groups.1: all 1 parameters it matches are in groups before it"),
        (["head.*", ["*.norm.*", "head.fc.wieght"]], r"groups.1: 'head.fc.wieght' .* mean 'head.fc.weight'\?"),
        (["Head.*"], r"did you mean 'head.\*'\?"),
        (["norm1"], "'norm1' matches no trained parameter"),
    ],
)
def test_a_group_for_nothing_is_a_mistake(patterns: list[Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        assign([ParameterGroup(pattern, 1.0) for pattern in patterns], NAMES)


def test_frozen_parameters_are_in_no_group() -> None:
    model = Model()
    model.head.plain.stop_gradient = model.head.fast.stop_gradient = True
    with pytest.raises(UserError, match="matches no trained parameter"):
        table(model, groups=[{"match": "head.*", "lr_mult": 2.0}])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"match": [], "lr_mult": 1.0}, "one or more patterns"),
        ({"match": "", "lr_mult": 1.0}, "one or more patterns"),
        ({"match": "*", "lr_mult": -1.0}, "lr_mult=-1.0 must be 0 or more"),
        ({"match": "*", "weight_decay": float("nan")}, "weight_decay=nan must be 0 or more"),
        ({"match": "*"}, "neither lr_mult nor weight_decay"),
    ],
)
def test_senseless_groups_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ParameterGroup(**settings)


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("SGD", {"layer_decay": 0.0}, "layer_decay=0.0 must be above 0 and at most 1"),
        ("SGD", {"layer_decay": 1.1}, "layer_decay=1.1"),
        ("Rprop", {"groups": [{"match": "*", "lr_mult": 2.0}]}, "Rprop .* takes no groups"),
        ("Rprop", {"policy": "TSM"}, "Rprop .* takes no groups"),
    ],
)
def test_senseless_settings_are_refused(name: str, settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        section(name, **settings)


# --- order ------------------------------------------------------------------------------------------------------------


def test_without_settings_the_layers_are_heard() -> None:
    assert table(weight_decay=0.01) == {
        "backbone.plain": (1, 0.01),
        "backbone.fast": (5, 0.5),
        "head.plain": (1, 0.01),
        "head.fast": (5, 0.5),
    }


def test_a_group_replaces_what_the_layer_says_and_only_that() -> None:
    groups = [{"match": "head.fast", "lr_mult": 2.0}, {"match": "head.*", "lr_mult": 3.0, "weight_decay": 0.25}]
    assert table(weight_decay=0.01, groups=groups) == {
        "backbone.plain": (1, 0.01),
        "backbone.fast": (5, 0.5),
        "head.plain": (3, 0.25),
        "head.fast": (2, 0.5),
    }


def test_depth_multiplies_whatever_else_is_said() -> None:
    groups = [{"match": "*.plain", "lr_mult": 2.0}]
    assert table(layer_decay=0.5, groups=groups) == {
        "backbone.plain": (2 * 0.125, 0),
        "backbone.fast": (5 * 0.5, 0.5),
        "head.plain": (2, 0),
        "head.fast": (5, 0.5),
    }


def test_names_left_out_of_the_decay_stay_out_unless_a_group_names_them() -> None:
    free = {"weight_decay": 0.01, "no_weight_decay_name": "fast"}
    assert table(**free)["head.fast"] == (5, 0)
    assert table(**free, groups=[{"match": "head.*", "lr_mult": 2.0}])["head.fast"] == (2, 0)
    assert table(**free, groups=[{"match": "head.*", "weight_decay": 0.1}])["head.fast"] == (5, 0.1)


def test_a_factor_of_the_layer_is_for_its_gradient_not_for_a_decoupled_decay() -> None:
    assert table(name="AdamW", weight_decay=0.01)["head.fast"] == (5, 0.01)
    groups = [{"match": "head.fast", "weight_decay": 0.1}]
    assert table(name="AdamW", weight_decay=0.01, groups=groups)["head.fast"] == (5, 0.1)


def test_nothing_doubles_when_an_optimizer_is_built_twice() -> None:
    model, settings = Model(), {"layer_decay": 0.5, "weight_decay": 0.01}
    before = table(model, **settings)
    build_optimizer(section("AdamW", groups=[{"match": "*", "lr_mult": 7.0, "weight_decay": 0.3}]), model)
    build_optimizer(section(**settings), model)
    assert table(model, **settings) == before
    assert model.head.fast.optimize_attr["learning_rate"] == 5


def test_lines_for_the_log() -> None:
    rows = [Rate("a", 1, 1e-4), Rate("b", 5, 0), Rate("c", 1, 1e-4), Rate("d", 1, 1e-4, l1=True)]
    assert describe_rates(rows) == [
        "2 parameters: rate x1, decay 0.0001",
        "b: rate x5, decay 0",
        "d: rate x1, decay 0.0001 (L1)",
    ]


# --- steps ------------------------------------------------------------------------------------------------------------

GROUPS = [
    {"match": "head.fast", "lr_mult": 10.0, "weight_decay": 0.2},
    {"match": "head.*", "weight_decay": 0.0},
    {"match": "backbone.*", "lr_mult": 0.5},
]
# what these make of (multiplier, decay) beside a decay of 0.01
EXPECTED = {
    "backbone.plain": (0.5, 0.01),
    "backbone.fast": (0.5, 0.5),
    "head.plain": (1.0, 0.0),
    "head.fast": (10.0, 0.2),
}
P0 = np.array([2.0, -4.0])


def clipped(norm: float) -> dict[str, np.ndarray]:
    """The gradients, when the norm of all of them together, 85, is brought down to `norm`."""
    return {key: np.array(value) * norm / 85 for key, value in GRADIENTS.items()}


def test_sgd_step() -> None:
    got = stepped("SGD", weight_decay=0.01, grad_clip=8.5, groups=GROUPS)
    for key, gradient in clipped(8.5).items():
        mult, decay = EXPECTED[key]
        np.testing.assert_allclose(got[key], P0 - 0.1 * mult * (gradient + decay * P0), rtol=1e-6)


def test_l1_is_only_for_those_without_a_factor_of_their_own() -> None:
    got = stepped("SGD", weight_decay=WeightDecay("L1", 0.01), groups=GROUPS)
    np.testing.assert_allclose(got["backbone.plain"], P0 - 0.05 * (np.array([3, 0]) + 0.01 * np.sign(P0)), rtol=1e-6)
    np.testing.assert_allclose(got["head.fast"], P0 - 1.0 * (np.array([0, -84]) + 0.2 * P0), rtol=1e-6)


def test_momentum_steps() -> None:
    got = stepped("Momentum", steps=3, momentum=0.9, weight_decay=0.01, grad_clip=8.5, groups=GROUPS)
    for key, gradient in clipped(8.5).items():
        mult, decay = EXPECTED[key]
        p, v = P0, np.zeros(2)
        for _ in range(3):
            v = 0.9 * v + gradient + decay * p
            p = p - 0.1 * mult * v
        np.testing.assert_allclose(got[key], p, rtol=1e-5)


def test_adamw_steps() -> None:
    """A decoupled decay of its own for every parameter, and one norm for all gradients."""
    got = stepped("AdamW", steps=3, weight_decay=0.01, grad_clip=8.5, groups=GROUPS)
    for key, gradient in clipped(8.5).items():
        mult, decay = EXPECTED[key]
        decay = 0.01 if key == "backbone.fast" else decay  # its 0.5 is for a gradient
        p, m, v = P0, np.zeros(2), np.zeros(2)
        for t in (1, 2, 3):
            m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
            step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            p = p * (1 - 0.1 * mult * decay) - 0.1 * mult * step
        np.testing.assert_allclose(got[key], p, atol=2e-5)  # Paddle's powers of beta2 are float32


def test_lamb_step() -> None:
    groups = [{"match": "head.fast", "lr_mult": 10.0, "weight_decay": 0.2}, {"match": "head.*", "weight_decay": 0.0}]
    got = stepped("Lamb", weight_decay=0.5, groups=groups)
    for key, mult, decay in (("backbone.plain", 1, 0.5), ("head.fast", 10, 0.2)):
        direction = np.sign(GRADIENTS[key]) + decay * P0
        ratio = np.linalg.norm(P0) / np.linalg.norm(direction)
        np.testing.assert_allclose(got[key], P0 - 0.1 * mult * ratio * direction, rtol=1e-4)
    np.testing.assert_allclose(got["head.plain"], P0 - 0.1 * np.sign(GRADIENTS["head.plain"]), rtol=1e-4)


def test_paddles_own_class_where_it_does() -> None:
    for groups in ([], [{"match": "head.*", "weight_decay": 0.0}], [{"match": "head.*", "lr_mult": 3.0}]):
        optimizer = build_optimizer(section("AdamW", weight_decay=0.01, groups=groups), Model())
        assert type(optimizer) is paddle.optimizer.AdamW


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "Rprop"])
def test_every_optimizer_heeds_multipliers(name: str) -> None:
    moved = [
        stepped(name, weight_decay=0.0, groups=[{"match": "*", "lr_mult": mult}])["head.plain"] - P0
        for mult in (1.0, 2.0, 0.0)
    ]
    np.testing.assert_allclose(moved[1], 2 * moved[0], rtol=1e-4, atol=1e-6)
    assert moved[0].any() and not moved[2].any()


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name not in ("Rprop", "AdamW", "Lamb")])
def test_every_optimizer_heeds_decays(name: str) -> None:
    """0.5 from a group on one parameter is what 0.5 from the layer is on another."""
    got = stepped(name, steps=2, groups=[{"match": "backbone.*", "lr_mult": 5.0, "weight_decay": 0.5}])
    model = Model()
    model.backbone.fast, model.head.fast = model.head.fast, model.backbone.fast
    assert np.array_equal(got["backbone.fast"], stepped(name, steps=2, model=model)["backbone.fast"])
    without = stepped(name, steps=2, groups=[{"match": "*", "lr_mult": 5.0, "weight_decay": 0.0}])
    assert not np.array_equal(got["backbone.fast"], without["backbone.fast"])


# --- the policy of TSM ------------------------------------------------------------------------------------------------


def tsm(head: nn.Layer, **settings: Any) -> nn.Layer:
    return Recognizer2D(ResNetTSM(18, num_seg=8, **settings), head)


def test_policy_is_what_the_layers_of_tsm_say_already() -> None:
    """With mmaction2's `fc_decay: null`. Non-local blocks bring biases of convolutions."""
    model = tsm(TSMHead(5, 512, fc_decay=None), non_local=[[0, 0], [1, 0], [0, 0], [0, 0]])
    assert "backbone.res3a.non_local.g.bias" in table(model)
    assert table(model, policy="TSM", weight_decay=5e-4) == table(model, weight_decay=5e-4)


def test_policy_replaces_what_layers_say() -> None:
    """PaddleVideo's head fixes a decay of 1e-4; its multipliers are not doubled."""
    model = tsm(TSMHead(5, 512))
    assert table(model, weight_decay=5e-4)["head.fc.weight"] == (5, 1e-4)
    found = table(model, policy="TSM", weight_decay=5e-4)
    assert (found["head.fc.weight"], found["head.fc.bias"]) == ((5, 5e-4), (10, 0))


@pytest.mark.parametrize("backbone", [ResNet(18), ConvNet([8, 512], shift_ratio=0.0)], ids=["ResNet", "ConvNet"])
def test_policy_for_other_networks(backbone: nn.Layer) -> None:
    model = Recognizer2D(backbone, TSNHead(5, 512))
    norms = {id(p) for layer in model.sublayers() if "BatchNorm" in type(layer).__name__ for p in layer.parameters()}
    expected = {
        name: (5, 0.01) if name == "head.fc.weight" else (10, 0) if name == "head.fc.bias"
        else (1, 0) if id(parameter) in norms else (1, 0.01)
        for name, parameter in model.named_parameters() if not parameter.stop_gradient
    }  # fmt: skip
    assert table(model, policy="TSM", weight_decay=0.01) == expected
    groups = [{"match": "head.fc.*", "lr_mult": 1.0}]
    assert table(model, policy="TSM", weight_decay=0.01, groups=groups)["head.fc.bias"] == (1, 0)


def test_policy_of_biases_inside() -> None:
    model = nn.Sequential(nn.Conv3D(3, 4, 1), nn.GroupNorm(2, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    found = table(model, policy="TSM", weight_decay=0.01)
    assert list(found.values()) == [(1, 0.01), (2, 0), (1, 0), (1, 0), (1, 0.01), (2, 0), (5, 0.01), (10, 0)]


def test_policy_says_nothing_of_transformers() -> None:
    with pytest.raises(UserError, match=r"it says nothing of 'backbone.cls_token' of a VisionTransformer"):
        table(transformer(), policy="TSM")


# --- layer-wise decay -------------------------------------------------------------------------------------------------


def transformer(depth: int = 3) -> nn.Layer:
    backbone = VisionTransformer(16, 8, embed_dim=8, depth=depth, num_heads=2, num_seg=2)
    return RecognizerTransformer(backbone, TimeSformerHead(4, 8))


def test_layers_of_a_transformer() -> None:
    found = {name: mult for name, (mult, _) in table(transformer(), layer_decay=0.5).items()}
    beginnings = {"backbone.blocks.0.": 1 / 8, "backbone.blocks.1.": 1 / 4, "backbone.blocks.2.": 1 / 2}
    beginnings |= {f"backbone.{name}": 1 / 16 for name in ("cls_token", "pos_embed", "time_embed", "patch_embed.")}
    beginnings |= {"backbone.norm.": 1.0, "head.": 1.0}
    assert found == {name: next(f for start, f in beginnings.items() if name.startswith(start)) for name in found}
    assert len(found) == 3 + 2 + 3 * (4 + 3 + 3 + 2 + 4 + 2) + 2 + 2


def test_more_than_ten_layers() -> None:
    found = table(transformer(12), layer_decay=0.75)
    assert found["backbone.blocks.1.norm1.bias"][0] == 0.75**11
    assert found["backbone.blocks.11.norm1.bias"][0] == 0.75
    assert found["backbone.pos_embed"][0] == 0.75**13


def test_a_step_of_a_transformer() -> None:
    """The first step of Adam is the rate, for every gradient that is not 0."""
    model = transformer()
    before = {name: value.numpy() for name, value in model.named_parameters()}
    optimizer = build_optimizer(section("Adam", layer_decay=0.5), model)
    model({"imgs": paddle.rand([2, 3, 2, 16, 16])}).pow(3).sum().backward()
    moved = {name for name, value in model.named_parameters() if float(value.grad.abs().max()) > 1e-5}
    optimizer.step()
    for name, (mult, _) in table(model, layer_decay=0.5).items():
        change = np.abs(dict(model.named_parameters())[name].numpy() - before[name]).max()
        assert name not in moved or change == pytest.approx(0.1 * mult, rel=2e-2), name
    assert {"backbone.pos_embed", "backbone.blocks.0.attn.qkv.weight", "head.fc.weight"} <= moved


@pytest.mark.parametrize("name", [name for name in BACKBONES if hasattr(BACKBONES.get(name), "layer_of")])
def test_every_backbone_that_counts_its_layers_counts_them_all(name: str) -> None:
    backbone = BACKBONES.get(name)(16, 8, embed_dim=8, depth=3, num_heads=2)
    assert {backbone.layer_of(key) for key, _ in backbone.named_parameters()} == set(range(5))


def test_a_network_that_does_not_count_its_layers() -> None:
    with pytest.raises(UserError, match=r"OPTIMIZER.layer_decay: ResNetTSM does not count its layers"):
        table(tsm(TSMHead(5, 512)), layer_decay=0.75)
