"""Prediction by an exported program or a checkpoint: the pipeline that was tested, on one video or a folder of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from paddlevideo.loader.assemble import Failure
from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.loader.dataset import FileList
from paddlevideo.loader.folder_dataset import VIDEO_SUFFIXES
from paddlevideo.loader.lists import read_lines
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.tasks.exported import Usable
from paddlevideo.tasks.meter import Meter, Stopwatch
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError


def find_videos(path: Path) -> list[Path]:
    """A file itself, or every video below a folder, sorted by path. Raises UserError when there is none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise UserError(f"{path}: there is no such file or folder")
    found = sorted(file for file in path.rglob("*") if file.suffix.lower() in VIDEO_SUFFIXES and file.is_file())
    if not found:
        raise UserError(f"{path}: there is no video in this folder ({', '.join(VIDEO_SUFFIXES)})")
    return found


def listed_videos(path: Path) -> list[Path]:
    """The videos of a list with a path a line. Raises UserError when it cannot be read."""
    return [Path(line.text) for line in read_lines(str(path))]


@dataclass(frozen=True)
class Prediction:
    """The classes of one video, likeliest first."""

    file: str
    classes: list[int]
    scores: list[float]
    labels: list[str]

    def record(self) -> dict[str, Any]:
        """The entry of a results file."""
        rows = zip(self.classes, self.labels, self.scores)
        topk = [{"class_id": number, "label": label, "score": score} for number, label, score in rows]
        return {"file": self.file, "topk": topk}

    def lines(self) -> list[str]:
        """PaddleVideo's lines, and the names."""
        k = len(self.classes)
        return [
            f"Current video file: {self.file}",
            f"\ttop-{k} class: {self.classes}",
            f"\ttop-{k} score: {self.scores}",
            f"\ttop-{k} label: {', '.join(self.labels)}",
        ]


class Predictor:
    """Predicts videos in batches."""

    def __init__(self, model: Usable, batch_size: int = 1, workers: int = 0) -> None:
        if batch_size < 1:
            raise UserError(f"--batch_size must be at least 1, got {batch_size}")
        self.model, self.batch_size, self.workers = model, batch_size, workers
        self.score = model.scorer(batch_size)
        self._loader: ClipLoader | None = None
        self._cost = Meter()

    @property
    def failures(self) -> list[Failure]:
        """Videos that could not be read so far."""
        return self._loader.failures if self._loader else []

    def predict(self, paths: list[Path], top_k: int = 1) -> Iterable[Prediction]:
        """Yields a prediction for each readable video, in order; the others are in `failures`."""
        pipeline = self.model.pipeline
        if not isinstance(pipeline.decode, VideoDecoder):  # a model of frame folders predicts videos as well
            pipeline = pipeline.with_decode(VideoDecoder())
        videos = FileList([str(path) for path in paths])
        with ClipLoader(videos, pipeline, batch_size=self.batch_size, num_workers=self.workers) as loader:
            self._loader, watch = loader, Stopwatch()
            for batch in loader.epoch(0):
                preparing = watch.lap()
                chances = self.model.probabilities(self.score(batch))
                self._cost.add_time(preparing + watch.lap(), preparing)
                self._cost.clips += len(chances)
                for file, row in zip(batch["files"], chances):
                    yield self._prediction(file, row, top_k)

    def timing(self) -> list[str]:
        """Lines about the time each video took, the first batch's one-off costs included."""
        cost, count = self._cost, max(1, self._cost.clips)
        seconds = {"preparing": cost.reader_seconds, "inference": cost.batch_seconds - cost.reader_seconds}
        stages = [f"{stage}: {1000 * total / count:.1f} ms a video" for stage, total in seconds.items()]
        return [f"{cost.clips} videos in batches of {self.batch_size}", *stages]

    def _prediction(self, file: str, row: np.ndarray, top_k: int) -> Prediction:
        order = np.argsort(-row, kind="stable")[: min(top_k, len(row))]
        names = self.model.labels or [str(i) for i in range(len(row))]
        return Prediction(file, [int(i) for i in order], [float(row[i]) for i in order], [names[i] for i in order])


def write_results(predictions: list[Prediction], path: Path) -> None:
    """Writes predictions as .json (a list of {file, topk}) or .csv (a row for each file and rank)."""
    if path.suffix == ".json":
        text = json.dumps([item.record() for item in predictions], indent=1, ensure_ascii=False) + "\n"
    else:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow(["file", "rank", "class_id", "label", "score"])
        for item in predictions:
            for rank, row in enumerate(zip(item.classes, item.labels, item.scores), 1):
                writer.writerow([item.file, rank, *row])
        text = buffer.getvalue()
    files.write_text(path, text)
