"""Videos encoded anew for training: small, and with keyframes so close that any frame is quickly reached."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddlevideo.loader.sources.pyav_video import PyavVideo
from paddlevideo.tasks.prepare.decoded import Decoded, fitted
from paddlevideo.tasks.prepare.encode import encode
from paddlevideo.tasks.prepare.produce import Job, already_there, writing

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True)
class TranscodeOptions:
    """How videos are encoded.

    Attributes:
        short_side: pixels; longer ones are scaled down, shorter ones left alone; 0: as they are.
        keyint: every how many frames there is a keyframe.
        crf: quality, 0 (lossless) to 51; 18 is hardly told from the original.
        preset: time spent on making files small, see `PRESETS`.
    Raises:
        ValueError: a value out of range.
    """

    short_side: int = 256
    keyint: int = 16
    crf: int = 18
    preset: str = "fast"

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf must be 0 to 51, got {self.crf}")
        if self.preset not in PRESETS:
            raise ValueError(f"preset must be one of {' '.join(PRESETS)}, got {self.preset!r}")

    def encoder(self) -> dict[str, str]:
        """Options of libx264.

        Keyframes come at fixed places and close the group before. "fastdecode" leaves out the deblocking filter and
        arithmetic coding: files grow by an eighth, decoding takes half the time. Frames between two reference frames
        (bf) are referred to by no others (b-pyramid), so that the reader can pass over them.
        """
        keyframes = {"g": str(self.keyint), "keyint_min": str(self.keyint), "sc_threshold": "0"}
        passed_over = {"bf": "2", "x264-params": "b-pyramid=none:open-gop=0", "tune": "fastdecode"}
        return {"crf": str(self.crf), "preset": self.preset, "threads": "1", **keyframes, **passed_over}


def transcode(job: Job) -> dict[str, Any]:
    """Writes the new video beside its final place, counts its frames, and moves it there."""
    target = Path(job.target)
    part = target.with_name(f".{target.name}.part")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
        video = Decoded(job.source)
        size = fitted(video.width, video.height, job.options.short_side, even=True)
        with writing(target):
            count = encode(video, part, size, job.options.encoder())
        with closing(PyavVideo(str(part))) as made:
            if made.num_frames != count:
                raise RuntimeError(f"{made.num_frames} frames came out of {count}")
        if not job.replace and target.exists():
            with closing(PyavVideo(str(target))) as there:
                if there.num_frames != count:
                    raise already_there(job, count)
            return {"frames": count, "bytes": target.stat().st_size}
        with writing(target):
            with part.open("rb+") as handle:
                os.fsync(handle.fileno())
            part.replace(target)
        return {"frames": count, "bytes": target.stat().st_size}
    finally:
        part.unlink(missing_ok=True)


def is_whole(path: Path, row: dict[str, Any]) -> bool:
    """Whether a file is as its row of the journal says."""
    return path.is_file() and path.stat().st_size == row["bytes"]
