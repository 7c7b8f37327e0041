"""What extracting frames and transcoding share: many videos, each made into something, resumed after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from paddlevideo.loader.index import stamp
from paddlevideo.loader.sources.unreadable import Unreadable
from paddlevideo.tasks.prepare.journal import Journal
from paddlevideo.tasks.prepare.parallel import each
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

JOURNAL = ".prepare.jsonl"
FAILED = "failed.txt"


@dataclass(frozen=True)
class Job:
    """One video to be made into something.

    Attributes:
        name: of the video, relative to the folder of all of them.
        source, target: file, and file or folder to be made.
        options: how; a dataclass.
        replace: the target is there, and from an earlier run, so it may be replaced.
    """

    name: str
    source: str
    target: str
    options: Any
    replace: bool


@dataclass
class Outcome:
    """What became of the videos.

    Attributes:
        frames: video -> number of frames, where it was made, now or before.
        failed: video -> why it was not.
        before: how many were made before.
    """

    frames: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    before: int = 0


def produce(
    title: str,
    out: Path,
    sources: Mapping[str, str],
    targets: Mapping[str, str],
    options: Any,
    work: Callable[[Job], dict[str, Any]],
    is_whole: Callable[[Path, dict[str, Any]], bool],
    workers: int,
) -> Outcome:
    """Makes what is not there yet, and says how many there are.

    Args:
        title: what is made, a word.
        out: folder of all that is made, of the journal and of the list of failures.
        sources, targets: name of a video -> file, and file or folder to be made.
        options: a dataclass; a folder holds things made in one way only.
        work: makes one target, and gives its row of the journal, with `frames`.
        is_whole: whether a target is as its row of the journal says.
    Raises:
        UserError: see Journal; something cannot be written; no video at all could be read.
    """
    outcome = Outcome()
    with Journal(out / JOURNAL, {"what": title, **asdict(options)}) as journal:
        jobs, stamps = [], {name: stamp(source) for name, source in sources.items()}
        for name, source in sources.items():
            row = journal.rows.get(name)
            if row is None or row["target"] != os.path.relpath(targets[name], out):
                jobs.append(Job(name, source, targets[name], options, replace=False))
            elif [*stamps[name]] != row["stamp"] and source != row["source"]:
                outcome.failed[name] = f"{targets[name]} is there already, made from {row['source']}"
            elif [*stamps[name]] == row["stamp"] and is_whole(Path(targets[name]), row):
                outcome.frames[name] = row["frames"]
            else:
                jobs.append(Job(name, source, targets[name], options, replace=True))
        outcome.before = len(outcome.frames)
        try:
            for job, result in each(work, jobs, workers, title):
                if isinstance(result, UserError):
                    raise result
                if isinstance(result, Exception):
                    outcome.failed[job.name] = reason_of(result)
                else:
                    row = {"path": job.name, "target": os.path.relpath(job.target, out), "source": job.source}
                    journal.add({**row, "stamp": [*stamps[job.name]], **result})
                    outcome.frames[job.name] = result["frames"]
        except BaseException:
            done = f"{len(outcome.frames)} of {len(sources)} done"
            logger.info(f"{title}: {done}; the same command goes on from there")
            raise
        report(title, out, outcome)
    return outcome


def reason_of(error: Exception) -> str:
    """Why a video failed, on one line."""
    if isinstance(error, Unreadable):
        return error.reason
    words = str(error) if type(error) is RuntimeError else f"{type(error).__name__}: {error}"
    return " ".join(words.split())


def report(title: str, out: Path, outcome: Outcome) -> None:
    """The line at the end, and the file that lists failures; raises UserError where there is nothing but failures."""
    failed, listing = outcome.failed, out / FAILED
    made, total = len(outcome.frames) - outcome.before, len(outcome.frames) + len(failed)
    if failed:
        files.write_text(listing, "".join(f"{files.plain(name)}\t{failed[name]}\n" for name in sorted(failed)))
    else:
        listing.unlink(missing_ok=True)
    if not outcome.frames:
        name = min(failed)
        raise UserError(
            f"{title}: none of {total} videos can be used, such as {files.plain(name)}: {failed[name]} ({listing})"
        )
    where = f" ({listing})" if failed else ""
    logger.info(
        f"{title}: {total} videos, {made} made, {outcome.before} there already, {len(failed)} failed{where}; "
        f"{sum(outcome.frames.values())} frames in {out}"
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """An error of the system inside the block is the user's to mend: a full disk, a folder that may not be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written ({error.strerror or error}); mend that, then the same command goes on"
        ) from error


def already_there(job: Job, frames: int) -> Unreadable:
    """The failure of a job whose target was there before, and is not its own."""
    return Unreadable(
        job.source, f"{job.target} is there already, and is not what this run makes ({frames} frames); remove it"
    )
