"""What the preparation of clips is measured against: the same files read with bare library calls, in one thread."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter

from paddlevideo.loader.dataset import ListDataset
from paddlevideo.loader.pipelines.decode import Window
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.plan import sample_rng
from paddlevideo.loader.sources.frame_folder import FrameFolder


@dataclass(frozen=True)
class Wanted:
    """The frames that a pipeline takes from one file: 0-based, each once, rising.

    `images` holds their files, still encoded, where the pipeline reads a folder of them.
    """

    path: str
    indices: list[int]
    images: list[np.ndarray]


def wanted_frames(dataset: ListDataset, pipeline: Pipeline, seed: int) -> list[Wanted]:
    """What the pipeline takes from every sample in epoch 0."""
    found = []
    for number in range(len(dataset)):
        rng = sample_rng(seed, 0, number)
        clip = pipeline.decode(dataset.clip(number), rng)
        sampler: Any = pipeline.sample
        source, indices = clip.source, sorted(set(sampler.pick(clip, rng).tolist()))
        images = []
        if isinstance(source, FrameFolder):
            images = [np.fromfile(source.file(i), np.uint8) for i in indices]
        elif isinstance(source, Window):
            indices = [source.first + i for i in indices]
        found.append(Wanted(clip.path, indices, images))
    return found


def every_frame(path: str) -> Iterator[av.VideoFrame]:
    """All frames of a video in order, decoded by PyAV in one thread."""
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        yield from container.decode(stream)


def _sequential(item: Wanted) -> None:
    reformat = VideoReformatter().reformat  # one for all; `frame.to_ndarray` would make one a frame, which is slow
    for frame in every_frame(item.path):
        reformat(frame, format="rgb24", threads=1).to_ndarray()


def _undisplayed(item: Wanted) -> None:
    for _ in every_frame(item.path):
        pass


def _decord(item: Wanted) -> None:
    import decord

    decord.VideoReader(item.path, num_threads=1).get_batch(item.indices).asnumpy()


def baselines(wanted: Sequence[Wanted], height: int, width: int) -> dict[str, Callable[[], None]]:
    """Name -> what goes over all the files once. For videos:

    sequential: decodes every frame in order and converts it to RGB; undisplayed: decodes it and no more; decord: gets
    the wanted frames by `get_batch`, where decord is installed. For folders of images, imdecode: decodes the wanted
    ones, which are in memory, and resizes each once to height x width.
    """

    def over_all(read: Callable[[Wanted], None]) -> Callable[[], None]:
        def run() -> None:
            for item in wanted:
                read(item)

        return run

    def imdecode(item: Wanted) -> None:
        for image in item.images:
            cv2.resize(cv2.imdecode(image, cv2.IMREAD_COLOR), (width, height), interpolation=cv2.INTER_LINEAR)

    if wanted[0].images:
        return {"imdecode": over_all(imdecode)}
    runs = {"sequential": over_all(_sequential), "undisplayed": over_all(_undisplayed)}
    if importlib.util.find_spec("decord"):
        runs["decord"] = over_all(_decord)
    return runs
