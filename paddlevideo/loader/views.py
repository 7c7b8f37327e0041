"""Boxes of frames, and copying them, once, to where the model reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import cv2
import numpy as np


class Box(NamedTuple):
    """A part of every frame of a clip, pixels; after it is cut, resized to `to` by OpenCV, and then `mirrored`.

    `to`: (height, width); None leaves it the size it has.
    """

    top: int
    left: int
    height: int
    width: int
    mirrored: bool = False
    to: tuple[int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the view."""
        return self.to or (self.height, self.width)

    def of(self, frames: np.ndarray) -> np.ndarray:
        """The box of frames [T, H, W, 3], or of one, nothing copied; not yet resized or mirrored."""
        return frames[..., self.top : self.top + self.height, self.left : self.left + self.width, :]


class Stream(Protocol):
    """Frames that are read when they are wanted, each time they are gone through.

    Attributes:
        shape: (T, H, W, 3).
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames [H, W, 3], each good until the next one. Raises Unreadable."""
        ...

    def array(self) -> np.ndarray:
        """All of them: [T, H, W, 3]. Raises Unreadable."""
        ...


Frames: TypeAlias = np.ndarray | Stream


def write(frames: Frames, boxes: Sequence[Box], layout: str, out: np.ndarray) -> None:
    """Copies the boxes of frames [T, H, W, 3], or the frames where there are no boxes, V views in all.

    Args:
        layout: the order of the axes of `out`: "tchw", "cthw" or "thwc".
        out: takes them view after view: V * T on its axis t.
    """
    planar = layout != "thwc"
    places = iter(out.transpose([layout.index(axis) for axis in ("tchw" if planar else "thwc")]))  # V * T of them
    for box in boxes or [Box(0, 0, *frames.shape[1:3])]:
        # A frame goes all the way before the next one: what is made of it in between stays in the processor's cache.
        resized, turned = np.empty((2, *box.size, 3), frames.dtype)
        for frame, place in zip(frames, places):
            cut = box.of(frame)  # [h, w, 3]
            if box.size != cut.shape[:2]:
                cut = cv2.resize(cut, box.size[::-1], dst=resized, interpolation=cv2.INTER_LINEAR)
            # OpenCV takes channels apart several times faster than NumPy, but only in rows without gaps.
            cut = cv2.flip(cut, 1, dst=turned) if box.mirrored else np.ascontiguousarray(cut)
            if planar:
                cv2.split(cut, list(place))
            else:
                place[...] = cut
