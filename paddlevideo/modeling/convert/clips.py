"""How many frames a TSM was trained on. The weights cannot tell; the config some files carry can, and file names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from paddlevideo.modeling.convert.plan import Source

DEFAULT = 8
# mmaction2's 1x1x16 configs shifted within two halves of 8 frames until this day (its pull request 241)
HALVES_UNTIL = "20201021"


@dataclass(frozen=True)
class ClipSettings:
    """num_seg: frames that shift among each other. frames: of a clip. known: whether the file or its name told."""

    num_seg: int
    frames: int
    shift_ratio: float
    known: bool
    note: str


def clip_settings(source: Source) -> ClipSettings:
    """What the training config inside the file says, else what its published name says, else 8 frames."""
    divisor = _number(r"shift_div\s*=\s*(\d+)", source.text) or _number(r"_shift(\d+)_", source.path.name) or 8
    if source.text:
        backbone = _section(source.text, "backbone")
        num_seg = _number(r"num_segments\s*=\s*(\d+)", backbone) or DEFAULT
        frames = _number(r"num_clips\s*=\s*(\d+)", source.text) or num_seg
        told = "the training config inside the file"
    elif frames := _number(r"1x1x(\d+)", source.path.name) or _number(r"segment(\d+)", source.path.name) or 0:
        date = re.search(r"_(20\d{6})", source.path.name)
        num_seg = DEFAULT if date and date[1] < HALVES_UNTIL else frames
        told = "the file's name"
    else:
        note = f"the weights cannot tell their number of frames; num_seg {DEFAULT} is their usual one"
        return ClipSettings(DEFAULT, DEFAULT, 1 / divisor, False, note)
    note = f"num_seg {num_seg}, clips of {frames} frames: from {told}"
    if frames != num_seg:
        note += f"; the shift was trained on groups of {num_seg}, so MODEL.backbone.num_seg stays {num_seg}"
    return ClipSettings(num_seg, frames, 1 / divisor, True, note)


def _number(pattern: str, text: str) -> int | None:
    match = re.search(pattern, text)
    return int(match[1]) if match and int(match[1]) else None


def _section(text: str, name: str) -> str:
    """What stands between the brackets of `name=dict(...)`."""
    match = re.search(rf"\b{name}\s*=\s*dict\(", text)
    if not match:
        return ""
    depth, end = 1, match.end()
    while end < len(text) and depth:
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        end += 1
    return text[match.end() : end]
