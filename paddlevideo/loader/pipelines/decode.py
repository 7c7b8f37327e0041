"""First step of a pipeline: open the video. Pixels are read later, by the sample step, and only those it wants."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from paddlevideo.loader.clip import Clip, FrameSource
from paddlevideo.loader.sources.decord_video import DecordVideo
from paddlevideo.loader.sources.frame_folder import FrameFolder
from paddlevideo.loader.sources.opencv_video import OpencvVideo
from paddlevideo.loader.sources.packets import Timing
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.registry import PIPELINES
from paddlevideo.utils.log import logger


class TimedSource(FrameSource, Protocol):
    """A video that knows when its frames are shown."""

    timing: Timing


BACKENDS: dict[str, Callable[..., TimedSource]] = {"pyav": PyavVideo, "decord": DecordVideo, "cv2": OpencvVideo}


class Window:
    """A FrameSource over some consecutive frames of another."""

    def __init__(self, source: FrameSource, first: int, num_frames: int) -> None:
        self.source = source
        self.first = first
        self.num_frames = num_frames
        self.fps = source.fps

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
        backend: the library that decodes. All give the same frames. "auto" is PyAV, the fastest of them and the only
            one that can both seek and be exact in every format, or what the index of the data set says of a file. PyAV
            stands in for decord where that is not installed.
        mode: "test": the window at the beginning; "train" and "valid": one from anywhere; None: the whole video.
        num_seg, sampling_rate, target_fps: of the window.
        time_limit: seconds that opening a video may take, and reading its frames again; what takes longer counts as
            unreadable. None: no limit.
    Raises:
        ValueError: a value below 1, or a time_limit that is not above 0.
    """

    def __init__(
        self,
        backend: Literal["auto", "pyav", "decord", "cv2"] = "auto",
        mode: Literal["train", "valid", "test"] | None = None,
        num_seg: int = 8,
        sampling_rate: int = 32,
        target_fps: int = 30,
        time_limit: float | None = 60.0,
    ) -> None:
        for name, value in (("num_seg", num_seg), ("sampling_rate", sampling_rate), ("target_fps", target_fps)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if time_limit is not None and time_limit <= 0:
            raise ValueError(f"time_limit must be above 0 (None: no limit), got {time_limit:g}")
        self.asks_index = backend == "auto"
        self.backend = "pyav" if backend == "auto" or (backend == "decord" and not _has_decord()) else backend
        self.mode = mode
        self.seconds = sampling_rate * num_seg / target_fps
        self.time_limit = time_limit

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        video = BACKENDS[self._backend_for(clip)](clip.path, self.time_limit)
        source, timing = self._part(clip, video)
        if self.mode is not None:
            return self._window(clip, source, timing, rng)
        return replace(clip, source=source, num_frames=source.num_frames)

    def _backend_for(self, clip: Clip) -> str:
        if not self.asks_index or clip.facts is None:
            return self.backend
        if clip.facts.reason:
            raise Unreadable(clip.path, clip.facts.reason)
        found = clip.facts.decoder
        return found if found in BACKENDS and (found != "decord" or _has_decord()) else self.backend

    def _part(self, clip: Clip, video: TimedSource) -> tuple[FrameSource, Timing]:
        """What the list takes of the video, and its timing."""
        if clip.start == 0 and clip.end is None:
            return video, video.timing
        first, timing = video.timing.part(clip.start, clip.end)
        if not len(timing.times):
            seconds = f"{clip.start:g} s and {'the end' if clip.end is None else f'{clip.end:g} s'}"
            lasts = video.timing.times[-1] * video.timing.unit
            raise Unreadable(clip.path, f"no frame between {seconds}; the last is shown at {lasts:.3f} s")
        return Window(video, first, len(timing.times)), timing

    def _window(self, clip: Clip, source: FrameSource, timing: Timing, rng: np.random.Generator) -> Clip:
        span = self.seconds * timing.rate  # frames, rarely a whole number
        start = 0.0 if self.mode == "test" else rng.uniform(0, max(timing.declared - span, 0))
        window = Window(source, *timing.window(start, span))
        return replace(clip, source=window, num_frames=window.num_frames, span=span)


@PIPELINES.register
class FrameDecoder:
    """Opens a folder of image files; `clip.num_frames` and `clip.frame_pattern` say which, or are found from them.

    Args:
        fps: how many images make a second of the video, for samplers with a target_fps.
    """

    def __init__(self, fps: float | None = None) -> None:
        if fps is not None and fps <= 0:
            raise ValueError(f"fps must be above 0, got {fps:g}")
        self.fps = fps

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        wanted = clip.offset + clip.num_frames if clip.num_frames else 0
        try:
            folder = FrameFolder(clip.path, clip.frame_pattern, wanted, self.fps)
        except Unreadable:
            if Path(clip.path).is_file():
                raise Unreadable(
                    clip.path, "this is a file, not a folder of frames; videos are read by VideoDecoder"
                ) from None
            raise
        if not clip.offset:
            return replace(clip, source=folder, num_frames=folder.num_frames)
        rest = folder.num_frames - clip.offset
        if rest < 1:
            raise Unreadable(clip.path, f"of its {folder.num_frames} frames {clip.offset} come before the clip")
        return replace(clip, source=Window(folder, clip.offset, rest), num_frames=rest)
