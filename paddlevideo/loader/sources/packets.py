"""The packets of a video, listed without decoding: how many frames there are, in which order, and the keyframes.

"Place" is a position in the order of decoding (the order of the file); "index" one in the order of showing.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np

# In these formats some packets carry a hidden reference picture, so packets cannot be counted as frames.
HIDDEN_FRAMES = {"vp8", "av1"}


@dataclass(frozen=True)
class PacketList:
    """What demuxing tells about a video of N frames.

    Attributes:
        times: [N] presentation time stamp of the packet at each place, all different.
        places: [N] place of the packet of each frame index.
        keys: places of the keyframes, rising; the first is 0.
        decode_times: decoding time stamp of each keyframe, None where the file has none.
    """

    times: np.ndarray
    places: np.ndarray
    keys: list[int]
    decode_times: list[int | None]

    @property
    def closed(self) -> bool:
        """Whether every keyframe is shown before all that follow it in the file."""
        return all(self.places[key] == key for key in self.keys)

    def entry(self, place: int) -> int:
        """Which of `keys` to decode from so that the packet at `place` comes out whole.

        A frame shown before the keyframe that precedes it in the file (open groups of pictures) refers to the group
        before as well.
        """
        before = [k for k, key in enumerate(self.keys) if key <= place and self.times[key] <= self.times[place]]
        return before[-1] if before else 0


def list_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketList | None:
    """Demuxes the whole stream; None where time stamps do not tell the frames apart."""
    packets = [packet for packet in container.demux(stream) if packet.size and not packet.is_discard]
    times = [packet.pts for packet in packets if packet.pts is not None]
    if not packets or len(set(times)) < len(packets):
        return None
    keys = [place for place, packet in enumerate(packets) if packet.is_keyframe]
    if keys[:1] != [0] or stream.codec_context.name in HIDDEN_FRAMES:
        return None
    stamps = np.array(times, dtype=np.int64)
    return PacketList(stamps, np.argsort(stamps), keys, [packets[key].dts for key in keys])


@dataclass(frozen=True)
class Timing:
    """When the N frames of a video are shown.

    Attributes:
        times: [N] rising, from 0, in units of the stream's time base.
        step: time from one frame to the next, on average.
        rate: frames a second, on average.
        declared: how many frames the container says there are; N where it does not.
    """

    times: np.ndarray
    step: float
    rate: float
    declared: int

    def window(self, start: float, span: float) -> tuple[int, int]:
        """The first frame and the number of frames from `start` to `start + span - 1`, counted in average frames.

        As PaddleVideo's reader has it: time stamps are cut to integers, and the first frame after the end is kept.
        """
        first = int(np.searchsorted(self.times, int(start * self.step)))
        last = int(np.searchsorted(self.times, int((start + span - 1) * self.step), side="right"))
        first = min(first, len(self.times) - 1)
        return first, max(1, min(last, len(self.times) - 1) - first + 1)


def timing_of(stream: av.VideoStream, packets: PacketList | None, num_frames: int) -> Timing:
    """The timing of a stream; without reliable time stamps its frames count as evenly spaced."""
    if packets is None:
        times, step = np.arange(num_frames), 1.0
    else:
        times = packets.times[packets.places] - packets.times.min()
        step = float(times[-1]) / max(1, num_frames - 1) or 1.0
        if stream.frames and stream.duration:
            step = stream.duration / stream.frames
    return Timing(times, step, float(stream.average_rate or stream.guessed_rate or 25), stream.frames or num_frames)
