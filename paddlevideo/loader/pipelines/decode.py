"""First step of a pipeline: open the video. Pixels are read later, by the sample step, and only those it wants."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
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

BACKENDS: dict[str, Callable[[str], FrameSource]] = {"pyav": PyavVideo, "decord": DecordVideo, "cv2": OpencvVideo}


@PIPELINES.register
class VideoDecoder:
    """Opens a video file.

    Args:
        backend: the library that decodes. All give the same frames; "auto" is PyAV, the fastest of them and the only
            one that can both seek and be exact in every format.
    Raises:
        UserError: the library is not installed.
    """

    def __init__(self, backend: Literal["auto", "pyav", "decord", "cv2"] = "auto") -> None:
        if backend == "decord" and importlib.util.find_spec("decord") is None:
            raise UserError("backend: decord is not installed; pip install 'paddlevideo[decord]', or use backend: auto")
        self.backend = "pyav" if backend == "auto" else backend

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        source = BACKENDS[self.backend](clip.path)
        return replace(clip, source=source, num_frames=source.num_frames)


@PIPELINES.register
class FrameDecoder:
    """Opens a folder of image files; `clip.num_frames` and `clip.frame_pattern` say which."""

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if not clip.frame_pattern:
            raise UserError(
                f"{clip.path}: FrameDecoder reads folders of frames, which FrameDataset lists; use VideoDecoder"
            )
        return replace(clip, source=FrameFolder(clip.path, clip.frame_pattern, clip.num_frames))
