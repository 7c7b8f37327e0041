"""The checksum of an array."""

from __future__ import annotations

import zlib

import numpy as np


def array_crc(array: np.ndarray, crc: int = 0) -> int:
    """CRC-32 over type, shape and bytes, going on from `crc`."""
    head = zlib.crc32(f"{array.dtype}{array.shape}".encode(), crc)
    return zlib.crc32(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data, head)
