"""Which frames of a video a clip takes.

Letters: n frames in the video, S = num_seg segments, L = seg_len consecutive frames from each. Every strategy is a
pure function of n and a random generator; `rng=None` asks for the fixed choice of validation. Indices are 0-based
int64, all within [0, n), [S * L] of them. Videos with n <= S spread what there is over the segments.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.pace import check_pace, frame_rate, paced
from paddlevideo.registry import PIPELINES

DENSE_WINDOW = 64  # frames that a dense clip spans
DENSE_CLIPS = 10  # windows that dense validation takes from one video


def spread(n: int, num_seg: int, rng: np.random.Generator | None) -> np.ndarray:
    """One frame of each of S equal parts, which are shorter than a frame when n < S: random, or the middle. [S]"""
    within = rng.random(num_seg) if rng else 0.5
    return ((np.arange(num_seg) + within) * n / num_seg).astype(np.int64)


def consecutive(
    starts: np.ndarray, seg_len: int, n: int, step: float = 1, jitter: np.random.Generator | None = None
) -> np.ndarray:
    """L frames, `step` apart, from each start; past the end it goes on from frame 0. [S] -> [S * L]

    Where the step is no whole number they are the frames nearest to that. `jitter` moves every frame towards the next
    one by a random part of a step.
    """
    if jitter is None:
        offsets = np.floor(np.arange(seg_len) * step + 0.5)  # [L]
    else:
        offsets = np.floor((np.arange(seg_len) + jitter.random((len(starts), seg_len))) * step)  # [S, L]
    return ((starts[:, None] + offsets.astype(np.int64)) % n).reshape(-1)


def clip_span(seg_len: int, step: float) -> int:
    """Frames that a clip of L frames, `step` apart, may reach over: L * step, and one after the last at least."""
    return math.ceil(max(seg_len * step, (seg_len - 1) * step + 1))


def uniform_starts(n: int, num_clips: int, span: int, rng: np.random.Generator | None) -> np.ndarray:
    """S starts of clips that span so many frames: random in S equal parts of whole frames, or the middles of S. [S]"""
    room = n - span + 1  # starts at which a clip fits
    if rng is None:
        part = room / num_clips
        return (
            (np.arange(num_clips) * part + part / 2.0).astype(np.int64) if room > 0 else np.zeros(num_clips, np.int64)
        )
    part = room // num_clips
    if part > 0:
        return np.arange(num_clips) * part + rng.integers(0, part, size=num_clips)
    if n > max(num_clips, span):
        return np.sort(rng.integers(0, room, size=num_clips))
    return np.around(np.arange(num_clips) * max(0, room) / num_clips).astype(np.int64)


def dense_starts(n: int, num_clips: int, window: int, positions: int, rng: np.random.Generator | None) -> np.ndarray:
    """S starts evenly over a window: a random one (never the last), or over `positions` of them. [S] or [P * S]"""
    last = max(0, n - window)  # latest start of a window
    starts = np.linspace(0, last, positions).astype(np.int64) if rng is None else rng.integers(0, max(1, last), size=1)
    return consecutive(starts, num_clips, n, step=window // num_clips)


def sample_segments(n: int, num_seg: int, seg_len: int, rng: np.random.Generator | None) -> np.ndarray:
    """The default: S parts of d = n // S frames; L frames from a random start in each, or from its middle."""
    part = n // num_seg
    if n <= num_seg:
        starts = spread(n, num_seg, rng)
    elif part < seg_len:
        starts = np.arange(num_seg) * part
    elif rng:
        starts = np.arange(num_seg) * part + rng.integers(0, part - seg_len, size=num_seg, endpoint=True)
    else:
        starts = np.arange(num_seg) * part + (part - 1) // 2
    return consecutive(starts, seg_len, n)


