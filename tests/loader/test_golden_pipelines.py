"""The pipelines of six PaddleVideo configs, against figures measured by running PaddleVideo."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from paddlevideo.loader.batch import collate, normalised
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines import Pipeline
from paddlevideo.loader.pipelines.array import Image2Array, Normalization
from paddlevideo.loader.pipelines.crop import CenterCrop, TenCrop, UniformCrop
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.resize import JitterScale, Scale
from paddlevideo.loader.pipelines.sample import Sampler
from paddlevideo.loader.sources.packets import Timing

RECORDS = json.loads((Path(__file__).parents[1] / "golden" / "pipelines.json").read_text())
VIDEOS = Path(__file__).resolve().parents[2] / "../shared/videos"
IMAGENET = Normalization([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
RNG = np.random.default_rng(0)


def scale_cv2(do_round: bool) -> Scale:
    return Scale(256, fixed_ratio=False, keep_ratio=True, do_round=do_round, backend="cv2")


def left(num_seg: int) -> Sampler:
    return Sampler(num_seg, valid_mode=True, select_left=True)


TSN_VALID = (left(3), [scale_cv2(True), CenterCrop(224, do_round=False)])
TSM = (left(8), [Scale(256, fixed_ratio=False, keep_ratio=True), CenterCrop(224)])
PPTSM = (Sampler(8, valid_mode=True), [Scale(256), CenterCrop(224)])


def timesformer(mean: float, std: float) -> tuple[Sampler, list]:
    to_array = [Normalization([mean] * 3, [std] * 3), Image2Array(data_format="cthw")]
    return Sampler(8, valid_mode=True, linspace_sample=True), [*to_array, JitterScale(224, 224), UniformCrop(224)]


STEPS = {
    ("tsn_k400_videos", "valid"): TSN_VALID,
    ("tsn_k400_videos", "test"): (left(25), [scale_cv2(True), TenCrop(224)]),
    ("tsm_k400_videos", "valid"): TSM,
    ("tsm_k400_videos", "test"): TSM,
    ("tsm_ucf101_videos", "valid"): TSM,
    ("tsm_ucf101_videos", "test"): TSM,
    ("pptsn_k400_videos", "valid"): TSN_VALID,
    ("pptsn_k400_videos", "test"): (
        Sampler(25, valid_mode=True, linspace_sample=True),
        [scale_cv2(False), TenCrop(224)],
    ),
    ("pptsm_k400_videos_uniform", "valid"): PPTSM,
    ("pptsm_k400_videos_uniform", "test"): PPTSM,
    ("timesformer_k400_videos", "test"): timesformer(0.45, 0.225),
    ("pptimesformer_k400_videos", "test"): timesformer(0, 1),
}
each_record = pytest.mark.parametrize("record", RECORDS, ids=lambda r: f"{r['config']}-{r['phase']}-{r['video']}")


def reads_windows(record: dict) -> bool:
    return "timesformer" in record["config"]


@each_record
def test_indices(record: dict) -> None:
    sampler, _ = STEPS[record["config"], record["phase"]]
    if not reads_windows(record):
        assert sampler.indices(record["frames_len"], RNG).tolist() == record["indices"]
        return
    rate, declared = {"example.avi": (25, 131), "demo.mp4": (28, 280)}[record["video"]]
    timing = Timing(np.arange(declared), 1.0, rate, declared)
    span = 32 * 8 / 30 * rate
    assert timing.window(0, span) == (0, record["frames_len"])
    clip = Clip("x", num_frames=record["frames_len"], span=span)
    assert sampler.pick(clip, RNG).tolist() == record["indices"]


@pytest.mark.parametrize("backend", ["decord", "pyav", "cv2"])
@each_record
def test_arrays(record: dict, backend: str) -> None:
    video = VIDEOS / record["video"]
    if not video.exists():
        pytest.skip(f"{video} is not here")
    if backend == "decord":
        pytest.importorskip("decord")
    if reads_windows(record) and backend != "pyav":
        pytest.skip("windows are read by PyAV")
    sampler, transform = STEPS[record["config"], record["phase"]]
    decode = VideoDecoder(backend, mode="test" if reads_windows(record) else None)
    to_array = [] if reads_windows(record) else [Image2Array(), IMAGENET]
    opened = decode(Clip(str(video)), RNG)
    clip = Pipeline(decode, sampler, [*transform, *to_array])(Clip(str(video)), RNG)
    batch = collate([(0, clip)])
    assert batch["imgs"].dtype == (np.float32 if reads_windows(record) else np.uint8)
    array = normalised(batch)[0]
    assert opened.num_frames == record["frames_len"]
    assert list(array.shape) == record["shape"]
    assert array.dtype == np.float32
    *places, values = np.array(record["samples"]).T
    found = array[tuple(np.array(places, dtype=int))]
    assert np.abs(found - values).mean() < 0.02
    if backend == ("pyav" if reads_windows(record) else "decord"):  # the reference's
        np.testing.assert_allclose(found, values, atol=1e-4)
        np.testing.assert_allclose([array.mean(), array.std()], [record["mean"], record["std"]], atol=1e-4)
