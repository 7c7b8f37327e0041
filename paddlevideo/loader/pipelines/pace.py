"""Clips that last equally long whatever the frame rate of their videos: the `target_fps` of the samplers."""

from __future__ import annotations

from paddlevideo.loader.clip import Clip
from paddlevideo.utils.errors import UserError


def paced(interval: int, target_fps: float | None, fps: float | None) -> float:
    """The distance of frames in a video of `fps` that lasts as long as `interval` frames do at `target_fps`."""
    return interval if target_fps is None or fps is None else interval * fps / target_fps


def frame_rate(clip: Clip, target_fps: float | None) -> float | None:
    """Frames a second of an opened clip, where a sampler asks for it. Raises UserError where nothing tells it."""
    if target_fps is None:
        return None
    assert clip.source is not None
    if clip.source.fps is None:
        raise UserError(
            f"{clip.path}: target_fps needs the frame rate, which a folder of images does not tell; "
            "say it in the decode step (FrameDecoder: {fps: 30}), or leave out target_fps"
        )
    return clip.source.fps


def check_pace(clip_len: int, target_fps: float | None, temporal_jitter: bool, fixed: bool) -> None:
    """Raises ValueError for a target_fps or a temporal_jitter that could do nothing, or nothing good."""
    if target_fps is not None and target_fps <= 0:
        raise ValueError(f"target_fps must be above 0, got {target_fps:g}")
    if target_fps is not None and clip_len == 1:
        raise ValueError(f"target_fps={target_fps:g} sets the pace of clips of several frames, and these have one")
    if temporal_jitter and fixed:
        raise ValueError("temporal_jitter is random, for training; validation and testing take fixed frames")
