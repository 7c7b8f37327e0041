"""All frames of a video, decoded once, in the order they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from typing import TypeVar

import av

from paddlevideo.loader.sources.full_decode import FullDecode
from paddlevideo.loader.sources.packets import video_stream
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.time_limit import TimeLimit
from paddlevideo.loader.sources.unreadable import Unreadable, reading

Shown = TypeVar("Shown")


class Decoded:
    """A video to iterate over once: (seconds since the first frame, frame).

    Where the file has no times, frames count as evenly spaced.

    Attributes:
        num_frames: how many the loader counts on.
        rate: frames a second, on average.
        times: [num_frames] when each is shown, seconds since the first.
        clock: seconds by which the file counts.
        width, height: of a frame before it is turned, pixels.
        declared: how many frames the container says there are; 0 where it does not.
    Raises:
        Unreadable: the file cannot be read; while iterating, it is damaged before its end.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with closing(PyavVideo(path)) as listed:
            self.num_frames, self.rate = listed.num_frames, listed.timing.rate
            self.times = listed.timing.times * listed.timing.unit
        with reading(path), closing(av.open(path)) as container:
            stream = video_stream(container)
            assert stream is not None
            self.width, self.height = stream.codec_context.width, stream.codec_context.height
            self.declared = stream.frames
            self.clock = stream.time_base or Fraction(1, 90000)

    def __iter__(self) -> Iterator[tuple[float, av.VideoFrame]]:
        count, every = 0, FullDecode(self.path, TimeLimit(self.path, None))
        with reading(self.path):
            for count, frame in enumerate(every, start=1):
                if count <= self.num_frames:
                    yield float(self.times[count - 1]), frame
        if every.sure is not None:
            raise Unreadable(self.path, f"damaged after frame {every.sure} of {self.num_frames}")
        if count != self.num_frames:
            raise Unreadable(self.path, f"{count} of {self.num_frames} frames can be decoded")


def turns(frame: av.VideoFrame) -> int:
    """By how many quarters of a turn, counter-clockwise, a frame is to be turned to be upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


def at_rate(shown: Iterable[tuple[float, Shown]], fps: float, last: float) -> Iterator[Shown]:
    """What is shown at 0, 1 / fps, 2 / fps ... seconds; the same twice where it is shown that long.

    Args:
        shown: (seconds since the first, anything), rising.
        last: for how long the last is shown, seconds.
    """
    number, held, time = 0, None, 0.0
    for time, item in shown:
        while held is not None and number / fps < time - 1e-4:
            yield held[0]
            number += 1
        held = (item,)
    while held is not None and number / fps < time + last - 1e-4:
        yield held[0]
        number += 1


def fitted(width: int, height: int, short_side: int, even: bool = False) -> tuple[int, int]:
    """(width, height) with the shorter side no longer than `short_side` (0: as it is); never larger than before.

    Args:
        even: both divisible by 2.
    """
    scale = min(1.0, short_side / min(width, height)) if short_side else 1.0
    step = 2 if even else 1
    return (max(step, round(width * scale / step) * step), max(step, round(height * scale / step) * step))
