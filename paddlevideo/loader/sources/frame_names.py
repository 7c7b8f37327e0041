"""The names of the image files of a video: their pattern, the number they begin at, and which are missing."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from paddlevideo.loader.sources.unreadable import Unreadable

USUAL = "img_{:05}.jpg"  # what PaddleVideo and mmaction2 write
IMAGES = "jpg|jpeg|png|webp|bmp|tif|tiff"
NAME = re.compile(rf"(?P<before>.*?)(?P<number>\d+)(?P<after>\.(?:{IMAGES}))", re.IGNORECASE)
SHOWN = 6  # gaps that a message lists


class Frames(NamedTuple):
    """Which files a folder holds: `pattern.format(n)`, n from `first` (0 or 1), but for `missing` up to `last`."""

    pattern: str
    first: int
    last: int
    missing: tuple[int, ...]


def find_frames(folder: str, pattern: str = "") -> Frames:
    """Lists a folder; without `pattern` also finds that.

    Raises:
        Unreadable: there is no such folder, or no file of such names in it; or names of several patterns, none of
            them USUAL.
    """
    try:
        changed = Path(folder).stat().st_mtime_ns
        found = _patterns(folder, changed) if not pattern else {pattern: _numbers(folder, pattern)}
    except OSError as error:
        raise Unreadable(folder, f"no such folder of frames ({error.strerror})") from None
    if not any(found.values()):
        what = pattern.format(1) if pattern else "numbered image"
        raise Unreadable(folder, f"there is no {what} in this folder of {len(_names(folder))} files")
    if USUAL not in found and len(found) > 1:
        names = " and ".join(pattern.format(numbers[0]) for pattern, numbers in sorted(found.items())[:3])
        raise Unreadable(folder, f"files are named in {len(found)} ways ({names}); say which with suffix")
    pattern = USUAL if USUAL in found else next(iter(found))
    numbers = found[pattern]
    first = min(1, numbers[0])
    return Frames(pattern, first, numbers[-1], tuple(sorted({*range(first, numbers[-1])} - {*numbers})))


@lru_cache(maxsize=4096)
def _patterns(folder: str, changed: int) -> dict[str, list[int]]:
    """Pattern -> numbers, rising, of the images in a folder that was last changed at that time."""
    del changed  # part of the key
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for name in _names(folder):
        match = NAME.fullmatch(name)
        if match and not name.startswith("."):
            alike[match["before"], match["after"]].append(match["number"])
    found: dict[str, list[int]] = {}
    for (before, after), numbers in alike.items():
        for width, group in _by_width(numbers).items():
            place = f"{{:0{width}}}" if width > 1 else "{}"
            found[_escaped(before) + place + after] = sorted(map(int, group))
    return found


def _by_width(numbers: list[str]) -> dict[int, list[str]]:
    """Width that numbers are filled up to with zeros -> those numbers."""
    least = min(map(len, numbers))
    if all(f"{int(number):0{least}}" == number for number in numbers):
        return {least: numbers}
    groups: dict[int, list[str]] = defaultdict(list)
    for number in numbers:
        groups[len(number)].append(number)
    return groups


def _names(folder: str) -> list[str]:
    return os.listdir(folder)  # noqa: PTH208 - Path.iterdir takes four times as long


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _numbers(folder: str, pattern: str) -> list[int]:
    """The numbers of the files whose names are of this pattern, rising."""
    names = set(_names(folder))
    digits = {int(run) for name in names for run in re.findall(r"\d+", name)}
    return sorted(number for number in digits if pattern.format(number) in names)


def spans(numbers: Sequence[int]) -> str:
    """Rising numbers in words: "5, 9-12"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], number]
        else:
            runs.append([number])
    shown = ["-".join(map(str, run)) for run in runs[:SHOWN]]
    return ", ".join(shown) + (f" and {len(runs) - SHOWN} more gaps" if len(runs) > SHOWN else "")
