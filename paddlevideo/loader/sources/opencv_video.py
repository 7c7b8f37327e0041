"""Videos read by OpenCV, from the first frame on: its seeking is not exact."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import Unreadable


class OpencvVideo:
    """A FrameSource over a video file. Raises Unreadable.

    The count comes from the list of packets: OpenCV's own is a guess (duration times rate) in several containers.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        listed = PyavVideo(path)
        listed.close()
        self.num_frames = listed.num_frames

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8."""
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        capture, found, place = cv2.VideoCapture(self.path), [], -1
        for index in wanted.tolist():
            while place < index and capture.grab():
                place += 1
            ok, bgr = capture.retrieve() if place == index else (False, None)
            if not ok or bgr is None:
                raise Unreadable(self.path, f"frame {index} of {self.num_frames} cannot be decoded")
            found.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        return np.stack(found)[inverse]
