"""The command average: exact means of files, statistics measured anew, mistakes told before anything is written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddlevideo.modeling import weights
from paddlevideo.tasks import average as task
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.average import average
from paddlevideo.tasks.precise_bn import measure
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.utils import seed
from paddlevideo.utils.environment import python_environment
from paddlevideo.utils.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


def write(path: Path, **arrays: Any) -> Path:
    named = {name: np.asarray(value) for name, value in arrays.items()}
    weights.save_state({k: v.astype("float32") if v.dtype == float else v for k, v in named.items()}, path, path.suffix)
    return path


@pytest.fixture
def models(tiny: Path, tmp_path: Path) -> list[Path]:
    """Two files of the tiny model, with other weights."""
    paths = [tmp_path / "one.pdparams", tmp_path / "two.safetensors"]
    for number, path in enumerate(paths):
        seed.seed_model(number)
        weights.save_state(weights.state_arrays(run.build_model(schema.load(tiny).root)), path, path.suffix)
    return paths


def test_shares_and_both_forms(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.pdparams", x=[1.0, 2.0]), write(tmp_path / "b.safetensors", x=[4.0, -7.0])]
    for out in (tmp_path / "c.pdparams", tmp_path / "c.safetensors"):
        average(paths, out)
        assert weights.read_state(out)["x"].tolist() == [2.5, -2.5]
        average(paths, out, [2, 1])
        assert weights.read_state(out)["x"].tolist() == [2, -1] and weights.read_state(out)["x"].dtype == np.float32


def test_one_file_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read is let go before the next file is read."""
    paths = [write(tmp_path / f"{i}.pdparams", x=[float(i)]) for i in range(4)]
    alive: list[int] = []

    class Watched(dict):
        def __init__(self, state: dict[str, np.ndarray]) -> None:
            super().__init__(state)
            alive.append(1)

        def __del__(self) -> None:
            alive.pop()

    def read(path: Path) -> Watched:
        assert not alive
        return Watched(read_state(path))

    read_state = weights.read_state
    monkeypatch.setattr(weights, "read_state", read)
    average(paths, tmp_path / "out.pdparams")
    monkeypatch.undo()
    assert weights.read_state(tmp_path / "out.pdparams")["x"] == [1.5]


def test_statistics_are_means_until_they_are_measured(models: list[Path], tiny: Path, tmp_path: Path) -> None:
    plain, measured = tmp_path / "plain.pdparams", tmp_path / "measured.pdparams"
    average(models, plain)
    cfg = schema.load(tiny, ["MIX={name: VideoMix}"]).root
    average(models, measured, cfg=cfg, batches=2)
    states = [weights.read_state(path) for path in (*models, plain, measured)]
    one, two, mean, anew = states
    for name, value in mean.items():
        assert np.array_equal(value, ((one[name].astype("float64") + two[name]) / 2).astype("float32"))
        assert np.array_equal(value, anew[name]) != name.endswith(("._mean", "._variance")), name

    expected = run.build_model(cfg)
    weights.load_weights(expected, plain)
    loader = run.build_loader(cfg, "train", task.SEED, clean=True)
    measure(expected, [to_tensors(batch) for _, batch in zip(range(2), loader.epoch(0))])
    loader.close()
    assert all(np.array_equal(anew[name], value) for name, value in weights.state_arrays(expected).items())


def test_a_model_without_statistics(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "measured_layers", lambda model: [])
    paths = [tmp_path / "a.pdparams", tmp_path / "b.pdparams"]
    for path in paths:
        weights.save_state(weights.state_arrays(run.build_model(schema.load(tiny).root)), path, path.suffix)
    average(paths, tmp_path / "c.pdparams", cfg=schema.load(tiny).root)
    one, two, mean = (weights.read_state(path) for path in (*paths, tmp_path / "c.pdparams"))
    assert all(np.allclose(mean[name], (one[name] + two[name]) / 2) for name in mean)


def test_mistakes(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a.pdparams", x=[1.0], n=[1.0]), write(tmp_path / "b.pdparams", x=[1.0, 2.0])
    whole, nan = write(tmp_path / "i.pdparams", x=[1.0], n=[1]), write(tmp_path / "n.pdparams", x=[np.nan], n=[1.0])
    out = tmp_path / "out.pdparams"

    def told(paths: list[Path], target: Path = out, shares: list[float] | None = None) -> str:
        with pytest.raises(UserError) as caught:
            average(paths, target, shares)
        return str(caught.value)

    assert told([a]) == "an average is of two or more files; name them before -o"
    assert told([a, tmp_path / "." / "a.pdparams"]).startswith("a file is given twice")
    assert told([a, b], tmp_path / "out.pth").startswith(f"{tmp_path}/out.pth: the result is written as .pdparams")
    assert told([a, b], a) == f"{a}: would replace one of the files it is made from; give it another name"
    assert told([a, b], shares=[1.0]) == "--shares gives 1 numbers for 2 files; give one for each"
    assert told([a, b], shares=[1.0, 0.0]) == "--shares 0: a share must be above 0 and at most 1e9"
    assert told([a, b], shares=[1.0, float("nan")]).startswith("--shares nan")
    differences = "its arrays are not those of the files before it: missing: n; x is [2] instead of [1]"
    assert told([a, b]) == f"{b}: {differences}"
    assert told([a, whole]) == f"{whole}: only floating-point arrays have a mean: n is int64"
    assert told([nan, a]) == f"{nan}: the training that made it had diverged: values that are no numbers in x"
    assert told([a, tmp_path / "none.pdparams"]).endswith("none.pdparams: cannot be read (No such file or directory)")
    assert not out.exists() and set(weights.read_state(a)) == {"x", "n"}


def test_files_of_another_model_than_the_configs(models: list[Path], tiny: Path, tmp_path: Path) -> None:
    cfg = schema.load(tiny, ["MODEL.head.num_classes=9"]).root
    with pytest.raises(UserError, match=r"one.pdparams does not fit the model.* head.fc.weight is \[16, 8\]"):
        average(models, tmp_path / "out.pdparams", cfg=cfg)
    assert not (tmp_path / "out.pdparams").exists()


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "paddlevideo", "average", *map(str, arguments)]
    return subprocess.run(
        line, capture_output=True, text=True, timeout=200, check=False, cwd=ROOT, env=python_environment()
    )


def test_the_command(models: list[Path], tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "mean.pdparams"
    done = command(*models, "-o", out, "--shares", 3, 1, "--config", tiny, "--batches", 2)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        f"{models[0]}: 0.75 of the mean",
        "measuring statistics: batch 1 of 2",
        "the statistics of 2 batch normalisations measured on 2 batches",
        f"wrote {out}: 12 arrays, the mean of 2 files",
    ):
        assert f"] {line}\n" in done.stdout
    model = run.build_model(schema.load(tiny).root)
    weights.load_weights(model, out)
    assert [path.name for path in out.parent.iterdir()] == ["mean.pdparams"]


def test_the_command_told_wrong(models: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "mean.pdparams"
    done = command(*models, "-o", models[0])
    assert done.returncode == 2
    assert done.stderr == f"error: {models[0]}: would replace one of the files it is made from; give it another name\n"
    done = command(*models, "-o", out, "--batches", 3)
    assert done.returncode == 2 and done.stderr.startswith("error: --override and --batches are for measuring")
    assert command(*models).returncode == 2 and not out.exists()
    plain = command(*models, "-o", out)
    assert plain.returncode == 0 and "(4 arrays) are means too" in plain.stdout
