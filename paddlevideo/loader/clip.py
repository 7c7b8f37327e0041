"""The value that flows through a pipeline: one video on its way from a line of a list to an array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np

from paddlevideo.loader.index import VideoFacts
from paddlevideo.loader.normal import Normal
from paddlevideo.loader.resizing import Backend, check_backend, resize_frames, resize_part
from paddlevideo.loader.views import Box, Frames, write

Label: TypeAlias = int | tuple[int, ...]


class FrameSource(Protocol):
    """An opened video or folder of frames, whose pixels are read only when asked for.

    Attributes:
        num_frames: how many there are.
        fps: frames a second, on average; None where nothing tells.
    """

    num_frames: int
    fps: float | None

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices` (any order, repeats allowed): [len(indices), H, W, 3] RGB uint8."""
        ...


@dataclass(frozen=True)
class Clip:
    """A video being prepared. Operations take one and return another; none edits its arrays in place.

    Attributes:
        path: where it came from, for messages.
        label: class id, or -1 when unknown (prediction); the ids of all its classes for multi-label data.
        num_frames: frames counted in the list (frame folders), or by the decoder; 0 until known.
        frame_pattern: for folders of frames, the file name with the number's place ("img_{:05}.jpg"); else empty.
        span: frames that a clip should cover, where the decode step has cut a window out of the video, which may be
            shorter than that; None for the whole video.
        offset: of a folder of frames: how many of them come before the clip.
        start, end: of the clip in a video, seconds; None: the video's end.
        facts: what an index of the files says about it, if anything.
        source: the opened video, between the decode and the sample step; None before and after.
        frames: [T, H, W, 3] RGB, as they are in memory, or as they will be read: what is still to be done with them is
            noted below and done by `pixels` and `write`. None until sampled. uint8, range 0..255, unless an operation
            had to make numbers of them: float32.
        resize: (height, width) that Pillow is to resize them to; None: they have their size.
        boxes: views to cut out of all of them, and their sizes; none: the whole frames. Never together with `resize`.
        normal: how they are to be normalised at last; None: not at all, or it is done.
        views: crops and temporal clips of one video, one after another on T (view-major): T = views * frames a view.
        layout: the model's axis order, "tchw", "cthw" or "thwc"; recorded by Image2Array and applied once by `array`.
    """

    path: str
    label: Label = -1
    num_frames: int = 0
    span: float | None = None
    frame_pattern: str = ""
    offset: int = 0
    start: float = 0.0
    end: float | None = None
    facts: VideoFacts | None = None
    source: FrameSource | None = None
    frames: Frames | None = None
    resize: tuple[int, int] | None = None
    boxes: tuple[Box, ...] = ()
    normal: Normal | None = None
    views: int = 1
    layout: str = "tchw"

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames that `pixels` gives."""
        if self.boxes:
            return self.boxes[0].size
        height, width = self._frames().shape[1:3]
        return self.resize or (height, width)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `array`."""
        height, width = self.size
        sides = {"t": len(self._frames()) * max(1, len(self.boxes)), "h": height, "w": width, "c": 3}
        return tuple(sides[axis] for axis in self.layout)

    @property
    def pixel_type(self) -> np.dtype:
        """The type of `array`: uint8, or float32 where an operation made numbers of the pixels."""
        return self._frames().dtype

    def pixels(self) -> np.ndarray:
        """The frames [T, H, W, 3] of all views, in the scale of pixels, for operations that need them."""
        frames = self._frames()
        if self.resize is not None:
            return resize_frames(_array(frames), *self.resize, "pillow")
        if not self.boxes:
            return _array(frames)
        views = np.empty((len(frames) * len(self.boxes), *self.size, 3), frames.dtype)
        write(frames, self.boxes, "thwc", views)
        return views

    def _frames(self) -> Frames:
        if self.frames is None:
            raise ValueError(f"{self.path}: the pipeline changes frames before its `sample` step has read any")
        return self.frames

    def with_frames(self, frames: Frames) -> Clip:
        """The clip with other frames [T, H, W, 3] of its own views, and all else as it was."""
        return replace(self, frames=frames, resize=None, boxes=())

    def _whole(self) -> Clip:
        """The clip with nothing that is still to be done to its frames but to normalise them."""
        return self if self.resize is None and not self.boxes else self.with_frames(self.pixels())

    def settled(self) -> Clip:
        """The clip with its normalisation done, for operations that interpolate numbers instead of pixels."""
        if self.normal is None:
            return self
        return replace(self.with_frames(self.normal(self.pixels())), normal=None)

    def resized(self, height: int, width: int) -> Clip:
        """The clip with frames of another size, by Pillow. Resized when they are needed, and then only what is."""
        frames = self.pixels()
        check_backend(frames.dtype, "pillow")
        return replace(self.with_frames(frames), resize=(height, width))

    def crop(self, box: Box) -> Clip:
        """A box of every frame."""
        if self.resize is not None:
            return self.with_frames(resize_part(_array(self._frames()), *self.resize, box))
        return self.with_frames(box.of(self.pixels()))

    def crop_to(self, box: Box, height: int, width: int, backend: Backend) -> Clip:
        """A box of every frame, resized. By OpenCV that is done frame by frame when they are copied."""
        check_backend(self.pixel_type, backend)
        if backend == "cv2" and self.resize is None:
            return replace(self._whole(), boxes=(box._replace(to=(height, width)),))
        clip = self.crop(box)
        return clip.with_frames(resize_frames(clip.pixels(), height, width, backend))

    def crops(self, boxes: Sequence[Box]) -> Clip:
        """Several boxes of one size, each a view of all frames; laid one after another on T when they are copied."""
        assert len({box.size for box in boxes}) == 1
        whole = self._whole() if len(boxes) == 1 else self.with_frames(self.pixels())  # read once, not for every view
        return replace(whole, boxes=tuple(boxes), views=self.views * len(boxes))

    def mirrored(self) -> Clip:
        """Every frame of every view left to right."""
        if self.boxes:
            return replace(self, boxes=tuple(box._replace(mirrored=not box.mirrored) for box in self.boxes))
        return self.crops([Box(0, 0, *self.size, mirrored=True)])

    def array(self) -> np.ndarray:
        """The frames of all views, axes in the order of `layout`, contiguous; not normalised where that is pending."""
        out = np.empty(self.shape, self.pixel_type)
        self.write(out)
        return out

    def write(self, out: np.ndarray) -> None:
        """`array`, copied to where it is wanted."""
        if self.resize is not None:
            self.with_frames(self.pixels()).write(out)
        else:
            write(self._frames(), self.boxes, self.layout, out)


def _array(frames: Frames) -> np.ndarray:
    return frames if isinstance(frames, np.ndarray) else frames.array()


Op: TypeAlias = Callable[[Clip, np.random.Generator], Clip]
