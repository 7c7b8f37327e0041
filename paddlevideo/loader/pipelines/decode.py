"""First step of a pipeline: open the video. Pixels are read later, by the sample step, and only those it wants."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from paddlevideo.loader.clip import Clip, FrameSource
from paddlevideo.loader.sources.decord_video import DecordVideo
from paddlevideo.loader.sources.frame_folder import FrameFolder
from paddlevideo.loader.sources.opencv_video import OpencvVideo
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.registry import PIPELINES
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

BACKENDS: dict[str, Callable[[str], FrameSource]] = {"pyav": PyavVideo, "decord": DecordVideo, "cv2": OpencvVideo}


class Window:
    """A FrameSource over some consecutive frames of another."""

    def __init__(self, source: FrameSource, first: int, num_frames: int) -> None:
        self.source = source
        self.first = first
        self.num_frames = num_frames

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices` of the window: [len(indices), H, W, 3] RGB uint8."""
        return self.source.read([self.first + index for index in indices])


@functools.cache
def _has_decord() -> bool:
    found = importlib.util.find_spec("decord") is not None
    if not found:
        logger.info("backend: decord is not installed (pip install 'paddlevideo[decord]'); PyAV reads the same frames")
    return found


@PIPELINES.register
class VideoDecoder:
    """Opens a video file, or with `mode` a window of it.

    A window lasts as long as `num_seg` frames that lie `sampling_rate` apart in a video of `target_fps`.

    Args:
        backend: the library that decodes. All give the same frames; "auto" is PyAV, the fastest of them and the only
            one that can both seek and be exact in every format, and stands in for decord where that is not installed.
        mode: "test": the window at the beginning; "train" and "valid": one from anywhere; None: the whole video.
        num_seg, sampling_rate, target_fps: of the window.
    Raises:
        ValueError: a value below 1, or a window with a backend that does not tell the time of a frame.
    """

    def __init__(
        self,
        backend: Literal["auto", "pyav", "decord", "cv2"] = "auto",
        mode: Literal["train", "valid", "test"] | None = None,
        num_seg: int = 8,
        sampling_rate: int = 32,
        target_fps: int = 30,
    ) -> None:
        for name, value in (("num_seg", num_seg), ("sampling_rate", sampling_rate), ("target_fps", target_fps)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if mode is not None and backend not in ("auto", "pyav"):
            raise ValueError(f"mode: {mode} cuts a window by time, which backend: pyav does, not {backend}")
        self.backend = "pyav" if backend == "auto" or (backend == "decord" and not _has_decord()) else backend
        self.mode = mode
        self.seconds = sampling_rate * num_seg / target_fps

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        source = BACKENDS[self.backend](clip.path)
        if self.mode is not None:
            assert isinstance(source, PyavVideo)
            return self._window(clip, source, rng)
        return replace(clip, source=source, num_frames=source.num_frames)

    def _window(self, clip: Clip, source: PyavVideo, rng: np.random.Generator) -> Clip:
        span = self.seconds * source.timing.rate  # frames, rarely a whole number
        start = 0.0 if self.mode == "test" else rng.uniform(0, max(source.timing.declared - span, 0))
        window = Window(source, *source.timing.window(start, span))
        return replace(clip, source=window, num_frames=window.num_frames, span=span)


@PIPELINES.register
class FrameDecoder:
    """Opens a folder of image files; `clip.num_frames` and `clip.frame_pattern` say which."""

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if not clip.frame_pattern:
            raise UserError(
                f"{clip.path}: FrameDecoder reads folders of frames, which FrameDataset lists; use VideoDecoder"
            )
        return replace(clip, source=FrameFolder(clip.path, clip.frame_pattern, clip.num_frames))