def sample_select_left(n: int, num_seg: int, rng: np.random.Generator | None) -> np.ndarray:
    """One frame a part: random within n // S frames, or the middle of n / S frames, rounded down. [S]"""
    if n <= num_seg:
        return spread(n, num_seg, rng)
    if rng:
        return np.arange(num_seg) * (n // num_seg) + rng.integers(0, n // num_seg, size=num_seg)
    part = n / num_seg
    return (part / 2.0 + part * np.arange(num_seg)).astype(np.int64)


def sample_dense(n: int, num_seg: int, rng: np.random.Generator | None) -> np.ndarray:
    """S frames evenly over a window of 64: a random window, or ten of them one after another. [S] or [10 * S]"""
    if n <= num_seg:
        return spread(n, num_seg, rng) if rng else np.tile(spread(n, num_seg, None), DENSE_CLIPS)
    return dense_starts(n, num_seg, DENSE_WINDOW, DENSE_CLIPS, rng)


def sample_linspace(n: int, num_seg: int, span: float | None = None) -> np.ndarray:
    """S frames evenly from the first to the last, rounded down; the same in training and validation. [S]

    Where `span` says how many frames they should cover, a shorter video repeats its last one.
    """
    return np.linspace(0, (span or n) - 1, num_seg).clip(0, n - 1).astype(np.int64)


def sample_interval(
    n: int, num_seg: int, seg_len: int, interval: float, rng: np.random.Generator | None, jitter: bool = False
) -> np.ndarray:
    """S clips of L frames, `interval` apart, their starts spread over the video. [S * L]"""
    if n <= num_seg:
        starts = spread(n, num_seg, rng)
    else:
        starts = uniform_starts(n, num_seg, clip_span(seg_len, interval), rng)
    return consecutive(starts, seg_len, n, interval, rng if jitter else None)


class FrameSampler:
    """A sample step: reads the frames that `indices` picks.

    Attributes:
        views: how many views of the video they are, one after another.
    """

    views: int = 1

    def indices(self, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """The 0-based frames taken from a video of `num_frames`: int64, view after view."""
        raise NotImplementedError

    def __call__(self, clip: Clip, rng: np.random.Generator) -> Clip:
        if clip.source is None:
            raise ValueError(f"{clip.path}: the pipeline samples frames before its `decode` step has opened the video")
        read = getattr(clip.source, "later", clip.source.read)
        frames = read(self.pick(clip, rng).tolist())
        return replace(clip, frames=frames, source=None, views=clip.views * self.views)

    def pick(self, clip: Clip, rng: np.random.Generator) -> np.ndarray:
        """`indices` for an opened clip."""
        return self.indices(clip.num_frames, rng)


@PIPELINES.register
class Sampler(FrameSampler):
    """The strategies of PaddleVideo's files. Where several are asked for, the first of this list holds:
    frame_interval, linspace_sample, select_left, dense_sample; else segments.

    Args:
        num_seg: S, parts the video is cut into.
        seg_len: L, consecutive frames of each part (segments and frame_interval only).
        frame_interval: distance between the L frames; a strategy of its own.
        valid_mode: the fixed choice of validation instead of a random one.
        select_left, dense_sample, linspace_sample: the strategies above. Dense with valid_mode gives 10 views.
        temporal_jitter, target_fps: with frame_interval only, see `SampleFrames`.
    """

    def __init__(
        self,
        num_seg: int,
        seg_len: int = 1,
        frame_interval: int | None = None,
        valid_mode: bool = False,
        select_left: bool = False,
        dense_sample: bool = False,
        linspace_sample: bool = False,
        temporal_jitter: bool = False,
        target_fps: float | None = None,
    ) -> None:
        for name, value in (("num_seg", num_seg), ("seg_len", seg_len), ("frame_interval", frame_interval)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        chosen = {
            "frame_interval": frame_interval,
            "linspace": linspace_sample,
            "left": select_left,
            "dense": dense_sample,
        }
        self.strategy = next((name for name, asked in chosen.items() if asked), "segments")
        if self.strategy == "dense" and num_seg > DENSE_WINDOW:
            raise ValueError(f"dense_sample takes num_seg frames from {DENSE_WINDOW}, got num_seg {num_seg}")
        if frame_interval is None and (temporal_jitter or target_fps is not None):
            raise ValueError("temporal_jitter and target_fps go with frame_interval; set that too")
        check_pace(seg_len, target_fps, temporal_jitter, fixed=valid_mode)
        self.num_seg = num_seg
        self.seg_len = seg_len
        self.frame_interval = frame_interval or 1
        self.valid_mode = valid_mode
        self.temporal_jitter = temporal_jitter
        self.target_fps = target_fps
        self.views = DENSE_CLIPS if self.strategy == "dense" and valid_mode else 1

    def indices(self, num_frames: int, rng: np.random.Generator, fps: float | None = None) -> np.ndarray:
        """The 0-based frames taken from a video of `num_frames`: int64, view after view; `fps` as in `SampleFrames`."""
        chance = None if self.valid_mode else rng
        if self.strategy == "frame_interval":
            interval = paced(self.frame_interval, self.target_fps, fps)
            return sample_interval(num_frames, self.num_seg, self.seg_len, interval, chance, self.temporal_jitter)
        if self.strategy == "linspace":
            return sample_linspace(num_frames, self.num_seg)
        if self.strategy == "left":
            return sample_select_left(num_frames, self.num_seg, chance)
        if self.strategy == "dense":
            return sample_dense(num_frames, self.num_seg, chance)
        return sample_segments(num_frames, self.num_seg, self.seg_len, chance)

    def pick(self, clip: Clip, rng: np.random.Generator) -> np.ndarray:
        """`indices` for an opened clip; linspace covers what its decode step chose, see `Clip.span`."""
        if self.strategy == "linspace":
            return sample_linspace(clip.num_frames, self.num_seg, clip.span)
        return self.indices(clip.num_frames, rng, frame_rate(clip, self.target_fps))
