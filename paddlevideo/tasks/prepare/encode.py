"""A video written as H.264 in mp4: upright, 8 bit 4:2:0, every frame at its time."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
from av.filter import Graph
from av.video.reformatter import ColorRange, VideoReformatter

from paddlevideo.tasks.prepare.decoded import Decoded, turns
from paddlevideo.utils.errors import UserError

ENCODER = "libx264"
PIXELS = "yuv420p"
TURNS = {1: ["transpose=cclock"], 2: ["hflip", "vflip"], 3: ["transpose=clock"]}  # quarters, counter-clockwise


def require_encoder() -> None:
    """Raises UserError where PyAV was built without the encoder."""
    if ENCODER not in av.codec.codecs_available:
        raise UserError(f"this PyAV has no {ENCODER} encoder; that of pip has: pip install --force-reinstall av")


def encode(video: Decoded, path: Path, size: tuple[int, int], options: Mapping[str, str]) -> int:
    """Writes the frames of a video to an mp4 file and returns how many.

    Args:
        size: (width, height) of the new frames before they are turned upright, even numbers.
        options: of the encoder.
    Raises:
        Unreadable: see Decoded.
        OSError: the file cannot be written.
    """
    count, last, stream, picture_of = 0, -1, None, None
    with closing(av.open(str(path), "w", format="mp4", options={"movflags": "faststart"})) as container:
        for time, frame in video:
            picture_of = picture_of or Picture(size, turns(frame), video.clock)
            picture = picture_of(frame)
            stream = stream or _stream(container, video, frame, picture, options)
            last = max(last + 1, round(time / video.clock))
            picture.pts, picture.time_base, picture.pict_type = last, video.clock, 0
            container.mux(stream.encode(picture))
            count += 1
        assert stream is not None, "a video that can be decoded has a frame"
        container.mux(stream.encode(None))
    return count


def _stream(
    container: av.container.OutputContainer,
    video: Decoded,
    frame: av.VideoFrame,
    picture: av.VideoFrame,
    options: Mapping[str, str],
) -> av.VideoStream:
    """A stream like the source in rate, clock and colours, for pictures like this first one."""
    stream = container.add_stream(ENCODER, rate=Fraction(video.rate).limit_denominator(10000), options=dict(options))
    codec = stream.codec_context
    codec.width, codec.height, codec.pix_fmt = picture.width, picture.height, PIXELS
    codec.time_base = stream.time_base = video.clock
    codec.thread_count = 1
    codec.color_range = ColorRange.MPEG
    codec.color_primaries, codec.color_trc = frame.color_primaries, frame.color_trc
    if frame.colorspace:  # 0 is RGB, which the pictures no longer are
        codec.colorspace = frame.colorspace
    return stream


class Picture:
    """Turns the frames of one video into what the encoder takes: [H, W] of one size, 4:2:0, limited range, upright."""

    def __init__(self, size: tuple[int, int], quarters: int, clock: Fraction) -> None:
        self.size, self.clock = size, clock
        self.filters = TURNS.get(quarters, [])
        self._reformat = VideoReformatter()
        self._graph: Graph | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        width, height = self.size
        plain = self._reformat.reformat(
            frame, width, height, PIXELS, interpolation="AREA", dst_color_range=ColorRange.MPEG, threads=1
        )
        if not self.filters:
            return plain
        if self._graph is None:
            self._graph = self._linked(plain)
        self._graph.push(plain)
        return self._graph.pull()

    def _linked(self, frame: av.VideoFrame) -> Graph:
        graph = Graph()
        steps = [
            graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=self.clock),
            *(graph.add(*step.split("=")) for step in self.filters),
            graph.add("buffersink"),
        ]
        graph.link_nodes(*steps).configure()
        return graph
