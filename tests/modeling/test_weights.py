"""Weight files: safe to open, strict to load."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict
from pathlib import Path

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from paddlevideo.modeling.backbones.convnet import ConvNet
from paddlevideo.modeling.framework.recognizer2d import Recognizer2D
from paddlevideo.modeling.heads.tsm_head import TSMHead
from paddlevideo.modeling.weights import load_pretrained, load_weights, read_pickle, read_state, state_arrays
from paddlevideo.utils.errors import UserError


def model(num_classes: int = 5, channels: int = 4) -> Recognizer2D:
    return Recognizer2D(ConvNet([channels]), TSMHead(num_classes, channels, std=1.0))


def write(path: Path, content: object) -> Path:
    paddle.save(content, str(path))
    return path


class Payload:
    """A pickle that runs a command when it is opened without care."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


@pytest.mark.parametrize("wrap", [lambda p: p, lambda p: {"w": p}, lambda p: {"w": [{"x": (1, p)}]}])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_hostile_files_run_nothing(tmp_path: Path, wrap, protocol: int) -> None:
    path, victim = tmp_path / "evil.pdparams", tmp_path / "owned"
    path.write_bytes(pickle.dumps(wrap(Payload(victim)), protocol))
    with pytest.raises(UserError, match=r"evil.pdparams.*mkdir.*nothing was run"):
        read_state(path)
    assert not victim.exists()
    pickle.loads(path.read_bytes())
    assert victim.exists()  # the file was a real threat


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'false'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromfile\n(S'x'\ntR.",
        b"c_codecs\nencode\n(S'x'\nS'rot13'\ntR.",
        b"Pbad\n.",
    ],
)
def test_hand_made_hostile_files(tmp_path: Path, code: bytes) -> None:
    path = tmp_path / "evil.pdparams"
    path.write_bytes(code)
    with pytest.raises(UserError, match=r"evil\.pdparams"):
        read_pickle(path)


def test_arrays_of_objects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "objects.pdparams"
    path.write_bytes(pickle.dumps({"w": np.array([{}, []], dtype=object)}))
    with pytest.raises(UserError, match="Python objects"):
        read_state(path)


