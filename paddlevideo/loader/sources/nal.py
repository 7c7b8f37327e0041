"""What the first bytes of a packet tell of the frame in it, before anything is decoded.

H.264: ITU-T H.264 sections 7.3.1, 7.3.2.3 and D.2.8. HEVC: ITU-T H.265 section 7.3.1.2. VP8: RFC 6386 section 9.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import av

IDR, SEI, RECOVERY_POINT = 5, 6, 6  # H.264: two unit types and a payload type
HEVC_RANDOM_ACCESS = range(16, 24)
PACKED = re.compile(rb"DivX\d+(b|Build)\d+p")


class Units:
    """Reads the packets of one stream."""

    def __init__(self, codec: av.VideoCodecContext) -> None:
        self.codec = codec.name
        self.extra = extra = codec.extradata or b""
        self.length_size = 0  # units begin with a start code
        if extra[:1] == b"\x01" and self.codec == "h264" and len(extra) > 4:
            self.length_size = (extra[4] & 3) + 1
        if extra[:1] == b"\x01" and self.codec == "hevc" and len(extra) > 21:
            self.length_size = (extra[21] & 3) + 1

    def is_entry(self, packet: av.Packet) -> bool:
        """Whether decoding can begin at a keyframe and give every frame shown from there on, bit for bit.

        Not so where the picture is refreshed bit by bit over several frames, which containers call keyframes as well.
        """
        if self.codec == "hevc":
            return any(unit[0] >> 1 & 63 in HEVC_RANDOM_ACCESS for unit in self._split(packet))
        if self.codec == "h264":
            return any(unit[0] & 31 == IDR or recovers_at_once(unit) for unit in self._split(packet))
        return True

    def is_shown(self, packet: av.Packet) -> bool:
        """Whether the frame is for showing: VP8 has some that others refer to only."""
        return self.codec != "vp8" or bool(memoryview(packet)[0] & 16)

    def is_packed(self, packet: av.Packet) -> bool:
        """Whether the first packet of an MPEG-4 file says that others hold two frames, as DivX 5 wrote it."""
        return self.codec == "mpeg4" and PACKED.search(bytes(self.extra) + bytes(packet)) is not None

    def is_layered(self, packet: av.Packet) -> bool:
        """Whether a HEVC frame is of a layer above the first: then "no one refers to it" holds for its layer only."""
        if self.codec != "hevc":
            return False
        start = self.length_size or 4
        return packet.size > start + 1 and memoryview(packet)[start + 1] & 7 > 1

    def _split(self, packet: av.Packet) -> Iterator[bytes]:
        """The units of a packet, without start codes and lengths."""
        data, size = bytes(packet), self.length_size
        if not size:
            yield from (unit for unit in data.split(b"\0\0\1") if unit)
            return
        place = 0
        while place + size < len(data):
            end = place + size + int.from_bytes(data[place : place + size], "big")
            yield data[place + size : end] or b"\0"
            place = end


def recovers_at_once(unit: bytes) -> bool:
    """Whether an H.264 unit is a message that decoding can begin here, with no frame to wait for."""
    if unit[0] & 31 != SEI:
        return False
    data, place = unit.replace(b"\0\0\3", b"\0\0"), 1
    while place + 2 < len(data):
        numbers = []  # payload type and payload size: bytes of 255 count on
        for _ in range(2):
            number = 0
            while place < len(data) - 1 and data[place] == 255:
                number, place = number + 255, place + 1
            numbers.append(number + data[place])
            place = min(place + 1, len(data) - 1)
        if numbers[0] == RECOVERY_POINT:
            return bool(data[place] & 128)  # the first bit of an exponential Golomb code: set for 0
        place += numbers[1]
    return False
