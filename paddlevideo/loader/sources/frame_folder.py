"""A video kept as a folder of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from paddlevideo.loader.sources.unreadable import Unreadable


class FrameFolder:
    """A FrameSource over the image files `folder / pattern.format(i)`, i from 1. Only wanted files are opened.

    Args:
        folder: where the images are.
        pattern: file name with the number's place, such as "img_{:05}.jpg".
        num_frames: how many the list counts.
    Raises:
        Unreadable: naming the first file that is missing or no image.
    """

    def __init__(self, folder: str, pattern: str, num_frames: int) -> None:
        if not Path(folder).is_dir():
            raise Unreadable(folder, "no such folder of frames")
        if num_frames < 1:
            raise Unreadable(folder, f"the list counts {num_frames} frames")
        self.folder = Path(folder)
        self.pattern = pattern
        self.num_frames = num_frames

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8."""
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        images = [self._image(index) for index in wanted.tolist()]
        sizes = {image.shape for image in images}
        if len(sizes) > 1:
            raise Unreadable(str(self.folder), f"its frames differ in size: {sorted(shape[:2] for shape in sizes)}")
        return np.stack(images)[inverse]

    def _image(self, index: int) -> np.ndarray:
        name = self.pattern.format(index + 1)
        try:
            data = np.fromfile(self.folder / name, dtype=np.uint8)
        except OSError:
            reason = f"frame file {name} is missing (the list counts {self.num_frames} frames)"
            raise Unreadable(str(self.folder), reason) from None
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
        if bgr is None:
            raise Unreadable(str(self.folder), f"frame file {name} is no image that can be decoded")
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
