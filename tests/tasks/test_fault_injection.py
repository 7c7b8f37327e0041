"""200 clips of which 20 are broken in ten ways, trained, validated and tested: every count and figure is exact."""

from __future__ import annotations

import json
import os
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from broken import WAYS
from synthetic import encode, write_frames
from tiny import TINY

from paddlevideo.tasks import schema, train
from paddlevideo.tasks import test as testing
from paddlevideo.tasks.evaluate import Evaluation
from paddlevideo.tasks.saving import Saver
from paddlevideo.tasks.start import TrainOptions
from paddlevideo.tasks.test import ResultOptions
from paddlevideo.tasks.unreadable import listing
from paddlevideo.utils import log

CLIPS, CLASSES = 200, 8
BROKEN = dict(zip(random.Random(1).sample(range(CLIPS), 2 * len(WAYS)), [*WAYS, *WAYS]))  # index -> way


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clips, all.list of all of them, and readable.list of those that are not broken."""
    folder = tmp_path_factory.mktemp("faults")
    rng = np.random.default_rng(0)
    for i in range(CLASSES):
        encode(folder / f"good{i}.mp4", rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8))
    lines = []
    for i in range(CLIPS):
        path = folder / f"{i:03}.mp4"
        good = folder / f"good{i % CLASSES}.mp4"
        if i in BROKEN:
            path.write_bytes(good.read_bytes())
            WAYS[BROKEN[i]][0](path)
        else:
            os.link(good, path)
        lines.append(f"{path.name} {(i * 7) % CLASSES}\n")
    (folder / "all.list").write_text("".join(lines))
    (folder / "readable.list").write_text("".join(line for i, line in enumerate(lines) if i not in BROKEN))
    (folder / "labels.txt").write_text("".join(f"{i} class {i}\n" for i in range(CLASSES)))
    return folder


@pytest.fixture
def config(clips: Path, tmp_path: Path) -> Callable[..., list]:
    """Overrides of the tiny config: config(list, on_error, ...); the path comes first."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(data=clips, output=tmp_path / "output"))

    def arguments(name: str, on_error: str, *more: str) -> list:
        splits = ("train", "valid", "test")
        files = [f"DATASET.{split}.file_path={clips}/{name}.list" for split in splits]
        errors = [f"DATASET.{split}.on_error={on_error if split == 'train' else 'skip'}" for split in splits]
        return [path, [*files, *errors, "DATASET.batch_size=8", "DATASET.test_batch_size=7", "epochs=1", *more]]

    return arguments


def assert_listed(path: Path, clips: Path) -> None:
    """Every broken clip, once, in order, with its reason and its line of the list."""
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    assert [name for name, _ in rows] == [f"{clips}/{i:03}.mp4" for i in sorted(BROKEN)]
    for i, (_, reason) in zip(sorted(BROKEN), rows):
        assert re.search(WAYS[BROKEN[i]][1], reason) and reason.endswith(f" ({clips}/all.list:{i + 1})")


def run(path: Path, overrides: list[str], **options: object) -> str:
    """Trains; returns what was logged."""
    resolved = schema.load(path, overrides)
    log.setup(resolved.root.output / "run.log")
    train.train(resolved, TrainOptions(**options))  # type: ignore[arg-type]
    return (resolved.root.output / "run.log").read_text()


def evaluated(path: Path, overrides: list[str], **options: object) -> Evaluation:
    output = Path(path).parent / "output"
    weights = str(output / "Tiny_epoch_00001.pdparams")
    log.setup(output / "test.log")
    return testing.test(schema.load(path, overrides), weights, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("on_error", "workers"), [("skip", 2), ("substitute", 0)])
