"""Damaged weight files of every kind: one clear error or a whole read, never anything between."""

from __future__ import annotations

import pickle
import tempfile
import time
import tracemalloc
from collections import OrderedDict
from functools import cache
from pathlib import Path

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_writer import bfloat16, tensor, write_legacy, write_zip

from paddlevideo.modeling.convert import arrays, read_source, recognise
from paddlevideo.modeling.weights import read_pickle, read_state, save_state
from paddlevideo.utils.errors import UserError

# of Python's own reader of the text forms of a pickle
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence:DeprecationWarning")

STATE = {
    "backbone.conv1.conv.weight": np.arange(2 * 3 * 7 * 7, dtype="f4").reshape(2, 3, 7, 7),
    "backbone.conv1.bn.weight": np.ones(2, "f4"),
    "cls_head.fc_cls.weight": np.arange(12, dtype="f4").reshape(3, 4),
    "cls_head.fc_cls.bias": np.ones(3, "f2"),
}
MOST = 2**20  # bytes that reading a file of some 3 kB may take


def torch_tree() -> dict:
    state = OrderedDict((name, tensor(value)) for name, value in STATE.items())
    return {"meta": {"epoch": 3, "config": "x"}, "state_dict": state | {"half": bfloat16(np.ones(4))}}


@cache
def sound() -> dict[str, bytes]:
    """A sound file of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        return written(Path(folder))


def written(folder: Path) -> dict[str, bytes]:
    write_zip(folder / "zip", torch_tree())
    write_legacy(folder / "legacy", torch_tree())
    save_state(STATE, folder / "safetensors", ".safetensors")
    for protocol in (2, 4):
        paddle.save(STATE, str(folder / f"paddle {protocol}"), protocol=protocol)
    (folder / "plain").write_bytes(pickle.dumps(STATE, 5))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


KINDS = ["zip", "legacy", "safetensors", "paddle 2", "paddle 4", "plain"]
FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 7)), min_size=1, max_size=3)


def read(path: Path) -> dict[str, np.ndarray] | None:
    """What every way of reading says of a file: the arrays of the converter; None for an error."""
    started = time.perf_counter()
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    for way in (read_state, read_pickle):
        try:
            way(path)
        except UserError as error:
            assert path.name in str(error) and "\n" not in str(error)
    try:
        source = read_source(path)
        found: dict[str, np.ndarray] | None = source.arrays
        arrays.convert(source, recognise(source))
    except UserError as error:
        assert path.name in str(error)
        found = None
    assert time.perf_counter() - started < 5
    assert tracemalloc.get_traced_memory()[1] - before < MOST
    return found


@pytest.fixture(autouse=True)
def traced():
    tracemalloc.start(1)
    yield
    tracemalloc.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_sound_files_are_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(sound()[kind])
    found = read_source(path).arrays
    assert {name: value.tolist() for name, value in found.items() if name != "half"} == {
        name: value.tolist() for name, value in STATE.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1, exclude_max=True))
def test_cut_files(tmp_path_factory, kind: str, share: float) -> None:
    path = tmp_path_factory.mktemp("cut") / "x.bin"
    path.write_bytes(sound()[kind][: int(share * len(sound()[kind]))])
    assert read(path) is None


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=120)
@given(flips=FLIPS)
def test_flipped_bits(tmp_path_factory, kind: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(sound()[kind])
    for where, bit in flips:
        data[int(where * len(data))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / "x.bin"
    path.write_bytes(data)
    found = read(path)
    if found is None:
        return
    assert len(found) in (len(STATE), len(STATE) + 1)  # all of them; a name may have changed, it has no checksum
    if kind == "zip":  # this container has checksums: what is read is right
        for name, value in STATE.items():
            np.testing.assert_array_equal(found[name], value)


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_bytes_put_in_and_taken_out(tmp_path_factory, kind: str, data) -> None:
    whole = sound()[kind]
    at = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.integers(0, 8))
    path = tmp_path_factory.mktemp("mixed") / "x.bin"
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + gone :])
    read(path)
