"""Decodes every video of a data set once and writes down what that shows, for the loader and for people."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from paddlevideo.loader.index import NoIndex, VideoFacts, entry_of, index_text, read_entries, row_of, stamp
from paddlevideo.loader.sources.unreadable import Unreadable, require_file
from paddlevideo.tasks.prepare.decoded import Decoded, turns
from paddlevideo.tasks.prepare.journal import Journal
from paddlevideo.tasks.prepare.parallel import each
from paddlevideo.tasks.prepare.produce import reason_of
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

SHOWN = 5  # files named in the summary


class Look(NamedTuple):
    """A file to be looked at: its path, what was known of it, and whether its content is to be hashed."""

    path: str
    known: VideoFacts | None
    hashed: bool


def make_index(paths: Iterable[str], out: Path, hashed: bool, workers: int) -> dict[str, VideoFacts]:
    """Writes the index of these files and says what is in it.

    Files that have not changed since an earlier run are not read again, unless they were unreadable. Files in the
    index that are not among `paths` stay, if they exist.

    Args:
        paths: of the videos.
        out: the index.
        hashed: note a hash of the content too.
    Returns: absolute path -> facts, of `paths`.
    Raises:
        UserError: `out` is something else or cannot be written, another run writes it, or no file at all can be read.
    """
    before, facts = _known(out), {}
    with Journal(out.with_name(f".{out.name}.part"), {"what": "index"}) as journal:
        entries = (entry_of(out, row) for row in journal.rows.values())
        before |= dict(entry for entry in entries if entry is not None)
        looks = []
        for path in dict.fromkeys(map(os.path.abspath, paths)):
            known = before.get(path)
            if known is not None and _is_current(path, known) and (known.sha256 or not hashed):
                facts[path] = known
            else:
                looks.append(Look(path, known, hashed))
        try:
            for look, found in each(examine, looks, workers, "index"):
                facts[look.path] = _failure(look.path, found) if isinstance(found, Exception) else found
                journal.add(row_of(out, look.path, facts[look.path]))
        except BaseException:
            logger.info("index: what has been found so far is kept; the same command goes on from there")
            raise
        kept = {path: known for path, known in before.items() if path not in facts and stamp(path) != (0, 0)}
        files.write_text(out, index_text(out, kept | facts))
        journal.remove()
    return facts


def _known(out: Path) -> dict[str, VideoFacts]:
    """The entries of an earlier index; none where it is damaged."""
    if not out.exists():
        return {}
    if out.is_dir():
        raise UserError(f"{out}: is a folder; --out is the file of the index, such as {out / 'index.jsonl'}")
    try:
        return read_entries(str(out))
    except NoIndex:
        raise UserError(f"{out}: is there already, and is no index of videos; choose another --out") from None
    except UserError as error:
        logger.info(f"{error}: this is done now")
        return {}


def _is_current(path: str, known: VideoFacts) -> bool:
    return not known.reason and stamp(path) == (known.size, known.modified)


def _failure(path: str, error: Exception) -> VideoFacts:
    """The facts of a file that took its process with it."""
    return VideoFacts(0, 0.0, 0, 0, 0, 0.0, "", reason_of(error), *stamp(path), "")


def examine(look: Look) -> VideoFacts:
    """The facts of one file; of one that was only touched or copied, those that were known."""
    size, modified = stamp(look.path)
    blank = VideoFacts(0, 0.0, 0, 0, 0, 0.0, "", "", size, modified, "")
    try:
        require_file(look.path)  # before it is hashed: a pipe or a device may never end
    except Unreadable as error:
        return replace(blank, reason=error.reason)
    digest = _sha256(look.path) if look.hashed else ""
    known = look.known
    if known is not None and not known.reason:
        same = digest == known.sha256 if known.sha256 and digest else modified == known.modified
        if same and size == known.size:
            return replace(known, modified=modified, sha256=digest or known.sha256)
    blank = replace(blank, sha256=digest)
    try:
        return decode(look.path, blank)
    except Unreadable as error:
        return replace(blank, reason=error.reason)


def decode(path: str, blank: VideoFacts) -> VideoFacts:
    """Decodes a file from end to end, with PyAV: the other backends can read no more than it. Raises Unreadable."""
    video, rotation = Decoded(path), 0
    times: list[float] = []
    for time, frame in video:
        rotation = rotation if times else 90 * turns(frame)
        times.append(time)
    count, steps = len(times), np.diff(times)
    fps = (count - 1) / times[-1] if times[-1] > 0 else video.rate
    size = (video.height, video.width) if rotation in (90, 270) else (video.width, video.height)
    return replace(
        blank,
        frames=count,
        fps=round(fps, 6),
        width=size[0],
        height=size[1],
        rotation=rotation,
        duration=round(count / fps, 6),
        decoder="pyav",
        declared=video.declared,
        variable=bool(count > 2 and np.ptp(steps) > max(0.0021, 0.1 * np.median(steps))),  # mkv counts in ms
    )


def _sha256(path: str) -> str:
    """Of the content; empty where there is none to read."""
    try:
        return files.sha256(Path(path))
    except OSError:
        return ""


def summary(facts: dict[str, VideoFacts]) -> list[str]:
    """What people want to know of a data set."""
    good = {path: known for path, known in facts.items() if not known.reason}
    bad = [f"{files.plain(path)}: {known.reason}" for path, known in sorted(facts.items()) if known.reason]
    too_many = sum(known.declared > known.frames for known in good.values())
    too_few = sum(0 < known.declared < known.frames for known in good.values())
    silent = sum(known.declared == 0 for known in good.values())
    by_hash: dict[str, list[str]] = {}
    for path in sorted(facts):
        by_hash.setdefault(facts[path].sha256 or path, []).append(files.plain(path))
    same = [" = ".join(paths) for paths in by_hash.values() if len(paths) > 1]
    copies = sum(len(paths) - 1 for paths in by_hash.values())
    hours = sum(known.duration for known in good.values()) / 3600
    return [
        f"index: {len(facts)} files, {hours:.2f} hours, {sum(known.frames for known in good.values())} frames; "
        f"unreadable: {len(bad)}, copies of another: {copies}",
        *_some(bad),
        *_some(same),
        f"  containers that claim too many frames: {too_many}, too few: {too_few}, that do not say: {silent}",
        f"  of variable frame rate: {sum(known.variable for known in good.values())}, "
        f"to be rotated: {sum(known.rotation > 0 for known in good.values())}",
    ]


def _some(lines: list[str]) -> list[str]:
    more = [f"  ... {len(lines)} in all"] if len(lines) > SHOWN else []
    return [*(f"  {line}" for line in lines[:SHOWN]), *more]
