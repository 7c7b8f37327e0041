"""PyTorch files: both containers, every kind of tensor, and everything a hostile or damaged one may try."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from torch_writer import WRITERS, Call, Global, Pickler, Storage, View, bfloat16, tensor, write_legacy, write_zip

from paddlevideo.modeling.pickle_builders import Inert
from paddlevideo.modeling.torch_file import read_torch
from paddlevideo.modeling.weights import read_state
from paddlevideo.utils.errors import UserError

CHECKPOINTS = Path(__file__).resolve().parents[3] / "shared/golden/checkpoints"
ROW = np.arange(24, dtype="<f4")


@pytest.fixture(params=list(WRITERS))
def write(request, tmp_path: Path):
    return lambda tree, **options: WRITERS[request.param](tmp_path / "x.pth", tree, **options)


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "b1", "c8"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3, 1)])
def test_every_dtype_and_shape(write, dtype: str, shape: tuple[int, ...]) -> None:
    values = np.arange(6)[: int(np.prod(shape))].reshape(shape).astype(dtype)
    array = read_torch(write({"w": tensor(values)})).arrays["w"]
    assert (array.dtype, array.shape) == (np.dtype(dtype), shape)
    np.testing.assert_array_equal(array, values)


def test_bfloat16_becomes_float32_of_the_same_value(write) -> None:
    values = np.array([1.5, -2.0, 0.0078125, 2.0**100], "f4")
    array = read_torch(write({"w": bfloat16(values)})).arrays["w"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, [1.5, -2.0, 0.0078125, 2.0**100])


@pytest.mark.parametrize(
    "size, stride, offset, expected",
    [
        ((2, 3), (6, 2), 6, [[6, 8, 10], [12, 14, 16]]),  # every second column from the second row
        ((3, 2), (1, 3), 0, [[0, 3], [1, 4], [2, 5]]),  # transposed
        ((2, 3), (0, 1), 4, [[4, 5, 6], [4, 5, 6]]),  # expanded
        ((2,), (0,), 23, [23, 23]),
        ((), (), 7, 7),
        ((0, 5), (99, 99), 99, np.empty((0, 5))),
    ],
)
def test_views(write, size, stride, offset, expected) -> None:
    array = read_torch(write({"w": View(Storage(ROW), size, stride, offset)})).arrays["w"]
    np.testing.assert_array_equal(array, expected)
    assert array.flags.c_contiguous


def test_tensors_that_share_a_storage(write) -> None:
    storage = Storage(ROW)
    tree = {"a": View(storage, (4,), (1,)), "b": View(storage, (4,), (1,), 2), "c": View(storage, (4,), (1,))}
    arrays = read_torch(write(tree)).arrays
    assert {name: array.tolist() for name, array in arrays.items()} == {
        "a": [0, 1, 2, 3],
        "b": [2, 3, 4, 5],
        "c": [0, 1, 2, 3],
    }


@pytest.mark.parametrize("key", ["state_dict", "model_state", "model"])
def test_weights_beside_other_things(write, key: str) -> None:
    state = OrderedDict(w=tensor(ROW, parameter=True), version=3)
    history = Call(Global("mmengine.logging.history_buffer", "HistoryBuffer"), (), {"max_length": 10}, new=True)
    tree = {
        "meta": {"epoch": 3, "config": "model = dict()", "time": 1.5, "log": history},
        "optimizer": {"state": {0: {"step": 7, "exp_avg": tensor(ROW)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        "size": Call(Global("torch", "Size"), ((2, 3),)),
        "dtype": Global("torch", "float16"),
        "args": Call(Global("argparse", "Namespace"), (), {"lr": 0.1}, new=True),
        key: state,
    }
    content = read_torch(write(tree))
    assert list(content.arrays) == ["w"]
    assert content.others == ["version"]
    assert content.beside["meta"]["config"] == "model = dict()"
    assert content.beside["meta"]["log"] == Inert("mmengine.logging.history_buffer.HistoryBuffer")
    assert content.beside["size"] == (2, 3)
    assert isinstance(content.beside["args"], Inert)


def test_the_attributes_of_a_state_dict_are_passed_over(tmp_path: Path) -> None:
    state = Pickler()
    made = b"\x80\x02" + state.emit(OrderedDict(w=tensor(ROW))) + state.emit({"_metadata": OrderedDict()}) + b"b."
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data.pkl", made)
        archive.writestr("x/data/0", ROW.tobytes())
    np.testing.assert_array_equal(read_torch(path).arrays["w"], ROW)


def test_big_endian_values(tmp_path: Path) -> None:
    tree = {"w": tensor(ROW), "h": tensor(ROW.astype("f2")), "b": bfloat16(ROW)}
    for array in read_torch(write_zip(tmp_path / "x.pth", tree, order="big")).arrays.values():
        np.testing.assert_array_equal(array, ROW)
    with pytest.raises(UserError, match="big-endian"):
        read_torch(write_legacy(tmp_path / "y.pth", tree, little_endian=False))


def test_numpy_values_beside_the_weights(write) -> None:
    code = Global("numpy", "dtype")
    scalar = Call(Global("numpy.core.multiarray", "scalar"), (Call(code, ("f8", False, True)), Call(
        Global("_codecs", "encode"), (struct.pack("<d", 2.5).decode("latin1"), "latin1"))))  # fmt: skip
    assert read_torch(write({"best": scalar, "state_dict": {"w": tensor(ROW)}})).beside["best"] == 2.5


# --- refused ----------------------------------------------------------------------------------------------------------


def evil(module: str, name: str, argument: str, new: bool = False) -> Call:
    return Call(Global(module, name), (argument,), new=new)


@pytest.mark.parametrize("place", ["beside", "among", "as state", "alone"])
@pytest.mark.parametrize(
    "module, name",
    [("posix", "system"), ("os", "mkdir"), ("builtins", "eval"), ("torch", "load"), ("torch", "hub")],
)
def test_hostile_files_run_nothing(write, tmp_path: Path, place: str, module: str, name: str) -> None:
    victim = tmp_path / "owned.txt"
    payload = evil(module, name, f"touch {victim}")
    tree = {
        "beside": {"meta": payload, "state_dict": {"w": tensor(ROW)}},
        "among": {"w": tensor(ROW), "x": payload},
        "as state": {"w": tensor(ROW), "x": Call(Global("collections", "OrderedDict"), (), payload)},
        "alone": payload,
    }[place]
    path = write(tree)
    with pytest.raises(UserError, match=rf"x\.pth.*{module}\.{name}.*nothing was run"):
        read_torch(path)
    with pytest.raises(UserError, match=r"PyTorch file.*paddlevideo convert"):
        read_state(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "tree, told",
    [
        ({"w": View(Storage(ROW), (25,), (1,))}, "reaches value 24 of a storage of 24"),
        ({"w": View(Storage(ROW), (2, 3), (6, 2), 14)}, "reaches value 24"),
        ({"w": View(Storage(ROW), (2,), (-1,), 3)}, "a tensor of"),
        ({"w": View(Storage(ROW), (-2,), (1,))}, "a tensor of"),
        ({"w": View(Storage(ROW), (2,), (1,), -1)}, "a tensor of"),
        ({"w": View(Storage(ROW), (2, 2), (1,))}, "size .* and stride"),
        ({"w": View(Storage(ROW), (2.0,), (1,))}, "a tensor of"),  # type: ignore[arg-type]
        ({"w": View(Storage(ROW), (2**40,), (0,))}, "many times the size of the file"),
        ({"w": View(Storage(ROW, count=2**50), (2**50,), (1,))}, ""),
        ({f"w{i}": View(Storage(ROW[:1]), (2**24,), (0,)) for i in range(3)}, "many times the size of the file"),
        ({"w": [1, 2]}, "no named tensors"),
        ([tensor(ROW)], "a list"),
        ({}, "no named tensors, but nothing"),
        ({(1, 2): tensor(ROW)}, "a tuple as a key"),
        ({"w": Call(Global("torch._utils", "_rebuild_tensor_v2"), ("x", 0, (1,), (1,)))}, "a tensor of"),
        ({"w": Call(Global("torch._utils", "_rebuild_parameter"), ("x", True))}, "a parameter that is a str"),
        ({"w": Call(Global("torch", "FloatStorage"), (3,))}, "calls a StorageType"),
        ({"w": Call(Global("torch._utils", "_rebuild_qtensor"), (3,))}, "_rebuild_qtensor"),
        ({"w": Call(Global("numpy", "dtype"), ("O8",))}, "Python objects"),
        ({"w": Call(Global("numpy", "dtype"), ("V9999999999",))}, "an array of 'V9999999999'"),
    ],
)
def test_claims_that_do_not_hold(write, tree, told: str) -> None:
    with pytest.raises(UserError, match=rf"x\.pth: not a weight file.*{told}.*nothing was run"):
        read_torch(write(tree))


def test_a_short_file_cannot_ask_for_much(tmp_path: Path) -> None:
    """A text encoded 2000 times by 3 bytes each; nested lists of 2 ** 60 leaves; a tuple that is slow to hash."""
    text = b"X" + struct.pack("<I", 100_000) + b"a" * 100_000
    copies = (
        b"\x80\x02c_codecs\nencode\nq\x00" + text + b"X\x06\x00\x00\x00latin1\x86q\x01" + b"h\x00h\x01R" * 2000 + b"."
    )
    nested = b"\x80\x02]" + b"".join(b"q%c](h%ch%ce" % (i, i, i) for i in range(60)) + b"."
    slow = b"\x80\x02}N" + b"q\x00h\x00\x86" * 60 + b"K\x01s."
    for code, told in ((copies, "more data than the file"), (slow, "tuple as a key")):
        path = tmp_path / "x.pdparams"
        path.write_bytes(code)
        with pytest.raises(UserError, match=told):
            read_state(path)
    path.write_bytes(nested)
    with pytest.raises(UserError, match="holds a list"):
        read_state(path)


@pytest.mark.parametrize(
    "code", [b"\x80\x02r\xff\xff\xff\xff.", b"\x80\x02Nr\xff\xff\xff\xff.", b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f."]
)
def test_huge_claims_of_a_pickle_reserve_nothing(tmp_path: Path, code: bytes) -> None:
    path = tmp_path / "x.pdparams"
    path.write_bytes(code)
    with pytest.raises(UserError, match=r"x\.pdparams"):
        read_state(path)


def test_archives_that_pytorch_does_not_write(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {"w": tensor(ROW)})
    content = {entry: zipfile.ZipFile(path).read(entry) for entry in zipfile.ZipFile(path).namelist()}

    def rewritten(entries: list[tuple[str, bytes]], how: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(path, "w", how) as archive:
            for name, data in entries:
                archive.writestr(name, data)
        return path

    for entries, how, told in (
        (list(content.items()), zipfile.ZIP_DEFLATED, "compressed"),
        ([*content.items(), ("other/data.pkl", b"N.")], zipfile.ZIP_STORED, "2 data.pkl"),
        ([("readme.txt", b"hello")], zipfile.ZIP_STORED, "0 data.pkl"),
        ([(n, d[:-4] if n.endswith("/0") else d) for n, d in content.items()], zipfile.ZIP_STORED, "92 bytes for 24"),
        ([(n, d) for n, d in content.items() if not n.endswith("/0")], zipfile.ZIP_STORED, "archive/data/0"),
    ):
        with pytest.raises(UserError, match=told):
            read_torch(rewritten(entries, how))


def test_damage_in_the_values_shows(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.pth", {"w": tensor(ROW)})
    data = bytearray(path.read_bytes())
    data[data.index(ROW.tobytes()) + 5] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="CRC"):
        read_torch(path)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.pth: cannot be read"):
        read_torch(tmp_path / "nowhere.pth")
    with pytest.raises(UserError, match="cannot be read"):
        read_torch(tmp_path)
    (tmp_path / "empty.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"empty\.pth: not a weight file"):
        read_torch(tmp_path / "empty.pth")


# --- files that PyTorch wrote -----------------------------------------------------------------------------------------

golden = pytest.mark.skipif(not CHECKPOINTS.exists(), reason="the shared golden files are not here")


@golden
@pytest.mark.parametrize("name, prefix", [("mmaction2_zip.pth", ""), ("mit_legacy.pth.tar", "module.")])
def test_files_written_by_pytorch(name: str, prefix: str) -> None:
    arrays = read_torch(CHECKPOINTS / name).arrays
    expected = json.loads((CHECKPOINTS / "expected.json").read_text())
    assert set(arrays) == {prefix + key for key in expected}
    for key, (shape, dtype, values) in expected.items():
        array = arrays[prefix + key]
        assert list(array.shape) == shape
        assert array.dtype == {"torch.bfloat16": "float32"}.get(dtype, dtype.removeprefix("torch."))
        np.testing.assert_allclose(array.ravel()[: len(values)], values, atol=1e-6)


@golden
@pytest.mark.parametrize("name", ["hostile.pdparams", "hostile_zip.pth"])
def test_hostile_files_of_others(name: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    for read in (read_torch, read_state):
        with pytest.raises(UserError, match=name):
            read(CHECKPOINTS / name)
    assert not os.listdir(tmp_path)  # noqa: PTH208
