"""When checkpoints are written, which are kept, and what they are worth when files are damaged or the disk is full."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_train import run

from paddlevideo.config import ConfigError
from paddlevideo.modeling import weights
from paddlevideo.tasks import checkpoint, saving, schema
from paddlevideo.tasks.checkpoint import NotFiniteError, TrainState
from paddlevideo.tasks.checkpoint_files import Checkpoints
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def saved(output: Path) -> list[str]:
    """The checkpoints of a folder, without the name of the run; each must have both files."""
    files = {file.name for file in output.glob("Tiny_*.pd*")}
    names = sorted({name.rpartition(".")[0] for name in files})
    assert files == {f"{name}.{kind}" for name in names for kind in ("pdparams", "pdopt")}
    return [name.removeprefix("Tiny_") for name in names]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of all checkpoints that runs of the test write."""
    seen: list[str] = []
    save = checkpoint.save
    monkeypatch.setattr(
        checkpoint, "save", lambda prefix, *rest: (seen.append(prefix.name.removeprefix("Tiny_")), save(prefix, *rest))
    )
    return seen


# Epochs have 5 batches.
@pytest.mark.parametrize(
    ("interval", "during", "after"),
    [
        ("2", ["epoch_00001", "epoch_00003", "epoch_00004"], ["epoch_00001", "epoch_00003", "epoch_00004"]),
        ("{epochs: 3}", ["epoch_00001", "epoch_00004"], ["epoch_00001", "epoch_00004"]),
        (
            "{iterations: 4}",
            ["epoch_00001_step_000004", "epoch_00002_step_000003", "epoch_00003_step_000002"]
            + ["epoch_00004_step_000001", "epoch_00004_step_000005", "epoch_00004"],
            ["epoch_00004"],
        ),
        ("{epochs: 4, iterations: 7}", ["epoch_00001", "epoch_00002_step_000002", "epoch_00003_step_000004"], None),
        ("{minutes: 1000}", ["epoch_00004"], ["epoch_00004"]),
    ],
)
def test_intervals(interval: str, during: list[str], after: list[str] | None, tiny: Path, written: list[str]) -> None:
    run(tiny, "epochs=4", f"save_interval={interval}")
    assert written == [*during, *(() if after else ["epoch_00004"])]
    assert saved(tiny.parent / "output") == (after or ["epoch_00001", "epoch_00004"])


