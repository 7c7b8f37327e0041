"""A video kept as a folder of image files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

from paddlevideo.loader.sources.frame_names import USUAL, find_frames, spans
from paddlevideo.loader.sources.images import decode_image
from paddlevideo.loader.sources.unreadable import Unreadable, read_regular
from paddlevideo.loader.views import Frames


class FrameFolder:
    """A FrameSource over the image files `folder / pattern.format(i)`. Only wanted files are opened.

    They are numbered from 1, or from 0 where the last one would be missing otherwise. The folder is listed only where
    that is not enough: to find the pattern or the count, or to say which files are missing.

    Args:
        folder: where the images are.
        pattern: file name with the number's place, such as "img_{:05}.jpg"; empty: found from the names of the files.
        num_frames: how many the list counts; 0: as many as there are.
        fps: how many make a second, if known.
    Raises:
        Unreadable: the folder, or files in it, are missing, or what is in it is not clear.
    """

    def __init__(self, folder: str, pattern: str, num_frames: int, fps: float | None = None) -> None:
        if num_frames < 0:
            raise Unreadable(folder, f"the list counts {num_frames} frames")
        self.folder = folder
        self.pattern = pattern or USUAL
        self.num_frames = num_frames
        self.fps = fps
        self.first = 1
        if not num_frames or not self._exists(num_frames):
            self._look(pattern)

    def file(self, index: int) -> str:
        """The path of the frame at a 0-based index."""
        return self._path(self.first + index)

    def _path(self, number: int) -> str:
        return os.path.join(self.folder, self.pattern.format(number))  # noqa: PTH118 - Path takes three times as long

    def _exists(self, number: int) -> bool:
        return os.path.exists(self._path(number))  # noqa: PTH110

    def _look(self, pattern: str) -> None:
        """Finds out from the names of the files what is not known."""
        if self.num_frames and self._exists(0) and self._exists(self.num_frames - 1):
            self.first = 0
            return
        found = find_frames(self.folder, pattern)
        self.pattern, self.first = found.pattern, found.first
        there = found.last - found.first + 1
        if found.missing:
            gaps = f"frames {spans(found.missing)} are missing of {found.first}..{found.last} ({self.pattern})"
            raise Unreadable(self.folder, gaps)
        if there < self.num_frames:
            name = self.pattern.format(found.last + 1)
            raise Unreadable(
                self.folder, f"the list counts {self.num_frames} frames, the folder holds {there}: {name} is missing"
            )
        self.num_frames = self.num_frames or there

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8. Each file is read once."""
        return Images(self, indices).array()

    def later(self, indices: Sequence[int]) -> Frames:
        """The frames at `indices`; where each is wanted once, all but the first are read when they are gone through."""
        images = Images(self, indices)
        return images if len(set(indices)) == len(indices) else images.array()

    def image(self, index: int, room: np.ndarray | None = None) -> np.ndarray:
        """The frame at an index: [H, W, 3]; in `room`, of that shape, where it saves a copy. Raises Unreadable."""
        path = self.file(index)
        name = os.path.basename(path)  # noqa: PTH119
        try:
            data = read_regular(path)
        except FileNotFoundError:
            raise Unreadable(self.folder, self._gap(name)) from None
        except OSError as error:
            raise Unreadable(self.folder, f"frame file {name} cannot be read: {error.strerror}") from None
        image = decode_image(data, room)
        if image is None:
            raise Unreadable(self.folder, f"frame file {name} is no image that can be decoded")
        return image

    def _gap(self, name: str) -> str:
        """Why a file is not there, with all others that are not."""
        found = find_frames(self.folder, self.pattern)
        missing = [number for number in found.missing if number < self.first + self.num_frames]
        return f"frame file {name} is missing: frames {spans(missing)} of {found.first}..{found.last}"


class Images:
    """A Stream of frames of a folder.

    Args:
        folder: where they are.
        indices: 0-based, at least one.
    Raises:
        Unreadable: the first cannot be read.
    """

    def __init__(self, folder: FrameFolder, indices: Sequence[int]) -> None:
        self._folder, self._indices = folder, indices
        self._first = folder.image(indices[0])
        self.shape, self.dtype = (len(indices), *self._first.shape), self._first.dtype

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield self._first
        room = np.empty_like(self._first)
        for index in self._indices[1:]:
            yield self._image(index, room)

    def array(self) -> np.ndarray:
        """All frames: [T, H, W, 3]. Each file is read once."""
        frames = np.empty(self.shape, self.dtype)
        frames[0] = self._first
        places = {self._indices[0]: 0}  # index -> where it is in `frames`
        for place, index in enumerate(self._indices[1:], 1):
            room = frames[place]
            image = frames[places[index]] if index in places else self._image(index, room)
            if not np.may_share_memory(image, room):  # it is not there yet
                room[...] = image
            places[index] = place
        return frames

    def _image(self, index: int, room: np.ndarray) -> np.ndarray:
        image = self._folder.image(index, room)
        if image.shape != self.shape[1:]:
            sizes = sorted({image.shape[:2], self.shape[1:3]})
            raise Unreadable(self._folder.folder, f"its frames differ in size: {sizes}")
        return image
