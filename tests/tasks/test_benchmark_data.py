"""The benchmark of data: that the baselines read the pipeline's frames, and that the figures are what they say."""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from synthetic import encode, numbered, read_number

from paddlevideo.cli import benchmark as command
from paddlevideo.tasks import schema
from paddlevideo.tasks.benchmark import baselines, data_report, growth
from paddlevideo.tasks.benchmark import data as bench
from paddlevideo.utils.errors import UserError

FRAMES = {"{name: VideoDecoder}": "{name: FrameDecoder}", "format: VideoDataset": "format: FrameDataset"}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return encode(tmp_path / "a.mp4", numbered(40), bf="2", preset="medium", g="12")


def case_of(config: Path, split: str, videos: list[Path], scratch: Path, clips: int = 3) -> bench.Case:
    scratch.mkdir(exist_ok=True)
    return bench.case_of(schema.load(config).root, str(config), split, videos, clips, scratch, seed=5)  # type: ignore[arg-type]


def test_given_videos_are_repeated_to_as_many_clips_as_asked(tiny: Path, video: Path, tmp_path: Path) -> None:
    other = encode(tmp_path / "b.mp4", numbered(9))
    case = case_of(tiny, "test", [video, other], tmp_path / "scratch", clips=5)
    assert [Path(case.dataset.clip(i).path).name for i in range(5)] == ["a.mp4", "b.mp4", "a.mp4", "b.mp4", "a.mp4"]
    assert (case.batch_size, case.size) == (3, (16, 16))
    with case.loader(0) as loader:
        assert [batch["imgs"].shape for batch in loader.epoch(0)] == [(3, 4, 3, 16, 16), (2, 4, 3, 16, 16)]


def test_without_videos_it_is_the_list_of_the_split(tiny: Path, tmp_path: Path) -> None:
    case = case_of(tiny, "valid", [], tmp_path / "scratch", clips=12)  # of 10
    paths = [case.dataset.clip(i).path for i in range(12)]
    assert len(set(paths)) == 10 and paths[10:] == paths[:2]


def test_a_list_whose_unreadable_videos_are_replaced_can_be_measured(
    tiny: Path, tmp_path: Path, edited: Callable[[str, str], Path]
) -> None:
    edited("train: &train {", "train: &train {on_error: substitute, ")
    case = case_of(tiny, "train", [], tmp_path / "scratch", clips=4)
    with case.loader(0) as loader:
        assert [len(batch["label"]) for batch in loader.epoch(0)] == [4]


def test_the_frames_that_the_baselines_read_are_the_pipeline_s(
    tiny: Path, video: Path, tmp_path: Path, edited: Callable[[str, str], Path]
) -> None:
    wanted = baselines.wanted_frames(*parts(case_of(tiny, "test", [video], tmp_path / "scratch")))
    assert [(item.path, item.indices, item.images) for item in wanted] == [(str(video), [5, 15, 25, 35], [])] * 3
    edited("{name: VideoDecoder}", "{name: VideoDecoder, mode: test, num_seg: 4, sampling_rate: 6}")
    edited(
        "{name: Sampler, num_seg: 4, seg_len: 1, valid_mode: True", "{name: Sampler, num_seg: 4, linspace_sample: True"
    )
    (item, *_) = baselines.wanted_frames(*parts(case_of(tiny, "test", [video], tmp_path / "scratch")))
    assert item.indices == [0, 6, 12, 19]  # a window of 24 / 30 s at 25 frames a second


def parts(case: bench.Case) -> tuple:
    return case.dataset, case.pipeline, case.seed


def test_videos_become_images_for_a_pipeline_of_images(
    tiny: Path, video: Path, tmp_path: Path, edited: Callable[[str, str], Path]
) -> None:
    for old, new in FRAMES.items():
        edited(old, new)
    case = case_of(tiny, "test", [video], tmp_path / "scratch")
    (first, *_) = baselines.wanted_frames(*parts(case))
    shown = [read_number(cv2.imdecode(image, cv2.IMREAD_COLOR)) for image in first.images]
    assert first.indices == shown == [5, 15, 25, 35]
    assert set(bench.measure(case, 1, []).baselines) == {"imdecode"}


