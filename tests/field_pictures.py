"""H.264 whose pictures are coded as two fields each, which no encoder at hand writes: television is coded so.

Every macroblock is stored as it is (I_PCM), so that the writer needs no transform and no entropy coder. Names of syntax
elements: ITU-T H.264 section 7.3.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from synthetic import numbered

INTRA, I_PCM = 7, 25  # slice_type and mb_type


class Bits:
    """Bits in the order they are written."""

    def __init__(self) -> None:
        self.bits: list[int] = []

    def fixed(self, *fields: tuple[int, int]) -> Bits:
        """(number of bits, value) each."""
        for count, value in fields:
            self.bits += [value >> i & 1 for i in reversed(range(count))]
        return self

    def golomb(self, *values: int) -> Bits:
        """Exponential Golomb codes."""
        for value in values:
            self.fixed((2 * (value + 1).bit_length() - 1, value + 1))
        return self

    def align(self) -> None:
        self.bits += [0] * (-len(self.bits) % 8)

    def unit(self, header: int) -> bytes:
        """A unit of the stream: start code, header, and the bits with their end marked and start codes avoided."""
        self.bits.append(1)
        self.align()
        out, zeros = bytearray(), 0
        for byte in np.packbits(np.array(self.bits, np.uint8)).tolist():
            if zeros == 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return b"\0\0\0\1" + bytes([header]) + bytes(out)


def parameters() -> bytes:
    """Main profile, 96 x 64, fields allowed."""
    sequence = Bits().fixed((8, 77), (8, 0), (8, 30)).golomb(0, 0, 2, 1).fixed((1, 0)).golomb(5, 1)
    sequence.fixed((1, 0), (1, 0), (1, 1), (1, 0), (1, 0))  # frame_mbs_only_flag is the first
    picture = (
        Bits().golomb(0, 0).fixed((1, 0), (1, 0)).golomb(0, 0, 0).fixed((1, 0), (2, 0)).golomb(0, 0, 0).fixed((3, 0))
    )
    return sequence.unit(0x67) + picture.unit(0x68)


def field(planes: list[np.ndarray], is_bottom: bool, number: int, group: int) -> bytes:
    """One field from its lines of the planes Y, U and V: `number` of its frame in the `group` of pictures."""
    is_first = number == 0 and not is_bottom
    bits = Bits().golomb(0, INTRA, 0).fixed((4, number), (1, 1), (1, int(is_bottom)))
    if is_first:
        bits.golomb(group % 2).fixed((2, 0))
    else:
        bits.fixed((1, 0))
    bits.golomb(0)
    for row in range(2):
        for column in range(6):
            bits.golomb(I_PCM).align()
            for plane, size in zip(planes, (16, 8, 8)):
                block = plane[row * size :, column * size :][:size, :size]
                bits.bits += np.unpackbits(block.reshape(-1)).tolist()
    return bits.unit(0x65 if is_first else 0x61)


def write_fields(path: Path, together: bool) -> Path:
    """20 numbered frames; both fields of one in a packet, or each with a time of its own."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for i, pixels in enumerate(numbered(20)):
            yuv = av.VideoFrame.from_ndarray(pixels, format="rgb24").to_ndarray(format="yuv420p")  # [96, 96]
            planes = [yuv[:64], yuv[64:80].reshape(32, 48), yuv[80:].reshape(32, 48)]
            head = parameters() if i % 6 == 0 else b""
            fields = [field([p[lines::2] for p in planes], lines == 1, i % 6, i // 6) for lines in range(2)]
            for j, data in enumerate([head + fields[0] + fields[1]] if together else [head + fields[0], fields[1]]):
                packet = av.Packet(data)
                packet.pts = packet.dts = 2 * i + j
                packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, 50), i % 6 == 0 and j == 0, stream
                out.mux(packet)
    return path
