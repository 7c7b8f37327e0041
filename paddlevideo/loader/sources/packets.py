"""The packets of a video, listed without decoding: how many frames there are, in which order, and the keyframes.

"Place" is a position in the order of decoding (the order of the file); "index" one in the order of showing.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import av
import numpy as np

from paddlevideo.loader.sources.nal import Units

# These decoders leave out, when asked to, exactly the frames that no other refers to.
SKIPPING = {"h264", "hevc", "mpeg4", "mpeg2video", "mpeg1video", "vp8"}
KEPT_BYTES = 16 << 20  # packets of a file are kept in memory up to this
MISSING_SECONDS = 0.5  # a Matroska file whose pictures end so much before its sound may have been cut


@dataclass(frozen=True)
class PacketList:
    """What demuxing tells about a video of N frames in P packets; not every packet holds a frame that is shown.

    Attributes:
        times: [P] presentation time stamp of the packet at each place, all different.
        sizes: [P] bytes.
        places: [N] place of the packet of each frame index.
        keys: places of the keyframes that can be decoded from, rising; the first is 0.
        decode_times: decoding time stamp of each keyframe, None where the file has none.
        refreshes: whether the container calls others keyframes too, from which pictures are refreshed bit by bit.
        skips: whether the decoder can be told to leave out frames that no other refers to.
    """

    times: list[int]
    sizes: list[int]
    places: list[int]
    keys: list[int]
    decode_times: list[int | None]
    refreshes: bool
    skips: bool

    @cached_property
    def place_of(self) -> dict[int, int]:
        """Time stamp -> place."""
        return {time: place for place, time in enumerate(self.times)}

    @cached_property
    def places_of_keys(self) -> set[int]:
        """`keys`, to look up."""
        return set(self.keys)

    @cached_property
    def closed(self) -> bool:
        """Whether every packet is a frame, and every keyframe begins anew, before all that follow it in the file."""
        plain = len(self.places) == len(self.times) and not self.refreshes
        return plain and all(self.places[key] == key for key in self.keys)

    def entry(self, place: int) -> int:
        """Which of `keys` to decode from so that the packet at `place` comes out whole.

        A frame shown before the keyframe that precedes it in the file (open groups of pictures) refers to the group
        before as well.
        """
        entry = bisect_right(self.keys, place) - 1
        while entry and self.times[self.keys[entry]] > self.times[place]:
            entry -= 1
        return entry

    def is_reached(self, place: int, damaged: Sequence[int]) -> bool:
        """Whether the frame at `place`, or one it may refer to, is among the `damaged` places or just before one.

        Damage often begins within the packet before the first that fails, and not every decoder notices.
        """
        key = self.keys[self.entry(place)]
        return any(key <= hurt <= place + 1 and self.times[hurt] >= self.times[key] for hurt in damaged)


@dataclass(frozen=True)
class Listing:
    """Attributes:
    packets: the list; None where time stamps do not tell the frames apart.
    kept: the packets themselves, where they are not too large together.
    doubt: what has to be decoded to be sure of the list: nothing, the last group of pictures, or everything.
    """

    packets: PacketList | None
    kept: list[av.Packet] | None
    doubt: Literal["", "tail", "all"]


def video_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The stream that players show; a cover picture is none."""
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    best = container.streams.best("video")
    return next((stream for stream in streams if stream is best), streams[0] if streams else None)


def demuxed(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet]:
    """The packets of a stream that hold anything, up to the end of the file or to where it breaks off."""
    try:
        yield from (packet for packet in container.demux(stream) if packet.size)
    except av.error.ExitError:  # the time is up
        raise
    except av.FFmpegError:
        return


