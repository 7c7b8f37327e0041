"""Videos read by decord."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import reading


class DecordVideo:
    """A FrameSource over a video file. Raises Unreadable.

    decord's seeking returns wrong frames, without a word, where frames are shown before the keyframe they follow in the
    file (MPEG-4 and HEVC with B-frames) and where the container has no time stamps (some AVI files). Packets are listed
    with PyAV first; such files are decoded from the start, one frame after another, which decord does right.
    """

    def __init__(self, path: str) -> None:
        import decord

        self.path = path
        listed = PyavVideo(path)
        listed.close()
        self.num_frames = listed.num_frames
        with reading(path):
            self._reader = decord.VideoReader(path, num_threads=1)
            self._may_seek = (
                listed.packets is not None
                and listed.packets.closed
                and len(self._reader) == self.num_frames
                and self._reader.get_frame_timestamp(0)[0] >= 0
            )

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8."""
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        with reading(self.path):
            if self._may_seek:
                return self._reader.get_batch(wanted.tolist()).asnumpy()[inverse]
            self._reader.seek(0)
            every = (self._reader.next() for _ in range(int(wanted[-1]) + 1))
            places = set(wanted.tolist())
            return np.stack([frame.asnumpy() for place, frame in enumerate(every) if place in places])[inverse]