def test_minutes(tiny: Path, written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that shows one minute more at each look: at the beginning, after each step, and after each saving."""
    minutes = iter(range(1000))
    monkeypatch.setattr(saving, "time", SimpleNamespace(monotonic=lambda: 60.0 * next(minutes)))
    run(tiny, "epochs=1", "save_interval={minutes: 3}")
    assert written == ["epoch_00001_step_000003", "epoch_00001"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("0", "save_interval must be at least 1, got 0"),
        ("{epochs: 0}", "save_interval.epochs must be at least 1, got 0"),
        ("{minutes: 0}", "save_interval.minutes must be above 0"),
        ("{hours: 1}", "takes no 'hours'"),
        ("soon", "expected an integer or a section"),
    ],
)
def test_wrong_intervals(value: str, message: str, tiny: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        schema.load(tiny, [f"save_interval={value}"])


def test_the_last_k_and_the_best_are_kept(tiny: Path, written: list[str]) -> None:
    run(tiny, "epochs=5", "keep_checkpoints=2", validate=True)
    assert {f"epoch_{epoch:05d}" for epoch in range(1, 6)} <= set(written)
    assert saved(tiny.parent / "output") == ["best", "epoch_00004", "epoch_00005"]


@given(
    st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(1, 3)), unique=True, max_size=9),
    st.none() | st.integers(1, 3),
)
def test_rotation(tmp_path_factory: pytest.TempPathFactory, places: list, keep: int | None) -> None:
    """The furthest one always stays; inside epochs only those that nothing but another such one is ahead of."""
    folder = tmp_path_factory.mktemp("rotate")
    files = Checkpoints(folder, "x", keep)
    prefixes = {
        place: files.epoch(place[0])
        if place[1] is None
        else files.inside(TrainState(epoch=place[0] - 1, step=place[1]))
        for place in places
    }
    for prefix in prefixes.values():
        for kind in ("pdparams", "pdopt"):
            Path(f"{prefix}.{kind}").write_bytes(b"")
    order = sorted(places, key=lambda place: (place[0], 0) if place[1] is None else (place[0] - 1, place[1]))[::-1]
    assert files.newest_first() == [prefixes[place] for place in order]
    files.rotate()
    epochs = [place for place in order if place[1] is None][: keep or 9]
    inside = [place for place in order[:2] if place[1] is not None]
    left = [place for place in order if place in epochs + inside]
    assert files.newest_first() == [prefixes[place] for place in left]
    assert len(list(folder.iterdir())) == 2 * len(left)


def test_what_killed_processes_left_is_swept_and_living_ones_are_left_alone(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = [f".Tiny_best.pdopt.{dead.pid}.tmp", f".Tiny_best.pdopt.{os.getpid()}.tmp", f".Other.pdopt.{dead.pid}.tmp"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
    Checkpoints(tmp_path, "Tiny").sweep()
    assert {file.name for file in tmp_path.iterdir()} == set(names[1:])


@pytest.mark.parametrize("kind", ["pdopt", "pdparams"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "missing"])
def test_a_damaged_newest_checkpoint_costs_one_interval(kind: str, damage: str, tiny: Path) -> None:
    output = tiny.parent / "output"
    run(tiny, f"output_dir={output}")
    expected = weights.read_state(output / "Tiny_epoch_00002.pdparams")
    newest = output / f"Tiny_epoch_00002.{kind}"
    data = bytearray(newest.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 0x10
    newest.write_bytes(bytes(data) if damage == "flipped" else b"" if damage == "empty" else bytes(data[:-40]))
    if damage == "missing":
        newest.unlink()
    run(tiny, resume="auto")
    text = (output / "run.log").read_text()
    assert "Resume from checkpoint" in text and "Tiny_epoch_00001 (epoch 2, step 0)" in text
    if (kind, damage) != ("pdopt", "missing"):  # then it is no checkpoint that anybody would look for
        assert f"{output}/Tiny_epoch_00002" in text and "trying the checkpoint before it" in text
    again = weights.read_state(output / "Tiny_epoch_00002.pdparams")
    assert all(np.array_equal(expected[name], again[name]) for name in expected)


def test_a_full_disk_ends_the_run_with_a_line_and_leaves_what_was_there(tiny: Path) -> None:
    output = tiny.parent / "output"
    run(tiny, "epochs=1")
    before = {file.name: file.read_bytes() for file in output.iterdir() if file.suffix.startswith(".pd")}
    size = (output / "Tiny_epoch_00001.pdparams").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size // 2, size // 2))

    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "-c", str(tiny), "--resume", "auto"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**python_environment(), "PADDLEVIDEO_RESTARTED": "1"},
        preexec_fn=limit,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "error: " in done.stderr and "cannot be written (File too large); nothing was changed" in done.stderr
    assert "Traceback" not in done.stderr
    assert {file.name: file.read_bytes() for file in output.iterdir() if file.suffix.startswith(".pd")} == before


def test_weights_that_are_not_finite_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(NotFiniteError, match=r"x\.pdparams: not written, b and 1 more holds numbers"):
        checkpoint.save_weights(tmp_path / "x", {"a": np.ones(2), "b": np.array([np.nan]), "c": np.array([np.inf])}, {})
    assert not list(tmp_path.iterdir())


def test_the_optimizers_float32_copies_are_what_is_saved() -> None:
    """--amp_level O2 trains in float16. That needs a GPU; here the copies are put in by hand."""
    model = paddle.nn.Linear(2, 3)
    rough = model.weight.astype("float16").astype("float32")
    exact = rough.numpy() + np.float32(1e-6)

    class O2:
        """What `decorate` leaves of an optimizer, as far as saving goes."""

        def state_dict(self) -> dict:
            return {"master_weights": {model.weight.name: paddle.to_tensor(exact)}}

    model.weight.set_value(rough)
    arrays = checkpoint.full_precision(checkpoint.Parts(model, O2(), None))
    np.testing.assert_array_equal(arrays["weight"], exact)
    assert arrays["weight"].dtype == np.float32 and arrays["bias"].shape == (3,)


def test_a_scaler_goes_through_a_checkpoint(tmp_path: Path) -> None:
    """GradScaler is empty on a CPU; its numbers as a GPU run has them go through the file as they are."""

    class Scaler:
        kept: dict = {"scale": np.float32([512.0]), "incr_count": 7, "use_dynamic_loss_scaling": True}

        def state_dict(self) -> dict:
            return self.kept

        def load_state_dict(self, state: dict) -> None:
            self.loaded = state

    model, scaler = paddle.nn.Linear(2, 3), Scaler()
    optimizer = paddle.optimizer.Momentum(0.1, parameters=model.parameters())
    parts = checkpoint.Parts(model, optimizer, scaler)
    checkpoint.save(tmp_path / "x", parts, TrainState(epoch=3, step=2, sums={"loss": 1.5}), {})
    assert checkpoint.resume(tmp_path / "x", parts) == TrainState(epoch=3, step=2, sums={"loss": 1.5})
    assert scaler.loaded["scale"] == 512.0 and scaler.loaded["incr_count"] == 7


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3),
    max_leaves=6,
)


@given(trees, st.integers(0, 5))
def test_a_checksum_sees_every_leaf(tree: object, number: int) -> None:
    assert checkpoint.checksum(tree) == checkpoint.checksum(json.loads(json.dumps(tree))), "a function of the values"
    assert checkpoint.checksum([tree, number]) != checkpoint.checksum([tree, number + 1])
    array = np.arange(6.0)
    assert checkpoint.checksum({"a": tree, "b": array}) != checkpoint.checksum({"a": tree, "b": array.reshape(2, 3)})
    array[number] = 99
    assert checkpoint.checksum({"a": tree, "b": array}) != checkpoint.checksum({"a": tree, "b": np.arange(6.0)})


def test_a_checkpoint_of_another_config_says_what_differs(tiny: Path, edited: Callable[[str, str], Path]) -> None:
    run(tiny, "epochs=1")
    with pytest.raises(UserError, match="does not fit the model") as caught:
        run(
            edited("in_channels: 16", "in_channels: 24"),
            "MODEL.backbone.channels=[8, 24]",
            resume=str(tiny.parent / "output/Tiny_epoch_00001"),
        )
    assert "its config is another one: MODEL.backbone.channels.1: 16 there, 24 here" in str(caught.value)