def test_trained_validated_and_tested(
    on_error: str, workers: int, config: Callable[..., list], clips: Path, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    precise = "PRECISEBN={preciseBN_interval: 1, num_iters_preciseBN: 25}"
    log_text = run(*config("all", on_error, f"DATASET.num_workers={workers}", precise), validate=True)
    for split in ("train", "valid", "precise_bn"):
        assert f"20 of 200 {split} samples unreadable; {listing(output, split)} lists them" in log_text
        assert_listed(listing(output, split), clips)
    (val,) = re.findall(r"END epoch:1 .*val .*", log_text)
    assert val.endswith(", on 180 of 200 samples")

    found = evaluated(*config("all", "skip"), options=ResultOptions(out=tmp_path / "result.json"))
    expected = evaluated(*config("readable", "skip"))
    assert found.total == 200 and found.index.tolist() == [i for i in range(CLIPS) if i not in BROKEN]
    assert found.figures["top1"] == expected.figures["top1"] == (found.scores.argmax(1) == found.labels).mean()
    assert found.figures["top5"] == expected.figures["top5"] and len(expected.index) == expected.total == 180
    assert f"top1_avg: {found.figures['top1']:.5f} " in val  # the same weights on the same clips
    test_log = (output / "test.log").read_text()
    assert "[TEST] on 180 of 200 samples" in test_log and "[TEST] on 180 of 180 samples" in test_log
    assert "20 of 200 test samples unreadable" in test_log and "0 of 180 test samples unreadable\n" in test_log
    assert not listing(output, "test").exists()  # the last test met none
    said = json.loads((tmp_path / "result.json").read_text())["unreadable"]
    assert [item["file"] for item in said] == [f"{clips}/{i:03}.mp4" for i in sorted(BROKEN)]


def test_a_run_that_is_cut_short_keeps_its_list_and_a_resumed_one_counts_each_sample_once(
    config: Callable[..., list], clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = train.Trainer._forward_backward

    def interrupted(self: train.Trainer, *arguments: object, **options: object) -> object:
        if self.state.step == 15:
            raise KeyboardInterrupt
        return step(self, *arguments, **options)  # type: ignore[arg-type]

    path, overrides = config("all", "skip", "epochs=2")
    output = tmp_path / "output"
    stale = listing(output, "valid")
    stale.parent.mkdir()
    stale.write_text("of an earlier run\tno such file\n")
    with monkeypatch.context() as patch:
        patch.setattr(train.Trainer, "_forward_backward", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(path, overrides)
    assert not list(output.glob("*_step_*"))
    first = listing(output, "train").read_text().splitlines()
    assert 0 < len(first) < 20
    assert f"{len(first)} of 200 train samples unreadable so far; " in (output / "run.log").read_text()

    with monkeypatch.context() as patch:
        patch.setattr(Saver, "after_step", lambda self, iteration, steps: stop_at(self, 16))
        with pytest.raises(RuntimeError):
            run(path, overrides)
    assert len(list(output.glob("*_step_000016.pdparams"))) == 1
    text = run(path, overrides, resume="auto")
    assert "20 of 200 train samples unreadable; " in text
    assert_listed(listing(output, "train"), clips)


def stop_at(saver: Saver, step: int) -> None:
    if saver.state.step == step:
        raise RuntimeError("the lights went out")


def test_what_is_remembered_after_a_resume_is_the_part_before_it(
    config: Callable[..., list], clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One epoch, stopped in the middle: its second part alone would count only what it meets itself."""
    path, overrides = config("all", "substitute")
    with monkeypatch.context() as patch:
        patch.setattr(Saver, "after_step", lambda self, iteration, steps: stop_at(self, 12))
        with pytest.raises(RuntimeError):
            run(path, overrides)
    before = set(listing(tmp_path / "output", "train").read_text().splitlines())
    assert 0 < len(before) < 20
    assert "20 of 200 train samples unreadable; " in run(path, overrides, resume="auto")
    assert_listed(listing(tmp_path / "output", "train"), clips)
    (clips / "gone.list").write_text((clips / "readable.list").read_text())
    run(*config("gone", "skip"))  # a new run in the same folder
    assert not listing(tmp_path / "output", "train").exists()


def test_frame_folders(config: Callable[..., list], clips: Path, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    for i in range(8):
        write_frames(tmp_path / f"frames/{i}", frames)
    (tmp_path / "frames/2/img_00003.jpg").unlink()
    (tmp_path / "frames/5/img_00004.jpg").write_bytes(b"not an image")
    (tmp_path / "frames/6/img_00001.jpg").unlink()
    os.mkfifo(tmp_path / "frames/6/img_00001.jpg")
    counts = [6, 9, 6, 6, 6, 6, 6, 5]
    path = tmp_path / "frames.list"
    path.write_text("".join(f"{tmp_path}/frames/{i} {count} {i}\n" for i, count in enumerate(counts)))
    dataset = f"DATASET.test={{format: FrameDataset, file_path: {path}, on_error: skip}}"
    config_path, overrides = config("readable", "skip", "epochs=1")
    run(config_path, overrides)
    found = evaluated(config_path, [*overrides[:-1], dataset, "PIPELINE.test.decode={name: FrameDecoder}"])
    assert found.index.tolist() == [0, 3, 4, 7] and found.total == 8
    rows = [line.split("\t") for line in listing(tmp_path / "output", "test").read_text().splitlines()]
    assert [row[0] for row in rows] == [f"{tmp_path}/frames/{i}" for i in (1, 2, 5, 6)]
    for (_, reason), named, line in zip(
        rows,
        [
            "the list counts 9 frames",
            "img_00003",
            "img_00004.jpg is no image",
            "img_00001.jpg cannot be read: it is not a regular file",
        ],
        (2, 3, 6, 7),
    ):
        assert named in reason and reason.endswith(f" ({path}:{line})"), reason
