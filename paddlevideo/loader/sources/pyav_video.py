"""Videos read by PyAV: only the frames that are wanted, and those they refer to, are decoded.

Decoding begins at the last keyframe before a wanted frame, and frames that are neither wanted nor referred to by others
are skipped. What comes out is bit for bit what a full decode gives. Where the file is in doubt, everything is decoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing

import av
import numpy as np

from paddlevideo.loader.sources.full_decode import FullDecode
from paddlevideo.loader.sources.packets import Listing, PacketList, demuxed, list_packets, timing_of, video_stream
from paddlevideo.loader.sources.pixels import Pixels
from paddlevideo.loader.sources.time_limit import TimeLimit
from paddlevideo.loader.sources.unreadable import Unreadable, open_video, reading


class PyavVideo:
    """A FrameSource over a video file. Raises Unreadable.

    Args:
        time_limit: seconds that opening it, and each reading of frames, may take; None: any time.
    Attributes:
        num_frames: frames that a full decode gives.
        container, codec: FFmpeg's names of the formats.
        packets: the list of packets, or None where the file's time stamps cannot be relied on.
        timing: when its frames are shown.
        fps: frames a second, on average.
        delay: of the first frame, after the time at which the stream says it starts (units of its time base).
    """

    def __init__(self, path: str, time_limit: float | None = None) -> None:
        self.path = path
        self.limit = TimeLimit(path, time_limit)
        with reading(path), self.limit:
            self._open()
            listing = list_packets(self._container, self._stream, self.limit.check)
            self._kept = listing.kept
            self.packets: PacketList | None = listing.packets
            times = self._settle(listing)
        if self.num_frames == 0:
            raise Unreadable(path, "no frame can be decoded")
        self.timing = timing_of(self._stream, times, self.num_frames)
        self.fps: float | None = self.timing.rate
        self.delay = times[0] - (self._stream.start_time or 0) if times else 0

    def _open(self) -> None:
        seconds = self.limit.seconds
        self._container = open_video(self.path, seconds)
        stream = video_stream(self._container)
        if stream is None:
            covers = " (but for a cover picture)" if self._container.streams.video else ""
            raise Unreadable(self.path, f"there is no video in this file{covers}")
        self._stream = stream
        self.container, self.codec = self._container.format.name, stream.codec_context.name
        self._codec = stream.codec_context
        self._codec.thread_count = 1  # `skip_frame` changes from packet to packet; loaders use processes
        self._size = self._codec.width, self._codec.height
        self._is_open = True

    def __del__(self) -> None:
        if getattr(self, "_is_open", False):
            self.close()

    def close(self) -> None:
        """Lets go of the file: PyAV does not by itself until Python looks for cycles."""
        self._kept = None
        self._container.close()
        self._is_open = False

    def _settle(self, listing: Listing) -> Sequence[int] | None:
        """Finds out how many frames there are, decoding as much as the listing's doubt asks for. Their time stamps."""
        packets = listing.packets
        if packets is not None:
            times = [packets.times[place] for place in packets.places]
            if listing.doubt == "" or (listing.doubt == "tail" and self._tail_is_whole(packets)):
                self.num_frames = len(times)
                return times
        every = FullDecode(self.path, self.limit)
        found = [frame.pts for frame in every]
        self.num_frames = len(found)
        self._sure = len(found) if every.sure is None else every.sure
        if packets is None or found != times or every.damaged:
            self.packets = None
        stamps = [time for time in found if time is not None]
        return stamps if len(stamps) == len(found) and stamps == sorted(set(stamps)) else None

    def _tail_is_whole(self, packets: PacketList) -> bool:
        key = packets.keys[-1]
        whole = (place >= key and packets.times[place] >= packets.times[key] for place in packets.places)
        tail = [index for index, is_whole in enumerate(whole) if is_whole]
        return not self._decode_run(packets, len(packets.keys) - 1, tail, None)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """The frames at 0-based `indices`: [len(indices), H, W, 3] RGB uint8. Closes the file until the next read."""
        wanted, inverse = np.unique(np.asarray(indices), return_inverse=True)
        with reading(self.path), self.limit:
            if not self._is_open:
                self._open()
            pixels = Pixels(wanted.tolist(), *self._size)
            with closing(self):
                if self.packets is not None:
                    self._read_wanted(self.packets, pixels)
                else:
                    self._read_counting(pixels)
        if pixels.lost:
            index = min(pixels.lost)
            reason = f"frame {index} of {self.num_frames} cannot be decoded: the file is damaged there"
            raise Unreadable(self.path, reason)
        in_order = len(inverse) == len(wanted) and np.array_equal(inverse, np.arange(len(wanted)))
        return pixels.array if in_order else pixels.array[inverse]

    def _read_wanted(self, packets: PacketList, pixels: Pixels) -> None:
        """Enters the file once for each keyframe that is needed; and at the start for what is not whole."""
        runs: dict[int, list[int]] = defaultdict(list)  # number of the keyframe to enter at -> frame indices
        for index in pixels.row:
            runs[packets.entry(packets.places[index])].append(index)
        for entry, run in sorted(runs.items()):
            self._decode_run(packets, entry, run, pixels)
        if pixels.lost:
            self._decode_run(packets, 0, sorted(pixels.lost), pixels, skips=False)

    def _decode_run(
        self, packets: PacketList, entry: int, run: Sequence[int], pixels: Pixels | None, skips: bool = True
    ) -> set[int]:
        """Decodes from keyframe `entry` on until the frames of `run` are out. Returns those that damage has reached.

        Args:
            pixels: takes the frames that are whole; None: they are only looked at.
            skips: leave out frames that are neither in `run` nor referred to by others.
        """
        wanted = {packets.times[packets.places[index]]: index for index in run}
        last = max(packets.places[index] for index in run)
        missing, damaged = set(wanted), []

        def decode(packet: av.Packet | None, place: int) -> None:
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                damaged.append(place)
                return
            for frame in frames:
                if frame.is_corrupt:
                    damaged.append(packets.place_of.get(frame.pts, place))
                if frame.pts in missing:
                    missing.discard(frame.pts)
                    if pixels is not None:
                        pixels.put(wanted[frame.pts], frame)

        skips = skips and packets.skips and pixels is not None
        skipping = None
        if not skips:
            self._codec.skip_frame = "DEFAULT"
        for place, packet in self._packets_from(packets, entry):
            self.limit.check()
            if skips and skipping != (packet.pts not in wanted):
                skipping = packet.pts not in wanted
                self._codec.skip_frame = "NONREF" if skipping else "DEFAULT"
            decode(packet, place)
            if place > last or (place == last and place + 1 in packets.places_of_keys):
                break  # one packet more shows whether damage began in the last
        decode(None, last)
        damaged += [packets.place_of[time] for time in missing]
        hurt = {index for index in run if damaged and packets.is_reached(packets.places[index], damaged)}
        if pixels is not None:
            pixels.lost |= hurt
        return hurt

    def _packets_from(self, packets: PacketList, entry: int) -> Iterator[tuple[int, av.Packet]]:
        """(place, packet) from a keyframe on, as they were listed."""
        start = packets.keys[entry]
        if self._codec.is_open:
            self._codec.flush_buffers()
        if self._kept is not None:
            yield from enumerate(self._kept[start:], start)
            return
        found = self._seek(packets, entry)
        if found is None:
            self._container.close()
            self._open()
            found = 0
        for place, packet in enumerate(demuxed(self._container, self._stream), found):
            if place == len(packets.times) or (packet.pts, packet.size) != (packets.times[place], packets.sizes[place]):
                return
            if place >= start:
                yield place, packet

    def _seek(self, packets: PacketList, entry: int) -> int | None:
        """Goes to a packet at or before a keyframe and returns its place; None where that cannot be done.

        Containers disagree on what they seek by, and some cannot, so it is checked.
        """
        key = packets.keys[entry]
        for target in {packets.decode_times[entry], packets.times[key]} - {None} if key else ():
            try:
                self._container.seek(target, stream=self._stream)
                first = next(demuxed(self._container, self._stream), None)
                place = packets.place_of.get(first.pts, key + 1) if first is not None else key + 1
                if place <= key:
                    self._container.seek(target, stream=self._stream)
                    return place
            except av.FFmpegError:
                continue
        return None

    def _read_counting(self, pixels: Pixels) -> None:
        """Decodes from the start and counts."""
        last = max(pixels.row)
        for index, frame in enumerate(FullDecode(self.path, self.limit)):
            if index in pixels.row and index < self._sure:
                pixels.put(index, frame)
            if index >= last:
                break
