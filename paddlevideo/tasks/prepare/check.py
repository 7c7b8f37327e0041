"""Looking at one video or one folder of frames: can it be read, how many frames has it, what are they called."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from paddlevideo.loader.sources.frame_names import find_frames, spans
from paddlevideo.loader.sources.packets import video_stream
from paddlevideo.loader.sources.unreadable import Unreadable, open_video, reading, require_file

EMPTY = "zero bytes"


@dataclass(frozen=True)
class Finding:
    """What looking has shown.

    Attributes:
        reason: why it cannot be used; empty where it can.
        frames: how many images a folder has; 0 for videos.
        pattern: what they are called, as "img_{:05}.jpg"; empty for videos.
    """

    reason: str = ""
    frames: int = 0
    pattern: str = ""


def unlistable(path: str) -> str:
    """Why a list, which has a path at the beginning of each line, cannot hold this one; empty where it can."""
    if len(path.splitlines()) > 1:
        return "a list has a path a line, so a name cannot hold a line break"
    if "\t" in path or path != path.strip():
        return "a list parts its columns by spaces or tabs, so a name cannot hold a tab, nor begin or end with a space"
    if path.startswith("#"):
        return "a line of a list that begins with # is left out"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8 text, and lists are"
    return ""


def video(path: str) -> Finding:
    """Opens a file and decodes its first frame."""
    finding = video_file(path)
    if finding.reason:
        return finding
    try:
        with reading(path), closing(open_video(path)) as container:
            stream = video_stream(container)
            if stream is None:
                return Finding("there is no video in this file")
            if next(container.decode(stream), None) is None:
                return Finding("no frame can be decoded")
    except Unreadable as error:
        return Finding(error.reason)
    return finding


def video_file(path: str) -> Finding:
    """Looks only whether it is a file, and not an empty one."""
    if Path(path).is_file() and not Path(path).stat().st_size:
        return Finding(EMPTY)
    try:
        require_file(path)
    except Unreadable as error:
        return Finding(error.reason)
    return Finding()


def frames(folder: str) -> Finding:
    """Counts the frames of a folder and decodes the first."""
    finding = frame_names(folder)
    if finding.reason:
        return finding
    first = next(path for number in (0, 1) if (path := Path(folder, finding.pattern.format(number))).exists())
    data = np.fromfile(first, dtype=np.uint8)
    if not data.size:
        return Finding(f"{first.name} has {EMPTY}")
    if cv2.imdecode(data, cv2.IMREAD_COLOR) is None:
        return Finding(f"{first.name} is no image that can be decoded")
    return finding


def frame_names(folder: str) -> Finding:
    """Counts the frames of a folder by the pattern of their names, whatever they begin with."""
    try:
        found = find_frames(folder)
    except Unreadable as error:
        return Finding(error.reason)
    if found.missing:
        of = f"{found.first}..{found.last} ({found.pattern})"
        return Finding(f"frames {spans(found.missing)} are missing of {of}")
    return Finding("", found.last - found.first + 1, found.pattern)
