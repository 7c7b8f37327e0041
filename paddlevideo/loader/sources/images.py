"""Encoded images to RGB pixels."""

from __future__ import annotations

from types import ModuleType

import cv2
import numpy as np

try:
    import simplejpeg
except ImportError:  # no wheel for this machine
    simplejpeg = None

JPEG: ModuleType | None = simplejpeg
# As stored: what a camera notes about its position (EXIF) may differ from frame to frame. OpenCV before 4.10 gives BGR.
RGB = getattr(cv2, "IMREAD_COLOR_RGB", None)
FLAGS = (cv2.IMREAD_COLOR if RGB is None else RGB) | cv2.IMREAD_IGNORE_ORIENTATION


def decode_image(data: bytes, room: np.ndarray | None = None) -> np.ndarray | None:
    """[H, W, 3] RGB uint8, or None where OpenCV cannot decode it.

    simplejpeg gives the pixels that OpenCV gives, as both are libjpeg-turbo, and can write them where they are wanted.
    Whatever it objects to is OpenCV's to judge.

    Args:
        room: contiguous; a JPEG file of this size is decoded into it, and the result is a view of it. Of any other
            image it may hold a part afterwards: what is returned counts.
    """
    if JPEG is not None and data.startswith(b"\xff\xd8"):
        try:
            return JPEG.decode_jpeg(data, "RGB", buffer=room)
        except ValueError:  # damaged, in colours that it does not convert, or larger than `room`
            pass
    image = cv2.imdecode(np.frombuffer(data, np.uint8), FLAGS) if data else None
    return image if image is None or RGB is not None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
