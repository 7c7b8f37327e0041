"""The value that flows through a pipeline: one video on its way from a line of a list to an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np


class FrameSource(Protocol):
    """An opened video or folder of frames, whose pixels are read only when asked for."""

    num_frames: int

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices` (any order, repeats allowed): [len(indices), H, W, 3] RGB uint8."""
        ...


@dataclass(frozen=True)
class Clip:
    """A video being prepared. Operations take one and return another; none edits its arrays in place.

    Attributes:
        path: where it came from, for messages.
        label: class id, or -1 when unknown (prediction).
        num_frames: frames counted in the list (frame folders), or by the decoder; 0 until known.
        frame_pattern: for folders of frames, the file name with the number's place ("img_{:05}.jpg"); else empty.
        span: frames that a clip should cover, where the decode step has cut a window out of the video, which may be
            shorter than that; None for the whole video.
        source: the opened video, between the decode and the sample step; None before and after.
        frames: [T, H, W, 3] RGB. uint8, range 0..255, until normalised; float32 from then on. None until sampled.
        views: crops and temporal clips of one video, one after another on T (view-major): T = views * frames a view.
        layout: the model's axis order, "tchw", "cthw" or "thwc"; recorded by Image2Array and applied once by `array`.
    """

    path: str
    label: int = -1
    num_frames: int = 0
    span: float | None = None
    frame_pattern: str = ""
    source: FrameSource | None = None
    frames: np.ndarray | None = None
    views: int = 1
    layout: str = "tchw"

    def pixels(self) -> np.ndarray:
        """`frames`, for operations that need them; a pipeline that has not sampled yet is misordered."""
        if self.frames is None:
            raise ValueError(f"{self.path}: the pipeline changes frames before its `sample` step has read any")
        return self.frames

    def array(self) -> np.ndarray:
        """The frames as the model takes them: float32 or uint8, axes in the order of `layout`, contiguous."""
        order = {"t": 0, "h": 1, "w": 2, "c": 3}
        return np.ascontiguousarray(self.pixels().transpose([order[axis] for axis in self.layout]))


Op: TypeAlias = Callable[[Clip, np.random.Generator], Clip]
