"""The checks of a config: each is triggered by one change of a sound one, and silent before it."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import paddle
import pytest

from paddlevideo.tasks import schema
from paddlevideo.tasks.doctor import config_checks, storage
from paddlevideo.tasks.doctor.finding import Finding
from paddlevideo.tasks.doctor.machine import Machine
from paddlevideo.tasks.run import build_model
from paddlevideo.utils import environment

HERE = Machine(python=(3, 11, 0), packages={}, memory=10**9)
FLIP = ("    - RandomCrop", "    - RandomFlip:\n    - RandomCrop")


def found(path: Path, weights: str | None = None) -> list[Finding]:
    """Everything found in a config, but for what is in order."""
    resolved, findings = config_checks.resolve(str(path), [])
    if resolved is not None:
        findings = findings + config_checks.check(resolved.root, weights)[1]
    return [item for item in findings if item.level != "ok"]


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "cores", lambda: 2)


@pytest.mark.usefixtures("two_cores")
def test_a_sound_config(tiny: Path) -> None:
    workers = "0: the model waits while clips are read"
    fix = "-o DATASET.num_workers=1 reads the next clips meanwhile"
    assert found(tiny) == [Finding("note", "DATASET.num_workers", workers, fix)]


def test_every_fault_is_a_finding(edited: Callable[[str, str], Path]) -> None:
    edited("drop_ratio: 0.5", "drop_ration: 0.5")
    path = edited("log_interval: 2", "log_interval: often")
    fix, line = (
        "correct it; docs/config.md has all keys",
        path.read_text().splitlines().index("log_interval: often") + 1,
    )
    assert found(path) == [
        Finding(
            "error",
            f"{path}:5",
            "MODEL.head.drop_ration: TSMHead takes no 'drop_ration'; did you mean 'drop_ratio'?",
            fix,
        ),
        Finding("error", f"{path}:{line}", "log_interval: expected an integer, got the text 'often'", fix),
    ]


def test_no_config(tmp_path: Path) -> None:
    (item,) = found(tmp_path / "none.yaml")
    assert item.level == "error" and item.where == "config" and str(tmp_path / "none.yaml") in item.what


CASES = {
    "a model that cannot be built": (
        "in_channels: 16",
        "in_channels: 8",
        ("error", "MODEL", "head.in_channels=8, but ConvNet gives 16"),
    ),
    "frames that do not fit": (
        "num_seg: 4, seg_len: 1, valid_mode: False",
        "num_seg: 3, seg_len: 1, valid_mode: False",
        ("error", "PIPELINE.train", "not a multiple of the backbone's num_seg=4"),
    ),
    "a pipeline that is missing": (
        "  test: *test\n",
        "",
        ("warning", "PIPELINE.test", "is missing, but DATASET.test is there"),
    ),
    "pretrained that is missing": (
        "shift_ratio: 0.25",
        "shift_ratio: 0.25, pretrained: data/none.pdparams",
        ("error", "MODEL.backbone.pretrained", "data/none.pdparams: no such file"),
    ),
    "too few names": (
        "num_classes: 8",
        "num_classes: 9",
        ("error", "DATASET.labels", "no name for class 8, but the model has 9 classes"),
    ),
    "a batch that does not divide": (
        "log_interval: 2",
        "log_interval: 2\nGRADIENT_ACCUMULATION: {global_batch_size: 6}",
        ("error", "GRADIENT_ACCUMULATION", "6 is not a multiple of 4"),
    ),
    "a rate for another batch": (
        "  momentum: 0.9",
        "  momentum: 0.9\n  base_batch_size: 64",
        ("warning", "OPTIMIZER.learning_rate", "this run's is 4, for which --scale-lr would scale them by 0.0625"),
    ),
    "too many workers": (
        "  batch_size: 4",
        "  batch_size: 4\n  num_workers: 64",
        ("warning", "DATASET.num_workers", "64 processes for 2 cores only take memory"),
    ),
    "mirrored directions": (
        *FLIP,
        ("warning", "PIPELINE.train RandomFlip", "4 classes tell left from right, such as 'moving right'"),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("two_cores")
def test_one_change_one_finding(case: str, tiny: Path, edited: Callable[[str, str], Path]) -> None:
    old, new, (level, where, what) = CASES[case]
    before = found(tiny)
    if "pretrained" in new:
        old, new = "{name: ConvNet, channels: [8, 16], num_seg: 4, shift_ratio: 0.25}", BIGGER
        edited("in_channels: 16", "in_channels: 512")
    (item,) = [one for one in found(edited(old, new)) if one not in before]
    assert (item.level, item.where) == (level, where) and what in item.what and item.fix


BIGGER = "{name: ResNetTSM, depth: 18, num_seg: 4, pretrained: data/none.pdparams}"


@pytest.mark.usefixtures("two_cores")
def test_a_map_silences_the_warning_about_mirrors(tiny: Path, edited: Callable[[str, str], Path]) -> None:
    before = found(tiny)
    (item,) = [one for one in found(edited(*FLIP)) if one not in before]
    assert item.fix == "leave RandomFlip out, or give it flip_label_map: {0: 1, 1: 0, 6: 7, 7: 6}"
    path = edited("RandomFlip:", "RandomFlip: {flip_label_map: {0: 1, 1: 0, 6: 7, 7: 6}}")
    assert found(path) == before


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Pushing something from left to right", "Pushing something from right to left"], {0: 1, 1: 0}),
        (["turn LEFT", "stop", "turn_right"], {}),
        (["turn_LEFT", "stop", "turn_right"], {0: 2, 2: 0}),
        (["turning clockwise", "turning anticlockwise"], {0: 1, 1: 0}),
        (["turning clockwise", "turning counterclockwise"], {0: 1, 1: 0}),
        (["a bright cleft", "an upright copyright"], {}),
        (["left"], {}),
    ],
)
def test_the_suggested_map(names: list[str], expected: dict[int, int]) -> None:
    assert config_checks.mirror_map(names) == expected


def test_weights_that_fit_and_that_do_not(tiny: Path, tmp_path: Path) -> None:
    cfg = schema.load(tiny).root
    good, bad = tmp_path / "good.pdparams", tmp_path / "bad.pdparams"
    paddle.save(build_model(cfg).state_dict(), str(good))
    paddle.save({"x": paddle.zeros([1])}, str(bad))
    model = build_model(cfg)
    assert list(config_checks._weights(cfg, model, str(good))) == [Finding("ok", "--weights", f"{good} fits the model")]
    (item,) = config_checks._weights(cfg, model, str(bad))
    assert item.level == "error" and "none of its 1 arrays belongs to this model" in item.what


# --- disk and memory --------------------------------------------------------------------------------------------------


def test_room_for_checkpoints(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cfg = schema.load(tiny).root
    model = build_model(cfg)
    (item,) = storage.check(cfg, model)
    # epochs 1 and 2, the best, and one being written; each number in float32, and once more for its momentum
    trained = sum(value.size for value in model.parameters() if not value.stop_gradient)
    held = sum(value.size for value in model.state_dict().values())
    size = f"{4 * (trained + held) / 1000:.1f} kB"
    assert item.level == "ok" and f"a run keeps 4 checkpoints of {size}, " in item.what
    for free, level in ((8 * (trained + held), "warning"), (trained + held, "error")):
        monkeypatch.setattr(storage.shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        (item,) = storage.check(cfg, model)
        assert item.level == level and item.fix


@pytest.mark.parametrize(
    ("epochs", "interval", "expected"), [(1, 1, 3), (10, 1, 12), (10, 3, 6), (10, 4, 6), (5, 9, 4)]
)
def test_how_many_checkpoints(epochs: int, interval: int, expected: int, tiny: Path) -> None:
    cfg = schema.load(tiny, [f"epochs={epochs}", f"save_interval={interval}"]).root
    assert storage.checkpoints(cfg) == expected


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (item,) = storage.writable("output_dir", tmp_path / "file" / "below")
    assert (item.level, item.what) == (
        "error",
        f"{tmp_path / 'file' / 'below'}: {tmp_path / 'file'} is a file, not a folder",
    )
    assert not list(storage.writable("output_dir", tmp_path / "new" / "below"))


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.os, "access", lambda path, mode: False)  # root may write anywhere
    (item,) = storage.writable("log_dir", tmp_path / "new")
    assert (
        item.what == f"{tmp_path / 'new'}: {tmp_path} cannot be written to" and item.fix == "-o log_dir=ANOTHER_FOLDER"
    )


def test_memory_of_waiting_batches(tiny: Path) -> None:
    assert not list(storage.waiting(schema.load(tiny).root, HERE))  # no workers, no waiting
    cfg = schema.load(tiny, ["DATASET.num_workers=3"]).root
    clip = storage.blank_clip(cfg.PIPELINE.train).array()
    assert clip.shape == (4, 3, 16, 16)
    assert storage.waiting_bytes(cfg) == clip.nbytes * 4 * 2 * 3  # clips a batch, batches a worker, workers
    assert [item.level for item in storage.waiting(cfg, HERE)] == ["ok"]
    tight = Machine(python=(3, 11, 0), packages={}, memory=clip.nbytes * 40, memory_files=False)
    assert [item.level for item in storage.waiting(cfg, tight)] == ["warning", "note"]
