"""Videos made for tests. Every frame carries its own number, so that a decoder that is off by one cannot hide."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

BLOCK, COLUMNS, ROWS = 16, 6, 4  # 24 squares: 12 bits of the number, then the same bits inverted
BITS = COLUMNS * ROWS // 2


def numbered(count: int) -> np.ndarray:
    """[count, 64, 96, 3] uint8: frame i shows i as black and white squares."""
    bits = np.arange(count)[:, None] >> np.arange(BITS) & 1  # [count, 12]
    squares = np.concatenate([bits, 1 - bits], axis=1).reshape(count, ROWS, COLUMNS)
    grey = np.kron(squares, np.ones((BLOCK, BLOCK), int)) * 200 + 30  # [count, 64, 96]
    return np.repeat(grey[..., None], 3, axis=-1).astype(np.uint8)


def read_number(frame: np.ndarray) -> int:
    """The number a decoded frame [64, 96, 3] shows. Raises AssertionError when it is a blend of two frames."""
    squares = frame.mean(axis=-1).reshape(ROWS, BLOCK, COLUMNS, BLOCK)[:, 4:-4, :, 4:-4].mean(axis=(1, 3)).reshape(-1)
    assert np.all(np.abs(squares - 130) > 60), f"not one clean number: {squares.round()}"
    bits = squares > 130
    assert np.all(bits[:BITS] != bits[BITS:])
    return int((bits[:BITS] << np.arange(BITS)).sum())


def encode(path: Path, frames: np.ndarray, codec: str = "libx264", rate: int = 25, **options: str) -> Path:
    """Writes frames [T, H, W, 3] RGB; H.264 is lossless unless `options` (the codec's own) say otherwise."""
    if codec == "libx264":
        options = {"crf": "0", "preset": "ultrafast", **options}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_frames(folder: Path, frames: np.ndarray, pattern: str = "img_{:05}.jpg") -> Path:
    """Writes frames [T, H, W, 3] RGB as image files numbered from 1."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames, start=1):
        cv2.imwrite(str(folder / pattern.format(i)), frame[:, :, ::-1])
    return folder


def turn_on_its_side(path: Path) -> None:
    """Rewrites an mp4's display matrix as a telephone held upright does: shown turned 90 degrees clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    numbers = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[matrix : matrix + 36] = b"".join(number.to_bytes(4, "big", signed=True) for number in numbers)
    path.write_bytes(data)
