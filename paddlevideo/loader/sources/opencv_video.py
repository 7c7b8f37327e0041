"""Videos read by OpenCV, from the first frame on: its seeking is not exact."""

from __future__ import annotations

from collections.abc import Sequence

import av
import cv2
import numpy as np

from paddlevideo.loader.sources.full_decode import FullDecode
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import reading

# Older ones keep to the first frame's size and colours: where they change, they give the frame before once more, or
# noise. In mp4 files, which describe all frames in front, they hardly do.
FOLLOWS_CHANGES = tuple(int(part) for part in cv2.__version__.split(".")[:2]) >= (4, 13)


class OpencvVideo:
    """A FrameSource over a video file. Raises Unreadable.

    The count comes from the list of packets: OpenCV's own is a guess (duration times rate) in several containers.
    PyAV reads what OpenCV would get wrong without a word, or not at all: interlaced pictures (it leaves them black),
    files without reliable time stamps, formats that it cannot decode; frames that differ in size or colours, where
    this OpenCV does not follow that.
    """

    def __init__(self, path: str, time_limit: float | None = None) -> None:
        self.path = path
        self._listed = listed = PyavVideo(path, time_limit)
        self.num_frames, self.fps, self.timing = listed.num_frames, listed.fps, listed.timing
        with reading(path), listed.limit:
            frames = iter(FullDecode(path, listed.limit))
            first = next(frames, None)
            self._is_plain = listed.packets is not None and first is not None and not first.interlaced_frame
            if self._is_plain and not FOLLOWS_CHANGES and "mov" not in listed.container:
                self._is_plain = all(_form(frame) == _form(first) for frame in frames)
        if self._is_plain:
            listed.close()

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8."""
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        with self._listed.limit:
            found = self._read(wanted.tolist()) if self._is_plain else None
        return self._listed.read(indices) if found is None else np.stack(found)[inverse]

    def _read(self, wanted: list[int]) -> list[np.ndarray] | None:
        """The frames at the indices, which rise; None where OpenCV cannot give one of them."""
        capture, found, place = cv2.VideoCapture(self.path), [], -1
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # what 4.11 does not do by itself
        for index in wanted:
            while place < index and capture.grab():
                self._listed.limit.check()
                place += 1
            ok, bgr = capture.retrieve() if place == self._shown(capture) == index else (False, None)
            if not ok or bgr is None:
                return None
            found.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        return found if len({frame.shape for frame in found}) == 1 else None

    def _shown(self, capture: cv2.VideoCapture) -> int:
        """The index of the frame that is shown when the grabbed one is: OpenCV leaves out what it cannot decode."""
        since = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000 / self.timing.unit - self._listed.delay
        return int(np.argmin(np.abs(self.timing.times - since)))


def _form(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
