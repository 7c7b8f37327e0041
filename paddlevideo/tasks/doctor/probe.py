"""What opening one file tells. It runs in processes of its own, on the pipeline of the config."""

from __future__ import annotations

import time
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.decode import VideoDecoder
from paddlevideo.loader.pipelines.pipeline import Pipeline
from paddlevideo.loader.sources.frame_names import Frames, find_frames
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.utils.errors import UserError

AT_ONCE = 64  # frames held in memory
UNEVEN = 1.5  # times the usual distance of two frames, from where a frame rate is called variable


@dataclass(frozen=True)
class Look:
    """What to look at.

    Attributes:
        clip: not opened.
        pipeline: of the split.
        frames: how many to decode, spread from first to last; None for all.
        seed: for running the whole pipeline once, timed; None leaves that out.
    """

    clip: Clip
    pipeline: Pipeline
    frames: int | None
    seed: int | None


@dataclass(frozen=True)
class Seen:
    """What was seen.

    Attributes:
        frames: of the video.
        width, height: pixels, upright.
        fps: on average; 0 where it is not known.
        uneven: frames are shown for different times.
        rotation: degrees by which it has to be turned.
        seconds: that the whole pipeline took; None where it was not run.
        unreadable: why it cannot be read; empty where it can.
        misfit: why the transforms refuse it; empty where they do not.
        numbering: of a folder's images, where it is clear.
    """

    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    uneven: bool = False
    rotation: int = 0
    seconds: float | None = None
    unreadable: str = ""
    misfit: str = ""
    numbering: Frames | None = None


def probe(look: Look) -> Seen:
    """Decodes some frames of one file, and prepares a clip of it if that is asked for."""
    folder = Path(look.clip.path).is_dir()
    seen = Seen(numbering=numbering_of(look.clip) if folder else None)
    try:
        seen, frames = _decoded(look, seen)
        seen = seen if folder else replace(seen, rotation=rotation_of(look.clip.path))
    except Unreadable as error:
        return replace(seen, unreadable=error.reason)
    except UserError as error:
        return replace(seen, misfit=str(error).removeprefix(f"{look.clip.path}: "))
    try:
        clip = replace(look.clip, frames=frames, num_frames=len(frames))
        for op in look.pipeline.transform:
            clip = op(clip, np.random.default_rng(0))
        if look.seed is not None:
            start = time.perf_counter()
            look.pipeline(look.clip, np.random.default_rng(look.seed)).array()
            seen = replace(seen, seconds=time.perf_counter() - start)
    except Unreadable as error:
        return replace(seen, unreadable=error.reason)
    except (UserError, ValueError) as error:
        return replace(seen, misfit=str(error).removeprefix(f"{look.clip.path}: "))
    return seen


def _decoded(look: Look, seen: Seen) -> tuple[Seen, np.ndarray]:
    """The number of frames and their size, and the last of the decoded frames [n, H, W, 3], 64 at most."""
    decode = look.pipeline.decode
    if isinstance(decode, VideoDecoder):
        decode = copy(decode)
        decode.mode = None  # all of the video instead of a window of it
    source = decode(look.clip, np.random.default_rng(0)).source
    assert source is not None
    total = source.num_frames
    wanted = np.unique(np.linspace(0, total - 1, min(look.frames or total, total)).round().astype(int)).tolist()
    for start in range(0, len(wanted), AT_ONCE):
        frames = source.read(wanted[start : start + AT_ONCE])  # [n, H, W, 3]
    return replace(_timed(seen, source), frames=total, height=frames.shape[1], width=frames.shape[2]), frames


def _timed(seen: Seen, source: Any) -> Seen:
    """What a video says about its frame rate; folders of frames and unusual sources say nothing."""
    timing = getattr(getattr(source, "source", source), "timing", None)  # a part of a video has it inside
    if timing is None:
        return seen
    steps = np.diff(timing.times)
    uneven = len(steps) > 1 and steps.max() > UNEVEN * max(1, np.median(steps))
    return replace(seen, fps=timing.rate, uneven=bool(uneven))


def rotation_of(path: str) -> int:
    """Degrees by which the first frame of a video has to be turned to be upright."""
    try:
        with av.open(path) as container:
            frame = next(container.decode(video=0), None)
            return round(frame.rotation) % 360 if frame else 0
    except (av.FFmpegError, IndexError, OSError, ValueError):
        return 0  # the decoder says what is wrong, in better words


def numbering_of(clip: Clip) -> Frames | None:
    """The images of a folder, named as the list says or otherwise; None where that is not clear."""
    for pattern in dict.fromkeys((clip.frame_pattern, "")):
        try:
            return find_frames(clip.path, pattern)
        except Unreadable:
            continue
    return None
