"""From decoded frames to one array."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
from av.video.reformatter import VideoReformatter


class Pixels:
    """The wanted frames of a video, converted to RGB, turned upright, each at its place in one array.

    Frames of another size than `width` x `height` are resized to it.
    """

    def __init__(self, wanted: Iterable[int], width: int, height: int) -> None:
        self.row = {index: row for row, index in enumerate(wanted)}
        self.lost = set(self.row)
        self.width, self.height = width, height
        self.array = np.empty((0, height, width, 3), np.uint8)
        self._reformat = VideoReformatter()

    def put(self, index: int, frame: av.VideoFrame) -> None:
        """Converts frame `index`."""
        width, height = self.width or frame.width, self.height or frame.height
        rgb = self._reformat.reformat(frame, width, height, "rgb24", threads=1)
        plane = rgb.planes[0]
        lines = np.frombuffer(memoryview(plane), np.uint8)[: plane.line_size * height].reshape(height, plane.line_size)
        turns = round(frame.rotation / 90)
        upright = np.rot90(lines[:, : 3 * width].reshape(height, width, 3), turns) if turns else lines[:, : 3 * width]
        if not len(self.array):
            shape = (width, height) if turns % 2 else (height, width)
            self.array = np.empty((len(self.row), *shape, 3), np.uint8)
        target = self.array[self.row[index]]
        target.reshape(upright.shape)[...] = upright
        self.lost.discard(index)
