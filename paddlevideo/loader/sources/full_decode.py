"""Decoding of everything, in order: for files that do not tell where their frames are."""

from __future__ import annotations

from collections.abc import Iterator

import av

from paddlevideo.loader.sources.packets import demuxed, video_stream
from paddlevideo.loader.sources.time_limit import TimeLimit


class FullDecode:
    """Every frame of a file, as players show them: what cannot be decoded is left out, and what follows moves up.

    Attributes, once it has been iterated over:
        sure: how many frames come before damage that more frames follow; None where there is no such damage.
        damaged: whether anything was, be it at the end.
    """

    def __init__(self, path: str, limit: TimeLimit) -> None:
        self.path = path
        self.limit = limit
        self.sure: int | None = None
        self.damaged = False

    def __iter__(self) -> Iterator[av.VideoFrame]:
        count = 0
        begun = False  # a recording may begin in the middle of a group of pictures: what fails before is no loss
        before: int | None = None  # frames that came before the damage
        with av.open(self.path, timeout=self.limit.seconds) as container:
            stream = video_stream(container)
            assert stream is not None
            codec = stream.codec_context
            codec.thread_count = 1
            flags = container.format.name != "mpeg"  # there every frame is marked that lies in one block with a bad one
            for packet in _ended(container, stream):
                self.limit.check()
                if packet is not None and self.sure is None:
                    self.sure = before
                bad = packet is not None and packet.is_corrupt and flags
                try:
                    frames = codec.decode(packet)
                except av.FFmpegError:
                    frames, bad = [], True
                bad = bad or any(frame.is_corrupt for frame in frames)
                self.damaged = self.damaged or bad
                if bad and begun and before is None:
                    before = count
                begun = begun or any(not frame.is_corrupt for frame in frames)
                yield from frames
                count += len(frames)


def _ended(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.Packet | None]:
    """The packets, and None at the end: the decoder is to give what it still holds."""
    yield from demuxed(container, stream)
    yield None
