"""One small numbered video of each kind that there is: codecs, containers, time stamps, edits, damage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from synthetic import numbered

N = 40
Edit = Callable[[bytearray], bytearray]


@dataclass(frozen=True)
class Kind:
    """How to write a video.

    Attributes:
        codec, pix_fmt, options: of the encoder.
        container: options of the container's writer.
        count: frames.
        pts: time stamps in 1/1000 s; None: 25 a second.
        size: height and width; larger than the numbered frame, which then lies in the top left corner.
        sound: "before": silence as a stream before the video's, and earlier in the file; "": none.
        cover: with a picture as a second video stream.
        edit: what to do to the bytes of the file once it is written.
        first: number of the frame that is shown first; later than 0 where an edit cuts the beginning off.
        turned: degrees, clockwise, by which it is to be shown.
    """

    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=dict)
    pix_fmt: str = "yuv420p"
    container: dict[str, str] = field(default_factory=dict)
    count: int = N
    pts: Sequence[int] | None = None
    size: tuple[int, int] = (64, 96)
    sound: str = ""
    cover: bool = False
    edit: Edit | None = None
    first: int = 0
    turned: int = 0

    def write(self, path: Path) -> Path:
        """Encodes the file."""
        frames = np.full((self.count, *self.size, 3), 90, np.uint8)
        frames[:, :64, :96] = numbered(self.count)
        with av.open(str(path), "w", options=self.container) as out:
            sound = add_sound(out) if self.sound == "before" else None
            defaults = {"crf": "4", "preset": "veryfast"} if self.codec == "libx264" else {}
            stream = out.add_stream(self.codec, rate=25, options={**defaults, **self.options})
            stream.height, stream.width = self.size
            stream.pix_fmt = self.pix_fmt
            stream.codec_context.thread_count = 1
            if self.pts is not None:
                stream.codec_context.time_base = Fraction(1, 1000)
            cover = add_cover(out) if self.cover else None
            if sound is not None:
                mux_silence(out, sound, self.count)
            if cover is not None:
                out.mux(cover.encode(av.VideoFrame.from_ndarray(np.full((64, 64, 3), 200, np.uint8), format="rgb24")))
                out.mux(cover.encode(None))
            for i, pixels in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
                if self.pts is not None:
                    frame.pts, frame.time_base = self.pts[i], Fraction(1, 1000)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        if self.edit is not None:
            path.write_bytes(self.edit(bytearray(path.read_bytes())))
        return path


def add_sound(out: av.container.OutputContainer) -> av.AudioStream:
    return out.add_stream("mp2" if out.format.name in ("mpegts", "avi") else "aac", rate=44100)


def mux_silence(out: av.container.OutputContainer, stream: av.AudioStream, frames: int) -> None:
    """As long as so many frames."""
    kind, form = (np.int16, "s16p") if stream.codec_context.name == "mp2" else (np.float32, "fltp")
    for _ in range(frames * 44100 // 25 // 1152 + 1):
        part = av.AudioFrame.from_ndarray(np.zeros((2, 1152), kind), format=form, layout="stereo")
        part.sample_rate = 44100
        out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def add_cover(out: av.container.OutputContainer) -> av.VideoStream:
    """A picture of the film, as a second video stream."""
    stream = out.add_stream("mjpeg", rate=1)
    stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
    stream.disposition = av.stream.Disposition.attached_pic
    return stream


# --- what can be done to the bytes of a file --------------------------------------------------------------------------


def display_matrix(degrees: int) -> Edit:
    """An mp4 that says by how much, clockwise, the picture is to be turned."""
    cos, sin = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]

    def edit(data: bytearray) -> bytearray:
        matrix = data.index(b"tkhd") + 4 + 40
        numbers = [cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30]
        data[matrix : matrix + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
        return data

    return edit


def edit_list(media_time: int, duration: int | None = None) -> Edit:
    """An mp4 that is shown from `media_time` on (track's units), for `duration` (movie's units, 1/1000 s)."""

    def edit(data: bytearray) -> bytearray:
        entry = data.index(b"elst") + 12
        if duration is not None:
            data[entry : entry + 4] = duration.to_bytes(4, "big")
        data[entry + 4 : entry + 8] = media_time.to_bytes(4, "big", signed=True)
        return data

    return edit


def start_of_media(data: bytearray) -> int:
    """Where the packets begin: in mp4 behind the description, in other containers right away."""
    return max(0, data.find(b"mdat"))


def cut(share: float) -> Edit:
    """Only the first part of the packets."""
    return lambda data: data[: start_of_media(data) + int((len(data) - start_of_media(data)) * share)]


def hurt(count: int, share: float = 0.5) -> Edit:
    """`count` zeros in the middle of the packets."""

    def edit(data: bytearray) -> bytearray:
        place = start_of_media(data) + int((len(data) - start_of_media(data)) * share)
        data[place : place + count] = bytes(count)
        return data

    return edit


# --- codecs -----------------------------------------------------------------------------------------------------------

STEADY = "scenecut=0:b-adapt=0"
B = {"bf": "3", "g": "12", "x264-params": STEADY}
NO_B = {"bf": "0", "g": "12"}
OPEN = {**B, "x264-params": f"open-gop=1:{STEADY}"}
REFRESH = {"g": "10", "x264-params": "intra-refresh=1:bframes=0"}
INTERLACED = {**B, "x264-params": "tff=1:interlaced=1:b-adapt=0"}
VP = {"b": "1M", "cpu-used": "8", "auto-alt-ref": "1", "lag-in-frames": "16", "g": "20"}  # with frames never shown
AV1 = {"preset": "8", "g": "16", "crf": "5", "svtav1-params": "lp=1"}
ASP = {"g": "12", "bf": "2", "b": "4M"}
MPEG2 = {"g": "12", "bf": "2", "b": "6M"}
FIELDS = {**MPEG2, "flags": "+ildct+ilme"}
FAST = {"movflags": "+faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
LIVE = {"live": "1"}  # neither count nor duration
AS_IS = {"avoid_negative_ts": "disabled"}


def hevc(more: str) -> dict[str, str]:
    """x265's options; keyframes every 12."""
    usual = "log-level=none:pools=1:frame-threads=1:keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"
    return {"preset": "ultrafast", "crf": "6", "x265-params": f"{usual}:{more}"}


