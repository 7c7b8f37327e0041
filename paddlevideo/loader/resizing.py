"""Bilinear resizing by Pillow, which averages when it shrinks, and by OpenCV, which does not."""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np
from PIL import Image

from paddlevideo.loader.views import Box

Backend: TypeAlias = Literal["pillow", "cv2"]
ALIKE = 1.15  # frames that shrink by no more than this look the same by OpenCV: there is next to nothing to average


def resize_frames(frames: np.ndarray, height: int, width: int, backend: Backend) -> np.ndarray:
    """[T, H, W, 3] -> [T, height, width, 3], bilinear.

    Raises:
        ValueError: frames that are normalised already, by Pillow, which takes uint8 only.
    """
    check_backend(frames.dtype, backend)
    if frames.shape[1:3] == (height, width):
        return frames
    resized = np.empty((len(frames), height, width, 3), dtype=frames.dtype)
    for frame, out in zip(frames, resized):
        if backend == "cv2":
            cv2.resize(frame, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)
        else:
            out[:] = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
    return resized


def check_backend(pixel_type: np.dtype, backend: Backend) -> None:
    """Raises ValueError when the library cannot take such frames."""
    if backend == "pillow" and pixel_type != np.uint8:
        raise ValueError("Pillow cannot resize normalised frames; put Normalization after it, or set backend: cv2")


def resize_part(frames: np.ndarray, height: int, width: int, box: Box) -> np.ndarray:
    """A box of what `resize_frames` gives by Pillow, bit for bit; where frames become higher in about half the time.

    Pillow then resizes the rows of a frame first and its columns after that, each rounded to uint8. Columns outside
    the box are left out in between. (Its own `resize(box=...)` does less work, but rounds the box to float32.) Frames
    that become lower are resized in the other order by newer versions, where leaving out saves next to nothing.
    """
    if height < frames.shape[1]:
        return box.of(resize_frames(frames, height, width, "pillow"))
    part = np.empty((len(frames), box.height, box.width, 3), dtype=np.uint8)
    for frame, out in zip(frames, part):
        wide = Image.fromarray(frame).resize((width, frame.shape[0]), Image.Resampling.BILINEAR)
        strip = wide.crop((box.left, 0, box.left + box.width, frame.shape[0]))
        columns = np.asarray(strip.resize((box.width, height), Image.Resampling.BILINEAR))  # [height, box.width, 3]
        out[:] = columns[box.top : box.top + box.height]
    return part


def stand_in(box: Box, to: tuple[int, int], backend: Backend) -> Backend:
    """Who resizes a random crop in training: OpenCV stands in for Pillow where one can hardly tell.

    It takes an eighth of the time. Enlarged frames differ by one level of 255 at most. Where a side shrinks by up to
    ALIKE, real clips differ by half a level on average.
    """
    shrink = max(box.height / to[0], box.width / to[1])
    return "cv2" if shrink <= ALIKE else backend
