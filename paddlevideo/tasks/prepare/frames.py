"""Videos as folders of images, for FrameDataset."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddlevideo.loader.sources.pixels import Pixels
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.tasks.prepare.decoded import Decoded, at_rate, fitted
from paddlevideo.tasks.prepare.produce import Job, already_there, writing

FORMATS = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True)
class FrameOptions:
    """How frames are written.

    Attributes:
        short_side: pixels; longer ones are scaled down, shorter ones left alone; 0: as they are.
        size: (width, height) of all frames instead, up or down; None: see short_side.
        quality: of JPEG, 1 to 100.
        fps: frames a second; 0: every frame once.
        pattern: file name with the place of the number, which counts from 1. Its suffix says which format.
    Raises:
        ValueError: a value out of range.
    """

    short_side: int = 256
    size: tuple[int, int] | None = None
    quality: int = 95
    fps: float = 0
    pattern: str = "img_{:05}.jpg"

    def __post_init__(self) -> None:
        try:
            one, two = Path(self.pattern.format(1)), self.pattern.format(2)
        except (ValueError, IndexError, KeyError):
            one, two = Path(), ""
        if str(one) == two or one.name != str(one) or one.suffix.lower() not in FORMATS:
            raise ValueError(
                f"pattern must be a file name as img_{{:05}}.jpg ({' '.join(FORMATS)}), got {self.pattern!r}"
            )
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality must be 1 to 100, got {self.quality}")


def extract(job: Job) -> dict[str, Any]:
    """Writes the frames of a video into a folder beside its final place, and moves it there when it is complete."""
    target = Path(job.target)
    part = target.with_name(f".{target.name}.part")
    try:
        with writing(part):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
        count = 0
        for count, image in enumerate(images(job.source, job.options), start=1):
            file = part / job.options.pattern.format(count)
            with writing(file):
                file.write_bytes(encoded(image, job.options))
        if not count:
            raise Unreadable(job.source, "no frame falls on the times that were asked for")
        row = {"frames": count}
        if not job.replace and target.exists():
            if is_whole(target, row, job.options):
                return row  # a kill came between moving it there and noting that
            raise already_there(job, count)
        with writing(target):
            shutil.rmtree(target, ignore_errors=True)
            part.rename(target)
        return row
    finally:
        shutil.rmtree(part, ignore_errors=True)


def images(path: str, options: FrameOptions) -> Iterator[np.ndarray]:
    """The frames [H, W, 3] RGB uint8 that are to be written."""
    video = Decoded(path)
    pixels = Pixels([0], video.width, video.height)
    for frame in at_rate(video, options.fps, 1 / video.rate) if options.fps else (frame for _, frame in video):
        pixels.put(0, frame)
        image = pixels.array[0]
        height, width = image.shape[:2]
        size = options.size or fitted(width, height, options.short_side)
        shrinks = size[0] <= width and size[1] <= height
        method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        yield image.copy() if size == (width, height) else cv2.resize(image, size, interpolation=method)


def encoded(image: np.ndarray, options: FrameOptions) -> bytes:
    """An image file of [H, W, 3] RGB."""
    suffix = Path(options.pattern).suffix.lower()
    flags = [] if suffix == ".png" else [cv2.IMWRITE_JPEG_QUALITY, options.quality]
    return cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), flags)[1].tobytes()


def is_whole(folder: Path, row: dict[str, Any], options: FrameOptions) -> bool:
    """Whether a folder has all frames of its row in the journal, and no others."""
    wanted = {options.pattern.format(number) for number in range(1, row["frames"] + 1)}
    suffix = Path(options.pattern).suffix
    try:
        with os.scandir(folder) as entries:
            found = {entry.name for entry in entries if entry.name.endswith(suffix)}
    except OSError:
        return False
    return found == wanted