HEVC = hevc("open-gop=0")
IRREGULAR = np.cumsum(np.arange(N) * 37 % 301 + 7).tolist()  # 7 ms to 307 ms apart
EARLY = [40 * i - 500 for i in range(N)]
LATE = [40 * i + 700 for i in range(N)]

WHOLE: dict[str, Kind] = {
    "h264_no_b.mp4": Kind(options=NO_B),
    "h264_pyramid.mp4": Kind(options={**B, "x264-params": f"{STEADY}:b-pyramid=normal"}),
    "h264_open.mp4": Kind(options=OPEN),
    "h264_open.mkv": Kind(options=OPEN),
    "h264_open.ts": Kind(options=OPEN),
    "h264_one_key.mp4": Kind(options={**B, "g": "300"}),
    "h264_all_keys.mp4": Kind(options={"g": "1"}),
    "h264_refresh.mp4": Kind(options=REFRESH),
    "h264_refresh.ts": Kind(options=REFRESH),
    "h264_interlaced.mp4": Kind(options=INTERLACED),
    "h264_interlaced.ts": Kind(options=INTERLACED),
    "h264.mov": Kind(options=B),
    "h264.mkv": Kind(options=B),
    "h264.ts": Kind(options=B),
    "h264.avi": Kind(options=B),
    "h264_no_b.avi": Kind(options=NO_B),
    "h264.mpg": Kind(options=B),
    "h264.flv": Kind(options=B),
    "h264_10_bit.mp4": Kind(options=B, pix_fmt="yuv420p10le"),
    "h264_grey.mp4": Kind(options=B, pix_fmt="gray"),
    "h264_422.mp4": Kind(options=B, pix_fmt="yuv422p"),
    "h264_444.mp4": Kind(options=B, pix_fmt="yuv444p"),
    "h264_full_range.mp4": Kind(options=B, pix_fmt="yuvj420p"),
    "h264_97x65.mp4": Kind(options=B, pix_fmt="yuv444p", size=(65, 97)),
    "h264_98x66.mp4": Kind(options=B, size=(66, 98)),
    "h264_1_frame.mp4": Kind(options=B, count=1),
    "h264_1_frame.ts": Kind(options=B, count=1),
    "h264_1_frame.avi": Kind(options=B, count=1),
    "h264_2_frames.mp4": Kind(options=B, count=2),
    "h264_2_frames.mkv": Kind(options=B, count=2),
    "h264_negative_offsets.mp4": Kind(options=B, container={"movflags": "negative_cts_offsets"}),
    "h264_fragments.mp4": Kind(options=B, container=FRAGMENTS),
    "h264_no_edits.mp4": Kind(options=B, container={"use_editlist": "0"}),
    "h264_irregular.mp4": Kind(options=B, pts=IRREGULAR),
    "h264_irregular.mkv": Kind(options=B, pts=IRREGULAR),
    "h264_irregular.ts": Kind(options=B, pts=IRREGULAR),
    "h264_early.mp4": Kind(options=B, pts=EARLY, container=AS_IS, first=13),
    "h264_early.mkv": Kind(options=B, pts=EARLY, container=AS_IS),
    "h264_late.mp4": Kind(options=B, pts=LATE, sound="before"),
    "h264_edit_start.mp4": Kind(options=B, edit=edit_list(512 * 9), first=7),
    "h264_edit_both.mp4": Kind(options=B, edit=edit_list(512 * 9, 600), first=7),
    "h264_edit_end.mp4": Kind(options=B, edit=edit_list(512 * 2, 600)),
    "h264_live.mkv": Kind(options=B, container=LIVE),
    "h264_sound.mp4": Kind(options=B, sound="before"),
    "h264_sound.mov": Kind(options=B, sound="before"),
    "h264_sound.avi": Kind(options=NO_B, sound="before"),
    "h264_sound.ts": Kind(options=B, sound="before"),
    "h264_sound.mkv": Kind(options=B, sound="before"),
    "h264_cover.mp4": Kind(options=B, cover=True),
    "h264_90.mp4": Kind(options=B, edit=display_matrix(90), turned=90),
    "h264_180.mp4": Kind(options=B, edit=display_matrix(180), turned=180),
    "h264_270.mp4": Kind(options=B, edit=display_matrix(270), turned=270),
    "mpeg4_90.mp4": Kind("mpeg4", ASP, edit=display_matrix(90), turned=90),
    "hevc.mp4": Kind("libx265", HEVC),
    "hevc.mkv": Kind("libx265", HEVC),
    "hevc_open.mp4": Kind("libx265", hevc("open-gop=1")),
    "hevc_open.ts": Kind("libx265", hevc("open-gop=1")),
    "hevc_layers.mp4": Kind("libx265", hevc("open-gop=0:b-pyramid=1:temporal-layers=3")),
    "hevc_10_bit.mp4": Kind("libx265", HEVC, pix_fmt="yuv420p10le"),
    "vp9.webm": Kind("libvpx-vp9", VP),
    "vp9.mp4": Kind("libvpx-vp9", VP),
    "vp9_97x65.webm": Kind("libvpx-vp9", VP, size=(65, 97)),
    "vp9_live.webm": Kind("libvpx-vp9", VP, container=LIVE),
    "vp9_irregular.webm": Kind("libvpx-vp9", VP, pts=IRREGULAR),
    "vp8.webm": Kind("libvpx", VP),
    "vp8_97x65.webm": Kind("libvpx", VP, size=(65, 97)),
    "vp8_irregular.webm": Kind("libvpx", VP, pts=IRREGULAR),
    "av1.mp4": Kind("libsvtav1", AV1),
    "av1.webm": Kind("libsvtav1", AV1),
    "mpeg4_no_b.avi": Kind("mpeg4", {"g": "12", "b": "4M"}),
    "mpeg4.avi": Kind("mpeg4", ASP),
    "mpeg4.mp4": Kind("mpeg4", ASP),
    "mpeg4.mkv": Kind("mpeg4", ASP),
    "mpeg4.ts": Kind("mpeg4", ASP),
    "mpeg4_97x65.avi": Kind("mpeg4", ASP, size=(65, 97)),
    "mjpeg.avi": Kind("mjpeg", pix_fmt="yuvj420p"),
    "mjpeg.mov": Kind("mjpeg", pix_fmt="yuvj422p"),
    "mjpeg.mkv": Kind("mjpeg", pix_fmt="yuvj444p"),
    "mjpeg_97x65.avi": Kind("mjpeg", pix_fmt="yuvj420p", size=(65, 97)),
    "mpeg2.mpg": Kind("mpeg2video", MPEG2),
    "mpeg2.ts": Kind("mpeg2video", MPEG2),
    "mpeg2.avi": Kind("mpeg2video", MPEG2),
    "mpeg2.mkv": Kind("mpeg2video", MPEG2),
    "mpeg2_interlaced.mpg": Kind("mpeg2video", FIELDS),
    "mpeg2_interlaced.ts": Kind("mpeg2video", FIELDS),
    "mpeg1.mpg": Kind("mpeg1video", MPEG2),
    "wmv2.asf": Kind("wmv2", {"b": "6M"}),
    "flv1.flv": Kind("flv1", {"b": "6M"}),
    "ffv1.mkv": Kind("ffv1", pix_fmt="yuv444p"),
    "prores.mov": Kind("prores", pix_fmt="yuv422p10le"),
    "gif.gif": Kind("gif", pix_fmt="rgb8"),
}