def list_packets(container: av.container.InputContainer, stream: av.VideoStream, check: Callable[[], None]) -> Listing:
    """Demuxes the whole stream, calling `check` for every packet."""
    units = Units(stream.codec_context)
    times: list[int | None] = []
    sizes: list[int] = []
    shown: list[int] = []
    entries: list[tuple[int, int | None]] = []  # place and decoding time stamp
    kept: list[av.Packet] | None = []
    total, plain_frames, refreshes, layered, whole = 0, True, False, False, True
    for place, packet in enumerate(demuxed(container, stream)):
        check()
        times.append(packet.pts)
        sizes.append(packet.size)
        if packet.is_keyframe:
            if units.is_entry(packet):
                entries.append((place, packet.dts))
            else:
                refreshes = True
        if not packet.is_discard and units.is_shown(packet):
            shown.append(place)
        plain_frames = plain_frames and not (place == 0 and units.is_packed(packet))
        layered = layered or units.is_layered(packet)
        whole = whole and not packet.is_corrupt
        total += packet.size
        if total > KEPT_BYTES:
            kept = None
        if kept is not None:
            kept.append(packet)
    stamps = [time for time in times if time is not None]
    if not shown or not entries or entries[0][0] != 0 or len(set(stamps)) < len(times) or not plain_frames:
        return Listing(None, kept, "all")
    packets = PacketList(
        stamps,
        sizes,
        sorted(shown, key=stamps.__getitem__),
        [place for place, _ in entries],
        [stamp for _, stamp in entries],
        refreshes,
        stream.codec_context.name in SKIPPING and not layered,
    )
    return Listing(packets, kept, doubt_about(packets, container, stream) if whole else "all")


def doubt_about(
    packets: PacketList, container: av.container.InputContainer, stream: av.VideoStream
) -> Literal["", "tail", "all"]:
    """What has to be decoded to be sure of a list whose packets look whole.

    A file whose description stands in front says how much there should be. In others a packet that is cut looks like
    any other, but it is the last.
    """
    form = container.format.name
    declared = len(stream.index_entries) if "mov" in form else stream.frames
    if declared > len(packets.times):
        return "all"
    if stream.codec_context.has_b_frames and packets.times == sorted(packets.times):
        return "all"  # frames may change places in decoding, and the time stamps do not tell
    if "mov" in form or form == "avi":
        return ""
    if "matroska" in form and container.duration is not None and stream.time_base is not None:
        last = max(packets.times) * stream.time_base
        return "tail" if container.duration / av.time_base - last > MISSING_SECONDS else ""
    return "tail"


@dataclass(frozen=True)
class Timing:
    """When the N frames of a video are shown.

    Attributes:
        times: [N] rising, from 0, in units of the stream's time base.
        step: time from one frame to the next, on average.
        rate: frames a second, on average.
        declared: how many frames the container says there are; N where it does not.
        unit: seconds that one unit of `times` lasts.
    """

    times: np.ndarray
    step: float
    rate: float
    declared: int
    unit: float = 1.0

    def window(self, start: float, span: float) -> tuple[int, int]:
        """The first frame and the number of frames from `start` to `start + span - 1`, counted in average frames.

        As PaddleVideo's reader has it: time stamps are cut to integers, and the first frame after the end is kept.
        """
        first = int(np.searchsorted(self.times, int(start * self.step)))
        last = int(np.searchsorted(self.times, int((start + span - 1) * self.step), side="right"))
        first = min(first, len(self.times) - 1)
        return first, max(1, min(last, len(self.times) - 1) - first + 1)

    def part(self, start: float, end: float | None) -> tuple[int, Timing]:
        """The first frame shown at `start` seconds or later, and the timing of those from there to before `end`."""
        first, last = (int(np.searchsorted(self.times, at / self.unit - 0.5)) for at in (start, end or 0.0))
        times = self.times[first:] if end is None else self.times[first:last]
        return first, Timing(times - times[:1].sum(), self.step, self.rate, len(times), self.unit)


def timing_of(stream: av.VideoStream, times: Sequence[int] | None, num_frames: int) -> Timing:
    """The timing of a stream from the rising time stamps of its frames; without them they count as evenly spaced."""
    rate = float(stream.average_rate or stream.guessed_rate or 25)
    if times is None:
        return Timing(np.arange(num_frames), 1.0, rate, stream.frames or num_frames, 1 / rate)
    since = np.array(times, dtype=np.int64) - times[0]
    step = float(since[-1]) / max(1, num_frames - 1) or 1.0
    if stream.frames and stream.duration:
        step = stream.duration / stream.frames
    return Timing(since, step, rate, stream.frames or num_frames, float(stream.time_base or 1 / rate))
