"""Frame i is frame i, bit for bit, in every kind of file; in a cut or damaged one it is frame i or an error."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import av
import numpy as np
import pytest
from field_pictures import write_fields
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds import CUT, HURT, WHOLE, Kind, write_packed, write_recoloured, write_resized
from synthetic import read_number

from paddlevideo.loader.clip import Clip
from paddlevideo.loader.index import VideoFacts
from paddlevideo.loader.pipelines.decode import BACKENDS, VideoDecoder
from paddlevideo.loader.sources import packets
from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.loader.sources.unreadable import Unreadable

SPECIAL = {
    "resized.ts": write_resized,
    "resized.mkv": write_resized,
    "recoloured.avi": write_recoloured,
    "packed.avi": write_packed,
    "fields.ts": partial(write_fields, together=True),
    "fields.mkv": partial(write_fields, together=True),
    "single_fields.ts": partial(write_fields, together=False),
}
BACKENDS_HERE = [name for name in BACKENDS if importlib.util.find_spec(name if name != "pyav" else "av")]
Films = Callable[[str], str]
every_backend = pytest.mark.parametrize("backend", BACKENDS_HERE)


def encoder_of(kind: Kind) -> str:
    try:
        return av.codec.Codec(kind.codec, "w").name
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this PyAV cannot encode with {kind.codec}")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Films:
    """The path of a film, "whole/name", "cut/name", "hurt/name" or "special/name"; each is written once."""
    folder = tmp_path_factory.mktemp("kinds")

    @cache
    def film(name: str) -> str:
        group, file = name.split("/")
        (folder / group).mkdir(exist_ok=True)
        if group == "special":
            return str(SPECIAL[file](folder / name))
        kind = {"whole": WHOLE, "cut": CUT, "hurt": HURT}[group][file]
        encoder_of(kind)
        return str(kind.write(folder / name))

    return film


@cache
def decoded(path: str) -> list[np.ndarray]:
    """What PyAV gives when it decodes everything, passing over what it cannot; [H, W, 3], of one size, upright."""
    found = []
    with av.open(path) as container:
        stream = container.streams.video[0]
        size = {"width": stream.codec_context.width, "height": stream.codec_context.height}
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            found += [(frame.reformat(**size, format="rgb24").to_ndarray(), frame.rotation) for frame in frames]
    return [np.rot90(pixels, k=rotation // 90) for pixels, rotation in found]


def number(frame: np.ndarray, kind: Kind) -> int:
    return read_number(np.rot90(frame, kind.turned // 90)[:64, :96])


# --- whole files ------------------------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("name", WHOLE)
def test_every_frame_of_every_kind(films: Films, name: str, backend: str) -> None:
    path, kind = films(f"whole/{name}"), WHOLE[name]
    every = decoded(path)
    n = len(every)
    assert n == kind.count - kind.first or "edit" in name
    source = BACKENDS[backend](path)
    assert source.num_frames == n
    assert len(source.timing.times) == n
    frames = source.read(range(n))
    assert (frames.shape[1:], frames.dtype) == (every[0].shape, np.uint8)
    assert [number(frame, kind) for frame in frames] == list(range(kind.first, kind.first + n))
    for wanted in ([n - 1], [n // 2, 0, n // 2], sorted({n // 5, n // 3, n // 2})):
        some = BACKENDS[backend](path).read(wanted)
        assert [number(frame, kind) - kind.first for frame in some] == wanted
        if backend == "pyav":
            assert np.array_equal(some, [every[i] for i in wanted])
    if backend == "pyav":
        assert np.array_equal(frames, every)


@given(name=st.sampled_from(sorted(WHOLE)), data=st.data(), in_memory=st.booleans())
@settings(deadline=None, max_examples=200)
def test_any_frames_are_bit_for_bit_those_of_a_full_decode(
    films: Films, name: str, data: st.DataObject, in_memory: bool
) -> None:
    path = films(f"whole/{name}")
    every = decoded(path)
    wanted = data.draw(st.lists(st.integers(0, len(every) - 1), min_size=1, max_size=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets, "KEPT_BYTES", packets.KEPT_BYTES if in_memory else 0)
        found = PyavVideo(path).read(wanted)
    assert np.array_equal(found, [every[i] for i in wanted])


@pytest.mark.parametrize("name", WHOLE)
def test_large_files_are_entered_by_seeking(films: Films, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "KEPT_BYTES", 0)
    path = films(f"whole/{name}")
    every = decoded(path)
    n = len(every)
    for wanted in ([n - 1], [n // 3, n // 2], [n * 3 // 4]):
        assert np.array_equal(PyavVideo(path).read(wanted), [every[i] for i in wanted])


@every_backend
@pytest.mark.parametrize("name", SPECIAL)
def test_files_that_no_encoder_writes(films: Films, name: str, backend: str) -> None:
    path = films(f"special/{name}")
    every = decoded(path)
    n = len(every)
    assert BACKENDS[backend](path).num_frames == n == (20 if "fields" in name else 39 if "packed" in name else 40)
    for wanted in (list(range(n)), [5], [n - 5], [3, n // 2, n - 1]):
        found = BACKENDS[backend](path).read(wanted)
        assert [read_number(frame) for frame in found] == wanted
        if backend == "pyav":
            assert np.array_equal(found, [every[i] for i in wanted])


# --- cut and damaged files --------------------------------------------------------------------------------------------


@every_backend
@pytest.mark.parametrize("name", CUT)
def test_a_cut_file_has_as_many_frames_as_can_be_decoded(films: Films, name: str, backend: str) -> None:
    path = films(f"cut/{name}")
    every = decoded(path)
    n = len(every)
    assert 5 < n < CUT[name].count
    source = BACKENDS[backend](path)
    assert source.num_frames == n
    assert len(source.read(range(n))) == n
    for wanted in ([n - 1], [n - 1, 0, n - 2], [n // 2]):
        found = BACKENDS[backend](path).read(wanted)
        if backend == "pyav":
            assert np.array_equal(found, [every[i] for i in wanted])


@every_backend
@pytest.mark.parametrize("name", HURT)
def test_damage_is_never_silently_another_frame(films: Films, name: str, backend: str) -> None:
    path = films(f"hurt/{name}")
    kind, good, bad = HURT[name], [], []
    for i in range(BACKENDS[backend](path).num_frames):
        try:
            frame = BACKENDS[backend](path).read([i])[0]
        except Unreadable as error:
            assert "damaged" in error.reason
            bad.append(i)
        else:
            assert number(frame, kind) == i
            good.append(i)
    assert bad and good[0] == 0
    if backend == "pyav":
        assert [number(frame, kind) for frame in PyavVideo(path).read(good)] == good
    assert len(good) + len(bad) == kind.count or name in ("h264.ts", "mjpeg.avi")  # packets were lost as well


# --- what is refused, and when ----------------------------------------------------------------------------------------


@every_backend
def test_only_a_cover_picture(tmp_path: Path, backend: str) -> None:
    with av.open(str(tmp_path / "song.mp3"), "w") as out:
        sound = out.add_stream("mp3", rate=44100)
        cover = out.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        out.mux(cover.encode(av.VideoFrame(64, 64, "yuvj420p")))
        out.mux(cover.encode(None))
        part = av.AudioFrame.from_ndarray(np.zeros((2, 1152), np.float32), format="fltp", layout="stereo")
        part.sample_rate = 44100
        out.mux(sound.encode(part))
        out.mux(sound.encode(None))
    with pytest.raises(Unreadable) as caught:
        BACKENDS[backend](str(tmp_path / "song.mp3"))
    assert caught.value.reason == "there is no video in this file (but for a cover picture)"


@every_backend
def test_what_takes_too_long_is_unreadable(films: Films, backend: str) -> None:
    decode = VideoDecoder(backend, time_limit=1e-9)
    assert decode.time_limit == 1e-9 and VideoDecoder().time_limit == 60
    with pytest.raises(Unreadable, match=r"time_limit"):
        decode(Clip(films("whole/h264.mkv")), np.random.default_rng(0))
    clip = VideoDecoder(backend, time_limit=None)(Clip(films("whole/h264.mkv")), np.random.default_rng(0))
    assert clip.num_frames == 40


@pytest.mark.parametrize("name", ["h264_no_b.mp4", "h264.avi"])  # one read by its list, one by counting
def test_reading_that_takes_too_long(films: Films, name: str) -> None:
    source = PyavVideo(films(f"whole/{name}"), time_limit=30)
    source.limit.seconds = 1e-9
    with pytest.raises(Unreadable, match=r"^\S+: reading took more than 1e-09 s \(time_limit\)$"):
        source.read([30])
    source.limit.seconds = None
    assert read_number(source.read([30])[0]) == 30


def facts(**known: str) -> VideoFacts:
    values = {"decoder": "pyav", "reason": "", "sha256": ""} | known
    return VideoFacts(frames=40, fps=25, width=96, height=64, rotation=0, duration=1.6, size=1, modified=1, **values)


@pytest.mark.parametrize(
    ("decoder", "expected"), [("pyav", "PyavVideo"), ("cv2", "OpencvVideo"), ("", "PyavVideo"), ("other", "PyavVideo")]
)
def test_auto_takes_the_decoder_that_the_index_found(films: Films, decoder: str, expected: str) -> None:
    clip = Clip(films("whole/h264.mkv"), facts=facts(decoder=decoder))
    opened = VideoDecoder()(clip, np.random.default_rng(0))
    assert type(opened.source).__name__ == expected
    assert type(VideoDecoder("pyav")(clip, np.random.default_rng(0)).source).__name__ == "PyavVideo"


def test_a_file_known_to_be_unreadable_is_not_opened() -> None:
    clip = Clip("nowhere.mp4", facts=facts(decoder="", reason="no frame can be decoded"))
    with pytest.raises(Unreadable, match=r"nowhere.mp4: no frame can be decoded"):
        VideoDecoder()(clip, np.random.default_rng(0))
    with pytest.raises(Unreadable, match="no such file"):
        VideoDecoder("pyav")(clip, np.random.default_rng(0))


def test_frames_that_no_one_refers_to_are_not_decoded(films: Films, monkeypatch: pytest.MonkeyPatch) -> None:
    """bf=3 without pyramid: three frames of four are for themselves, and the first group has no other wanted."""
    video = PyavVideo(films("whole/mpeg4.mp4"))
    assert video.packets is not None
    codec = video._codec
    came: list[int] = []

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(codec, name)

        def __setattr__(self, name: str, value: object) -> None:
            setattr(codec, name, value)

        def decode(self, packet: av.Packet | None) -> list[av.VideoFrame]:
            frames = codec.decode(packet)
            came.extend(frames)
            return frames

    monkeypatch.setattr(video, "_codec", Spy())
    assert [read_number(frame) for frame in video.read([4, 11])] == [4, 11]
    assert len(came) < 9  # of 12


@pytest.mark.parametrize("mode", ["test", "train"])
@pytest.mark.parametrize("name", ["h264_irregular.mp4", "h264.mov", "h264_one_key.mp4", "mpeg4.mp4", "hevc.mp4"])
def test_windows_are_the_reference_s(films: Films, name: str, mode: str) -> None:
    """facts/paddlevideo.md 4.3, done as it says: every frame from a time on, up to the first behind the end."""
    path, seconds = films(f"whole/{name}"), 4 * 6 / 24
    with av.open(path) as container:
        stream = container.streams.video[0]
        count, duration = stream.frames, stream.duration
        times = sorted(frame.pts for frame in container.decode(stream))
        span = seconds * float(stream.average_rate)
    begin = 0.0 if mode == "test" else np.random.default_rng(3).uniform(0, max(count - span, 0))
    first, last = int(begin * duration / count), int((begin + span - 1) * duration / count)
    kept = [i for i, time in enumerate(times) if first <= time <= last]
    kept += [i for i, time in enumerate(times) if time > last][:1]
    decode = VideoDecoder(mode=mode, num_seg=4, sampling_rate=6, target_fps=24)
    clip = decode(Clip(path), np.random.default_rng(3))
    assert clip.num_frames == len(kept) and clip.span == span
    assert [read_number(frame) for frame in clip.source.read(range(len(kept)))] == kept