CUT: dict[str, Kind] = {
    "h264.mp4": Kind(options=B, container=FAST, edit=cut(0.6)),
    "h264_no_b.mp4": Kind(options=NO_B, container=FAST, edit=cut(0.6)),
    "h264_one_key.mov": Kind(options={**B, "g": "300"}, container=FAST, edit=cut(0.7)),
    "h264_fragments.mp4": Kind(options=B, container=FRAGMENTS, edit=lambda data: data[: len(data) * 4 // 5]),
    "h264.ts": Kind(options=B, edit=cut(0.6)),
    "h264_no_b.ts": Kind(options=NO_B, edit=cut(0.6)),
    "h264.mkv": Kind(options=B, edit=cut(0.6)),
    "h264.flv": Kind(options=B, edit=cut(0.6)),
    "hevc.mp4": Kind("libx265", HEVC, container=FAST, edit=cut(0.6)),
    "hevc.ts": Kind("libx265", HEVC, edit=cut(0.6)),
    "vp9.webm": Kind("libvpx-vp9", VP, edit=cut(0.6)),
    "vp8.webm": Kind("libvpx", VP, edit=cut(0.6)),
    "av1.mp4": Kind("libsvtav1", AV1, container=FAST, edit=cut(0.6)),
    "mpeg4.mp4": Kind("mpeg4", ASP, container=FAST, edit=cut(0.6)),
    "mpeg4.avi": Kind("mpeg4", ASP, edit=cut(0.85)),
    "mjpeg.avi": Kind("mjpeg", pix_fmt="yuvj420p", edit=cut(0.6)),
    "mpeg2.mpg": Kind("mpeg2video", MPEG2, edit=cut(0.6)),
    "mpeg2.ts": Kind("mpeg2video", MPEG2, edit=cut(0.6)),
    "mpeg2_sound.ts": Kind("mpeg2video", MPEG2, sound="before", edit=cut(0.8)),
    "mpeg2_broken.mkv": Kind("mpeg2video", MPEG2, edit=hurt(20)),  # the rest of the file is lost
}

HURT: dict[str, Kind] = {
    "h264_no_b.mp4": Kind(options={"bf": "0", "g": "10"}, container=FAST, edit=hurt(20)),
    "h264.mp4": Kind(options=B, container=FAST, edit=hurt(20)),
    "h264.mkv": Kind(options=B, edit=hurt(5)),
    "h264.ts": Kind(options=B, edit=hurt(3000)),
    "hevc.mp4": Kind("libx265", HEVC, container=FAST, edit=hurt(400)),
    "mpeg4.mp4": Kind("mpeg4", ASP, container=FAST, edit=hurt(30)),
    "vp9.mp4": Kind("libvpx-vp9", VP, container=FAST, edit=hurt(60)),
    "av1.mp4": Kind("libsvtav1", AV1, container=FAST, edit=hurt(60)),
    "mjpeg.avi": Kind("mjpeg", pix_fmt="yuvj420p", edit=hurt(300)),
}


# --- files that no encoder writes -------------------------------------------------------------------------------------


def packets(codec: str, pix_fmt: str, frames: np.ndarray, first: int, **options: str) -> list[av.Packet]:
    """Frames [T, H, W, 3] encoded, the first of them shown at first / 25 s."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width = frames.shape[1:3]
    encoder.pix_fmt, encoder.time_base, encoder.framerate = pix_fmt, Fraction(1, 25), Fraction(25)
    encoder.thread_count, encoder.options = 1, options
    found = []
    for i, pixels in enumerate(frames, start=first):
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        frame.pts, frame.time_base = i, Fraction(1, 25)
        found += encoder.encode(frame)
    return [*found, *encoder.encode(None)]


def mux(path: Path, codec: str, parts: Sequence[tuple[bytes, int, bool]]) -> Path:
    """Writes (data, time in 1/25 s, is a keyframe) as one stream of 96 x 64 pixels."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for data, time, is_key in parts:
            packet = av.Packet(data)
            packet.pts = packet.dts = time
            packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, 25), is_key, stream
            out.mux(packet)
    return path


def write_resized(path: Path) -> Path:
    """The second half has twice the height and width."""
    small = numbered(N)
    large = small.repeat(2, axis=1).repeat(2, axis=2)
    usual = {"preset": "veryfast", "crf": "4", "bf": "0", "g": "10", "x264-params": "repeat-headers=1"}
    parts = ((small[:20], 0), (large[20:], 20))
    halves = [packets("libx264", "yuv420p", frames, first, **usual) for frames, first in parts]
    return mux(path, "libx264", [(bytes(p), p.pts, p.is_keyframe) for half in halves for p in half])


def write_recoloured(path: Path) -> Path:
    """The first frame stores its colours otherwise than the rest, as some trail cameras do."""
    frames = numbered(N)
    parts = packets("mjpeg", "yuvj422p", frames[:1], 0), packets("mjpeg", "yuvj420p", frames[1:], 1)
    return mux(path, "mjpeg", [(bytes(p), p.pts, True) for part in parts for p in part])


def write_packed(path: Path) -> Path:
    """As DivX 5 wrote it into AVI: a B-frame in one packet with the frame it precedes, then a packet with nothing."""
    found = packets("mpeg4", "yuv420p", numbered(N - 1), 0, g="12", bf="1", b="4M", sc_threshold="1000000000")
    nothing = b"\0\0\1\xb6\x50\x4f"  # a picture that is not coded
    mark = b"\0\0\1\xb2DivX503b1393p\0"
    parts: list[tuple[bytes, bool]] = []
    for packet, following in zip(found, [*found[1:], None]):
        if following is not None and following.pts < packet.pts:
            parts.append((bytes(packet) + bytes(following), packet.is_keyframe))
        elif parts and parts[-1][0].endswith(bytes(packet)):
            parts.append((nothing, False))
        else:
            parts.append((bytes(packet), packet.is_keyframe))
    head = parts[0][0].index(b"\0\0\1\xb6")
    parts[0] = parts[0][0][:head] + mark + parts[0][0][head:], True
    return mux(path, "mpeg4", [(data, time, is_key) for time, (data, is_key) in enumerate(parts)])
