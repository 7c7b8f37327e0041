"""How fast clips are prepared: one process beside bare library calls on the same files, then worker processes.

Each round goes over all the files once; ours and the baselines take turns. Figures are medians over the rounds, ratios
the medians of each round's own ratio.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter

import cv2
import numpy as np

from paddlevideo.loader.batch import collate, mixed
from paddlevideo.loader.dataloader import AHEAD, ClipLoader
from paddlevideo.loader.dataset import FileList, FrameDataset, ListDataset
from paddlevideo.loader.pipelines.decode import FrameDecoder
from paddlevideo.loader.pipelines.mix import Mix
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import mix_rng, sample_rng
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.tasks.benchmark.baselines import baselines, every_frame, wanted_frames
from paddlevideo.tasks.benchmark.turns import in_turn
from paddlevideo.tasks.predict import find_videos
from paddlevideo.tasks.run import blank_clip, build_loader, pipeline_of
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.utils.errors import UserError

SLOWEST = 5  # files that are named
QUALITY = 95  # of the JPEG files that are made of videos, PaddleVideo's and OpenCV's default
PASSES = 3  # over the files, for the shares of the stages: in the first, memory is still being had from the system
STAGES = ("decode", "transform", "collate")


@dataclass(frozen=True)
class Case:
    """Clips to prepare, a round of them, as a split of a config says.

    Attributes:
        size: height and width of the frames that the model gets.
    """

    config: str
    split: Split
    dataset: ListDataset
    pipeline: Pipeline
    mix: Mix | None
    batch_size: int
    seed: int
    size: tuple[int, int]

    def loader(self, workers: int) -> ClipLoader:
        """The clips as a run with so many workers gets them."""
        return ClipLoader(
            self.dataset, self.pipeline, batch_size=self.batch_size, num_workers=workers, seed=self.seed, mix=self.mix
        )


@dataclass(frozen=True)
class Result:
    """The measurement of one case.

    Attributes:
        shape, dtype: of one clip in a batch.
        clips, rounds: prepared a round; how many rounds were timed, after a warm-up.
        rate: clips a second of one process.
        baselines: name -> (clips a second, our rate in it).
        shares: of the time of one process, by stage.
        workers: number of worker processes -> clips a second.
        slowest: (file, seconds) of the slowest files.
    """

    config: str
    split: str
    shape: list[int]
    dtype: str
    clips: int
    rounds: int
    rate: float
    baselines: dict[str, tuple[float, float]]
    shares: dict[str, float]
    workers: dict[int, float]
    slowest: list[tuple[str, float]]


def case_of(
    cfg: RootSection, config: str, split: Split, videos: Sequence[Path], clips: int, scratch: Path, seed: int
) -> Case:
    """The first `clips` clips of a split, or of given videos, over and over where they are fewer.

    Args:
        videos: files and folders of them, instead of the split's list.
        scratch: folder for the image files that are made of `videos` where the split reads image files.
    Raises:
        UserError: the split, its list or a video is missing.
    """
    pipeline = pipeline_of(cfg, split)
    if not videos:
        with build_loader(cfg, split, seed) as loader:
            dataset = loader.dataset
    else:
        files = [video for path in videos for video in find_videos(path)]
        dataset = (
            as_images(files, scratch) if isinstance(pipeline.decode, FrameDecoder) else FileList(list(map(str, files)))
        )
    dataset = repeated(dataset, clips)
    blank = blank_clip(pipeline)
    shape, mix = blank.shape, cfg.MIX if split == "train" else None
    size = (shape[blank.layout.index("h")], shape[blank.layout.index("w")])
    return Case(config, split, dataset, pipeline, mix, min(cfg.DATASET.batch_of(split), clips), seed, size)


def repeated(dataset: ListDataset, clips: int) -> ListDataset:
    """The first `clips` samples, over and over where there are fewer; what cannot be read is not replaced."""
    other = copy.copy(dataset)
    other.on_error = "raise" if dataset.on_error == "raise" else "skip"
    other.records = [dataset.records[i % len(dataset)] for i in range(clips)]
    return other


def as_images(videos: Sequence[Path], scratch: Path) -> FrameDataset:
    """Every frame of the videos as a JPEG file."""
    lines = []
    for number, video in enumerate(videos):
        folder = scratch / str(number)
        folder.mkdir()
        count = 0
        for frame in every_frame(str(video)):
            count += 1
            bgr = cv2.cvtColor(frame.to_ndarray(format="rgb24"), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / f"img_{count:05}.jpg"), bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        lines.append(f"{folder} {count} 0")
    (scratch / "frames.list").write_text("\n".join(lines) + "\n")
    return FrameDataset(str(scratch / "frames.list"))


def measure(case: Case, rounds: int, workers: Sequence[int]) -> Result:
    """Times a case.

    Raises:
        UserError: a file cannot be read, by name.
    """
    cv2.setNumThreads(1)  # as in a worker process
    try:
        wanted = wanted_frames(case.dataset, case.pipeline, case.seed)
    except Unreadable as error:
        raise UserError(f"{error}; nothing was measured") from None
    with case.loader(0) as loader:
        clip = next(loader.epoch(0))["imgs"][0]
        plain = baselines(wanted, *case.size)
        seconds = in_turn({"ours": lambda: _exhaust(loader), **plain}, rounds)
    ours, count = np.array(seconds["ours"]), len(case.dataset)
    shares, files = stages(case)
    return Result(
        config=case.config,
        split=case.split,
        shape=list(clip.shape),
        dtype=str(clip.dtype),
        clips=count,
        rounds=rounds,
        rate=count / median(ours),
        baselines={
            name: (count / median(seconds[name]), float(median(np.array(seconds[name]) / ours))) for name in plain
        },
        shares=shares,
        workers={number: with_workers(case, number, rounds) for number in workers},
        slowest=files,
    )


def _exhaust(loader: ClipLoader) -> None:
    for _ in loader.epoch(0):
        pass


def stages(case: Case) -> tuple[dict[str, float], list[tuple[str, float]]]:
    """The share of each stage in the time of one process, medians of PASSES, and the slowest files."""
    by_file: dict[str, list[float]] = defaultdict(list)
    passes = [_timed_stages(case, by_file) for _ in range(PASSES)]
    spent = {name: median(each[name] for each in passes) for name in STAGES}
    total = sum(spent.values())
    ranking = sorted(((path, median(times)) for path, times in by_file.items()), key=lambda item: -item[1])
    return {name: part / total for name, part in spent.items()}, ranking[:SLOWEST]


def _timed_stages(case: Case, by_file: dict[str, list[float]]) -> dict[str, float]:
    """Seconds of each stage in one pass over the files; adds those of each file to `by_file`."""
    spent = dict.fromkeys(STAGES, 0.0)
    for start in range(0, len(case.dataset), case.batch_size):
        loaded = []
        for index in range(start, min(start + case.batch_size, len(case.dataset))):
            rng, begin = sample_rng(case.seed, 0, index), perf_counter()
            clip = case.pipeline.decode(case.dataset.clip(index), rng)
            clip = case.pipeline.sample(clip, rng)
            clip = clip.with_frames(clip.pixels())  # what would be read later, so that it counts as decoding
            decoded = perf_counter()
            for op in case.pipeline.transform:
                clip = op(clip, rng)
            done = perf_counter()
            spent["decode"] += decoded - begin
            spent["transform"] += done - decoded
            by_file[clip.path].append(done - begin)
            loaded.append((index, clip))
        begin = perf_counter()
        batch = collate(loaded)
        if case.mix is not None:
            mixed(batch, case.mix, loaded[0][1].layout, mix_rng(case.seed, 0, start))
        spent["collate"] += perf_counter() - begin
    return spent


def with_workers(case: Case, number: int, rounds: int) -> float:
    """Clips a second that so many worker processes give in the middle of an epoch, when all of them have work."""
    warm_up = AHEAD * number  # batches that are begun while the processes start
    clips = case.batch_size * (warm_up + number * (rounds + 1))
    with replace(case, dataset=repeated(case.dataset, clips)).loader(number) as loader:
        batches = loader.epoch(0)
        for _ in range(warm_up):
            next(batches)
        begin = perf_counter()
        done = sum(len(batch["label"]) for batch in islice(batches, number * rounds))
        return done / (perf_counter() - begin)