def test_figures(tiny: Path, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(tiny, "test", [video], tmp_path / "scratch")
    times = {"ours": [0.5, 0.25, 0.3], "sequential": [0.6, 0.5, 0.3], "undisplayed": [0.25] * 3, "decord": [1.0] * 3}
    asked: list[list[str]] = []

    def in_turn(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
        asked.append(list(runs))
        return {name: times[name][:rounds] for name in runs}

    monkeypatch.setattr(bench, "in_turn", in_turn)
    result = bench.measure(case, 3, [1])
    assert asked[0][:3] == ["ours", "sequential", "undisplayed"]
    assert (result.clips, result.rounds, result.shape) == (3, 3, [4, 3, 16, 16])
    assert result.rate == pytest.approx(3 / 0.3)
    assert result.baselines["sequential"] == pytest.approx((3 / 0.5, 1.2))  # ratios 1.2, 2, 1
    assert result.baselines["undisplayed"] == pytest.approx((3 / 0.25, 0.25 / 0.3))
    assert set(result.shares) == set(bench.STAGES) and sum(result.shares.values()) == pytest.approx(1)
    assert result.shares["decode"] > result.shares["transform"] > 0
    assert result.workers[1] > 0
    ((name, seconds),) = result.slowest
    assert name == str(video) and seconds > 0


def test_an_unreadable_video_is_named(tiny: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video")
    with pytest.raises(UserError, match=r"broken\.mp4: .*nothing was measured"):
        bench.measure(case_of(tiny, "test", [broken], tmp_path / "scratch"), 1, [])


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_memory_of_a_worker(tiny: Path, video: Path, tmp_path: Path) -> None:
    found = growth.growth(case_of(tiny, "train", [video], tmp_path / "scratch"), 20)
    assert found is not None
    assert found.clips == 21  # batches of 3 until there are 20
    assert found.early > 20 * 2**20 and found.late > 20 * 2**20
    assert growth.Growth(100, 200, 210).share == pytest.approx(0.05)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        assert child.pid in growth.children() and os.getpid() not in growth.children()
        child.communicate(b"\n")
    assert child.pid not in growth.children() and growth.resident(child.pid) == 0


def result(**changes: object) -> bench.Result:
    plain = {
        "config": "c.yaml", "split": "train", "shape": [8, 3, 224, 224], "dtype": "uint8", "clips": 8, "rounds": 5,
        "rate": 15.0, "baselines": {"sequential": (10.0, 1.5)},
        "shares": {"decode": 0.9, "transform": 0.08, "collate": 0.02},
        "workers": {1: 14.0, 2: 28.0, 4: 29.0}, "slowest": [("a.mp4", 0.0625)],
    }  # fmt: skip
    return bench.Result(**{**plain, **changes})  # type: ignore[arg-type]


def test_report() -> None:
    text = "\n".join(data_report.lines(result(), growth.Growth(2000, 200 * 2**20, 204 * 2**20)))
    for line in (
        "c.yaml train: clips of 8x3x224x224 uint8; 8 clips a round",
        "sequential         10.00 clips/s  ours 1.50 times that",
        "2 workers          28.00 clips/s  1.87 times one process",
        "decode 90%, transform 8%, collate 2%",
        "62.5 ms   a.mp4",
        "a worker had 200 MB after a tenth of 2000 clips and 204 MB at the end: +2.0%\n",
        "num_workers: 2 is enough for 28.0 clips/s",
        "; 4 bring less than a tenth more",
        "decoding is 90% of the time: paddlevideo prepare transcode",
    ):
        assert line in text
    grown = "\n".join(data_report.lines(result(), growth.Growth(2000, 200, 220)))
    assert "+10.0%, above the target of 5%" in grown
    images = result(baselines={"imdecode": (300.0, 0.9)}, workers={})
    assert not [line for line in data_report.advice(images) if "transcode" in line]
    assert next(data_report.advice(images)).startswith("num_workers: 0 is enough for 15.0 clips/s")


def test_the_command(tiny: Path, video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out = tmp_path / "out.json"
    command.run(
        parser.parse_args(
            ["data", str(tiny), "--split", "train", "test", "--videos", str(video), "--clips", "4", "--repeat", "1"]
            + ["--workers", "1", "--memory_clips", "8", "--json", str(out)]
        )
    )
    found = json.loads(out.read_text())
    assert [(row["split"], row["clips"]) for row in found["results"]] == [("train", 4), ("test", 4)]
    assert found["results"][0]["memory"]["clips"] == 8
    assert found["results"][0]["baselines"]["sequential"][1] > 0
    printed = capsys.readouterr().out
    assert printed.count("clips of 4x3x16x16") == 2 and found["machine"]["cpu"] in printed
    assert np.isfinite(found["results"][1]["rate"])
