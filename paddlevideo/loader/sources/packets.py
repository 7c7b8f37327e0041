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