@settings(deadline=None, max_examples=60)
@given(content=st.binary(max_size=200), cut=st.integers(0, 400))
def test_damaged_files_are_one_clear_error(tmp_path_factory, content: bytes, cut: int) -> None:
    path = tmp_path_factory.mktemp("damaged") / "x.pdparams"
    whole = io.BytesIO()
    pickle.dump({"w": np.ones(4, "float32")}, whole)
    for damaged in (b"\x80\x04" + content, whole.getvalue()[: min(cut, len(whole.getvalue()) - 1)]):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"x\.pdparams"):
            read_state(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.pdparams: cannot be read"):
        read_state(tmp_path / "nowhere.pdparams")


ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(lambda name: "@@" not in name),
    hnp.arrays(
        st.sampled_from(["float16", "float32", "float64", "int64", "bool"]),
        hnp.array_shapes(min_dims=0, max_dims=3, max_side=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(state=ARRAYS, protocol=st.sampled_from([2, 3, 4]))
def test_round_trip(tmp_path_factory, state: dict[str, np.ndarray], protocol: int) -> None:
    path = tmp_path_factory.mktemp("round") / "x.pdparams"
    paddle.save(state, str(path), protocol=protocol)
    again = read_state(path)
    assert list(again) == list(state)
    for name, value in state.items():
        assert again[name].dtype == value.dtype
        np.testing.assert_array_equal(again[name], value)


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_both_names_of_numpy(tmp_path: Path, module: str) -> None:
    path = tmp_path / "x.pdparams"
    data = pickle.dumps({"w": np.arange(3)}, 2)
    data = data.replace(b"numpy._core.multiarray", module.encode()).replace(b"numpy.core.multiarray", module.encode())
    assert module.encode() in data
    path.write_bytes(data)
    np.testing.assert_array_equal(read_state(path)["w"], np.arange(3))


def test_optimizer_state(tmp_path: Path) -> None:
    net = paddle.nn.Linear(2, 3)
    scheduler = paddle.optimizer.lr.StepDecay(0.5, 10)
    optimizer = paddle.optimizer.Momentum(scheduler, parameters=net.parameters())
    net(paddle.ones([1, 2])).sum().backward()
    optimizer.step()
    nested = {"optimizer": optimizer.state_dict(), "epoch": 3, "rng": [1, (2, "x")], "t": paddle.ones([2])}
    flat = read_pickle(write(tmp_path / "x.pdopt", optimizer.state_dict()))
    deep = read_pickle(write(tmp_path / "y.pdopt", nested))
    for state in (flat, deep["optimizer"]):
        assert state["LR_Scheduler"]["last_lr"] == 0.5
        velocity = next(value for key, value in state.items() if "velocity" in key)
        np.testing.assert_array_equal(velocity, np.ones([2, 3]))
        assert not any("@@" in key for key in state)
    assert (deep["epoch"], deep["rng"]) == (3, [1, (2, "x")])
    np.testing.assert_array_equal(deep["t"], [1, 1])
    with pytest.raises(UserError, match="LR_Scheduler"):
        read_state(tmp_path / "x.pdopt")


def test_sliced_parameters_are_joined(tmp_path: Path) -> None:
    state = {
        "b": np.zeros(2),
        "w@@.0": np.arange(4),
        "w@@.1": np.arange(4, 6),
        "UnpackBigParamInfor@@": {"w": {"OriginShape": [2, 3], "slices": ["w@@.0", "w@@.1"]}},
        "StructuredToParameterName@@": {"w": "linear_0.w_0"},
    }
    path = tmp_path / "big.pdparams"
    path.write_bytes(pickle.dumps(state, 2))
    again = read_state(path)
    assert set(again) == {"b", "w"}
    np.testing.assert_array_equal(again["w"], np.arange(6).reshape(2, 3))


def test_bfloat16(tmp_path: Path) -> None:
    state = {"w": paddle.to_tensor([1.5, -2.0, 0.0078125]).astype("bfloat16")}
    again = read_state(write(tmp_path / "x.pdparams", state))
    assert again["w"].dtype == np.float32
    assert again["w"].tolist() == [1.5, -2.0, 0.0078125]


def test_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    source, target = model(), model()
    state = OrderedDict((name, value.numpy()) for name, value in source.state_dict().items())
    from safetensors.numpy import save_file
    from safetensors.paddle import save_file as save_paddle

    save_file(state, tmp_path / "x.safetensors")
    load_weights(target, tmp_path / "x.safetensors")
    assert_equal(source, target)
    save_paddle({"w": paddle.to_tensor([1.5, -2.0]).astype("bfloat16")}, str(tmp_path / "b.safetensors"))
    assert read_state(tmp_path / "b.safetensors")["w"].tolist() == [1.5, -2.0]
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(UserError, match=r"bad\.safetensors"):
        read_state(tmp_path / "bad.safetensors")


def assert_equal(first: paddle.nn.Layer, second: paddle.nn.Layer) -> None:
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values()):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=name)


def test_state_arrays_load_back(tmp_path: Path) -> None:
    source, target = model(), model()
    arrays = state_arrays(source)
    assert {value.dtype.name for value in arrays.values()} == {"float32"}
    path = write(tmp_path / "x.pdparams", arrays)
    assert load_weights(target, path) == [f"loaded {len(arrays)} arrays from {path}"]
    assert_equal(source, target)


def test_every_difference_is_listed_and_nothing_is_changed(tmp_path: Path) -> None:
    target = model()
    before = state_arrays(target)
    state = state_arrays(model(num_classes=7))
    state["surplus"] = state.pop("backbone.blocks.0.conv._conv.weight")
    with pytest.raises(UserError) as caught:
        load_weights(target, write(tmp_path / "x.pdparams", state))
    message = str(caught.value)
    for part in (
        "4 differences",
        "missing: backbone.blocks.0.conv._conv.weight",
        "unexpected: surplus",
        "head.fc.weight is [4, 7] in the file, [4, 5] in the model",
        "head.fc.bias is [7] in the file, [5] in the model",
    ):
        assert part in message
    for name, value in state_arrays(target).items():
        np.testing.assert_array_equal(value, before[name])


def test_ten_differences_and_a_count(tmp_path: Path) -> None:
    state = {**state_arrays(model()), **{f"extra{i}": np.zeros(1) for i in range(14)}}
    with pytest.raises(UserError, match=r"14 differences.*extra9; and 4 more$"):
        load_weights(model(), write(tmp_path / "x.pdparams", state))


def test_nothing_in_common(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pdparams", {"conv.weight": np.zeros(1), "conv.bias": np.zeros(1)})
    with pytest.raises(UserError, match=r"none of its 2 arrays.*it holds conv.weight, conv.bias"):
        load_weights(model(), path)
    with pytest.raises(UserError, match="none of its 2 arrays"):
        load_pretrained(model().backbone, path)


def test_new_head_keeps_its_initialisation_aloud(tmp_path: Path) -> None:
    source, target = model(num_classes=7), model(num_classes=5)
    head = target.head.fc.weight.numpy().copy()
    lines = load_weights(target, write(tmp_path / "x.pdparams", source.state_dict()), new_head=True)
    assert any(line.startswith("head.fc.weight keeps its initialisation: [4, 7]") for line in lines)
    assert any(line.startswith("head.fc.bias keeps its initialisation: [7]") for line in lines)
    np.testing.assert_array_equal(target.head.fc.weight.numpy(), head)
    assert_equal(source.backbone, target.backbone)


def test_new_head_excuses_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pdparams", model(channels=6).state_dict())
    with pytest.raises(UserError, match=r"head.fc.weight is \[6, 5\]"):
        load_weights(model(channels=4), path, new_head=True)


def test_float16_is_cast_aloud(tmp_path: Path) -> None:
    source, target = model(), model()
    halves = {name: value.astype("float16") for name, value in state_arrays(source).items()}
    lines = load_weights(target, write(tmp_path / "x.pdparams", halves))
    assert lines[1] == f"cast {len(halves)} arrays from float16 to float32"
    np.testing.assert_array_equal(state_arrays(target)["head.fc.weight"], halves["head.fc.weight"].astype("float32"))


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_pretrained(tmp_path: Path, prefix: str) -> None:
    source, target = ConvNet([4, 6]), ConvNet([4, 6])
    state = {prefix + name: value for name, value in state_arrays(source).items()}
    path = write(tmp_path / "x.pdparams", {**state, "out.weight": np.zeros((6, 9)), "head.fc.bias": np.zeros(9)})
    assert load_pretrained(target, path) == [
        f"loaded {len(state)} arrays from {path}",
        f"left out of {path}: out.weight, head.fc.bias",
    ]
    assert_equal(source, target)


def test_pretrained_of_another_shape(tmp_path: Path) -> None:
    path = write(tmp_path / "x.pdparams", ConvNet([4, 6]).state_dict())
    with pytest.raises(UserError, match=r"blocks.1.conv._conv.weight is \[6, 4, 3, 3\] in the file"):
        load_pretrained(ConvNet([4, 8]), path)
    with pytest.raises(UserError, match=r"missing: blocks.2.conv"):
        load_pretrained(ConvNet([4, 6, 6]), path)
    with pytest.raises(UserError, match=r"unexpected: blocks.1.conv"):
        load_pretrained(ConvNet([4]), path)
