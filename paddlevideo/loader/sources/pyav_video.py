"""Videos read by PyAV: only the frames that are wanted, and those they refer to, are decoded.

The file is entered at the last keyframe before a wanted frame, and frames that are neither wanted nor referred to by
others are skipped. What comes out is bit for bit what a full decode gives.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from paddlevideo.loader.sources.packets import PacketList, list_packets, timing_of
from paddlevideo.loader.sources.unreadable import Unreadable, reading, require_file


class PyavVideo:
    """A FrameSource over a video file. Raises Unreadable.

    Attributes:
        num_frames: frames that a full decode gives.
        packets: the list of packets, or None where the file's time stamps cannot be relied on.
        timing: when its frames are shown.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        require_file(path)
        self._open()
        with reading(path):
            self.packets: PacketList | None = list_packets(self._container, self._stream)
            if self.packets is not None:
                self.num_frames = len(self.packets.times)
            else:
                self.num_frames = sum(1 for _ in self._decode_all())
        if self.num_frames == 0:
            raise Unreadable(path, "no frame can be decoded")
        self.timing = timing_of(self._stream, self.packets, self.num_frames)

    def _open(self) -> None:
        with reading(self.path):
            self._container = av.open(self.path)
        if not self._container.streams.video:
            raise Unreadable(self.path, "there is no video in this file")
        self._stream = self._container.streams.video[0]
        self._codec = self._stream.codec_context
        self._codec.thread_count = 1  # `skip_frame` changes from packet to packet; loaders use processes
        self._reformat = VideoReformatter()
        self._is_open = True

    def close(self) -> None:
        """Lets go of the file: PyAV does not by itself until Python looks for cycles."""
        self._container.close()
        self._is_open = False

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8. Closes the file until the next read."""
        if not self._is_open:
            self._open()
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        with closing(self), reading(self.path):
            if self.packets is not None:
                found = self._read_wanted(self.packets, wanted.tolist())
            else:
                found = self._read_counting(set(wanted.tolist()))
        lost = [index for index in wanted.tolist() if index not in found]
        if lost:
            raise Unreadable(self.path, f"frame {lost[0]} of {self.num_frames} cannot be decoded")
        return np.stack([found[index] for index in wanted.tolist()])[inverse]

    def _read_wanted(self, packets: PacketList, wanted: list[int]) -> dict[int, np.ndarray]:
        """index -> pixels, entering the file once for each keyframe that is needed."""
        runs: dict[int, list[int]] = defaultdict(list)  # number of the keyframe to enter at -> frame indices
        for index in wanted:
            runs[packets.entry(packets.places[index])].append(index)
        found: dict[int, np.ndarray] = {}
        for entry, run in sorted(runs.items()):
            index_at = {int(packets.times[packets.places[index]]): index for index in run}
            last = int(packets.places[run].max())
            for frame in self._decode_run(packets, entry, last, index_at):
                if frame.pts in index_at:
                    found[index_at[frame.pts]] = self._pixels(frame)
        return found

    def _decode_run(
        self, packets: PacketList, entry: int, last: int, wanted: dict[int, int]
    ) -> Iterator[av.VideoFrame]:
        """Decodes from keyframe `entry` to the packet at place `last`; frames no one needs are left out."""
        place_of = {time: place for place, time in enumerate(packets.times.tolist())}
        self._seek(packets, entry, place_of)
        for packet in self._container.demux(self._stream):
            place = place_of.get(packet.pts) if packet.size else None
            if place is None or place < packets.keys[entry]:
                continue
            self._codec.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from self._codec.decode(packet)
            if place >= last:
                break
        yield from self._codec.decode(None)

    def _seek(self, packets: PacketList, entry: int, place_of: dict[int, int]) -> None:
        """Goes to a packet at or before a keyframe. Containers disagree on what they seek by, so it is checked."""
        key = packets.keys[entry]
        for target in (packets.decode_times[entry], int(packets.times[key])):
            if target is None:
                continue
            self._container.seek(target, stream=self._stream)
            first = next((packet for packet in self._container.demux(self._stream) if packet.size), None)
            if first is not None and place_of.get(first.pts, key + 1) <= key:
                self._container.seek(target, stream=self._stream)
                return
        self._container.seek(int(min(0, packets.times.min())), stream=self._stream)

    def _read_counting(self, wanted: set[int]) -> dict[int, np.ndarray]:
        """index -> pixels, decoding from the start and counting."""
        found: dict[int, np.ndarray] = {}
        for index, frame in enumerate(self._decode_all()):
            if index in wanted:
                found[index] = self._pixels(frame)
            if len(found) == len(wanted):
                break
        return found

    def _decode_all(self) -> Iterator[av.VideoFrame]:
        with av.open(self.path) as container:
            yield from container.decode(container.streams.video[0])

    def _pixels(self, frame: av.VideoFrame) -> np.ndarray:
        """[H, W, 3] RGB uint8, turned upright; all frames of a video at the size the file declares."""
        size = {"width": self._codec.width, "height": self._codec.height}
        rgb = self._reformat.reformat(frame, format="rgb24", **size).to_ndarray()
        return np.rot90(rgb, k=round(frame.rotation / 90))
