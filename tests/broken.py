"""Ten ways in which a video file comes to be unreadable, and what is to be said of each."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("<html><body>404: this video has been removed</body></html>\n")


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _damaged_beginning(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(64) + path.read_bytes()[64:])


def _cut_off(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def _garbage(path: Path) -> None:
    """Half of what is between the two boxes that hold the frames and the index."""
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    half = (end - start) // 2
    data[start + half // 2 : start + half // 2 + half] = b"\xff" * half
    path.write_bytes(data)


def _sound(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _image(path: Path) -> None:
    path.write_bytes(cv2.imencode(".png", np.zeros((32, 32, 3), np.uint8))[1].tobytes())


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WAYS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "^no such file"),
    "empty": (_empty, "^the file is empty"),
    "text": (_text, "^this is text, not a video"),
    "folder": (_folder, "^this is a folder, not a video"),
    "damaged beginning": (_damaged_beginning, "^this is not a video, or its beginning is damaged"),
    "cut off": (_cut_off, r"^an mp4 file that is cut off: its index \(moov\) is missing"),
    "garbage": (_garbage, "(no frame can|cannot) be decoded|^decoding it failed: "),
    "sound": (_sound, "^there is no video in this file"),
    "image": (_image, "^this is an image \\(png\\), not a video"),
    "pipe": (_pipe, "^this is a named pipe, not a video"),
}
