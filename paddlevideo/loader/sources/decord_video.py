"""Videos read by decord."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddlevideo.loader.sources.pyav_video import PyavVideo

# Where decord was found to give the right frame for every index (tests/loader/test_kinds.py).
CONTAINERS = {"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"}
CODECS = {"h264", "hevc", "vp9", "vp8"}


class DecordVideo:
    """A FrameSource over a video file. Raises Unreadable.

    decord returns wrong frames, without a word, where frames are shown before the keyframe they follow in the file, in
    MPEG transport streams, for edit lists, without time stamps and after damage. Packets are listed with PyAV first;
    such files are read by PyAV.
    """

    def __init__(self, path: str, time_limit: float | None = None) -> None:
        self.path = path
        self._listed = listed = PyavVideo(path, time_limit)
        self.num_frames, self.fps, self.timing = listed.num_frames, listed.fps, listed.timing
        self._reader = _open(path, listed)
        if self._reader is not None:
            listed.close()

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8."""
        if self._reader is None:
            return self._listed.read(indices)
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        try:
            return self._reader.get_batch(wanted.tolist()).asnumpy()[inverse]
        except Exception:  # decord raises whatever its C++ side names
            return self._listed.read(indices)


def _open(path: str, listed: PyavVideo) -> Any:
    """decord's reader; None for files that it may read wrongly, or not at all."""
    import decord

    packets = listed.packets
    if packets is None or not packets.closed or listed.container not in CONTAINERS or listed.codec not in CODECS:
        return None
    try:
        reader = decord.VideoReader(path, num_threads=1)
        agrees = len(reader) == listed.num_frames and reader.get_frame_timestamp(0)[0] >= 0
    except (decord.DECORDError, RuntimeError):
        return None
    return reader if agrees else None
