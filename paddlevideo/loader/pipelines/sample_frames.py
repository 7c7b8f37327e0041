"""mmaction2's two samplers, under its names and with its arguments.

Letters: n frames in the video, S = num_clips, L = clip_len frames `frame_interval` apart from each of the S starts.
Every strategy is a pure function of n and a random generator; `rng=None` asks for the fixed choice of testing. Starts
are 0-based int64; frames past the end go on from frame 0.
"""

from __future__ import annotations

import numpy as np

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.pipelines.pace import check_pace, frame_rate, paced
from paddlevideo.loader.pipelines.sample import FrameSampler, clip_span, consecutive, dense_starts, uniform_starts
from paddlevideo.registry import PIPELINES


def twice_starts(n: int, num_clips: int, span: int) -> np.ndarray:
    """The middles of S equal parts, then their beginnings: two views of one video. [2 * S]"""
    part = max(0, n - span + 1) / num_clips
    beginnings = (np.arange(num_clips) * part).astype(np.int64)
    return np.concatenate([uniform_starts(n, num_clips, span, None), beginnings])


@PIPELINES.register
class SampleFrames(FrameSampler):
    """S starts spread over the whole video. mmaction2's own rule for short videos holds: N=10, S=8 is 0 1 3 4 5 6 8 9.

    Args:
        clip_len: L, frames of each clip; 1 for models that take single frames, whose S frames are one view.
        frame_interval: distance between those L frames.
        num_clips: S.
        twice_sample: two views, from the middles and the beginnings of the parts (test_mode only).
        test_mode: the fixed choice instead of a random one.
        temporal_jitter: moves every frame of a clip towards the next one by 0 to frame_interval - 1 frames.
        target_fps: frame_interval counts frames of a video of so many a second; in others the clip lasts as long, of
            the frames nearest in time. None: it counts the frames that there are.
    """

    def __init__(
        self,
        clip_len: int = 1,
        frame_interval: int = 1,
        num_clips: int = 1,
        twice_sample: bool = False,
        test_mode: bool = False,
        temporal_jitter: bool = False,
        target_fps: float | None = None,
    ) -> None:
        _check_positive(clip_len=clip_len, frame_interval=frame_interval, num_clips=num_clips)
        check_pace(clip_len, target_fps, temporal_jitter, fixed=test_mode)
        if twice_sample and not test_mode:
            raise ValueError("twice_sample is for testing; set test_mode: True too")
        self.clip_len, self.frame_interval, self.num_clips = clip_len, frame_interval, num_clips
        self.twice_sample, self.test_mode = twice_sample, test_mode
        self.temporal_jitter, self.target_fps = temporal_jitter, target_fps
        # Clips of several frames are views of their own; single frames make up one.
        self.views = (num_clips if clip_len > 1 else 1) * (2 if twice_sample else 1)

    def indices(self, num_frames: int, rng: np.random.Generator, fps: float | None = None) -> np.ndarray:
        """The 0-based frames taken from a video of `num_frames`: int64 [views * frames a view], view after view.

        `fps` is the rate of the video; None: that of target_fps.
        """
        step = paced(self.frame_interval, self.target_fps, fps)
        span = clip_span(self.clip_len, step)
        if self.twice_sample:
            starts = twice_starts(num_frames, self.num_clips, span)
        else:
            starts = uniform_starts(num_frames, self.num_clips, span, None if self.test_mode else rng)
        return consecutive(starts, self.clip_len, num_frames, step, rng if self.temporal_jitter else None)

    def pick(self, clip: Clip, rng: np.random.Generator) -> np.ndarray:
        """`indices` for an opened clip."""
        return self.indices(clip.num_frames, rng, frame_rate(clip, self.target_fps))


@PIPELINES.register
class DenseSampleFrames(FrameSampler):
    """S starts evenly over a window of `sample_range` frames: one random window, or ten of them, each a view.

    Args:
        clip_len, frame_interval, num_clips, test_mode: as in `SampleFrames`.
        sample_range: frames that a window spans.
        num_sample_positions: windows in testing, spread from the first to the last.
    """

    def __init__(
        self,
        clip_len: int = 1,
        frame_interval: int = 1,
        num_clips: int = 1,
        sample_range: int = 64,
        num_sample_positions: int = 10,
        test_mode: bool = False,
    ) -> None:
        _check_positive(clip_len=clip_len, frame_interval=frame_interval, num_clips=num_clips)
        _check_positive(num_sample_positions=num_sample_positions)
        if sample_range < num_clips:
            raise ValueError(f"sample_range={sample_range} must hold num_clips={num_clips} frames")
        self.clip_len, self.frame_interval, self.num_clips = clip_len, frame_interval, num_clips
        self.sample_range, self.num_sample_positions = sample_range, num_sample_positions
        self.test_mode = test_mode
        self.views = (num_clips if clip_len > 1 else 1) * (num_sample_positions if test_mode else 1)

    def indices(self, num_frames: int, rng: np.random.Generator) -> np.ndarray:
        """The 0-based frames taken from a video of `num_frames`: int64 [views * frames a view], view after view."""
        chance = None if self.test_mode else rng
        starts = dense_starts(num_frames, self.num_clips, self.sample_range, self.num_sample_positions, chance)
        return consecutive(starts, self.clip_len, num_frames, step=self.frame_interval)


def _check_positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
