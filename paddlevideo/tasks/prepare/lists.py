"""From what annotation files name and what is there to the lists that configs read."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from paddlevideo.tasks.prepare import check, find, report
from paddlevideo.tasks.prepare.annotations import Annotations
from paddlevideo.tasks.prepare.parallel import each
from paddlevideo.tasks.prepare.report import EMPTY, MISSING, UNREADABLE, Fault
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

Kind = Literal["videos", "frames"]
FOLDERS: dict[Kind, str] = {"videos": "videos", "frames": "rawframes"}  # where the configs expect them
WORDS: dict[Kind, str] = {"videos": "videos", "frames": "folders of frames"}


class Lists(NamedTuple):
    """Which lists are made of videos, or of folders of frames.

    Attributes:
        names: list of the annotations -> its file name.
        suffix: what the configs add to the path of a video, or call a frame.
    """

    names: Mapping[str, str]
    suffix: str


@dataclass(frozen=True)
class DataSet:
    """What is particular to a data set once its annotations are read: the name, the published number of classes, ..."""

    title: str
    classes: int
    lists: Mapping[Kind, Lists]
    naming: find.Naming


@dataclass
class Outcome:
    """What there is of a data set in one folder.

    Attributes:
        usable: name of a clip -> its path in the folder and, of frames, their number.
        faults: what is wrong with the other clips, in the order of the annotation files.
        suffix: what the lists leave out: the suffix of all videos, or the name of frames with the place of the number.
    """

    usable: dict[str, tuple[str, int]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    suffix: str = ""


def prepare(
    data_set: DataSet,
    annotations: Annotations,
    folder: Path,
    videos: Path | None = None,
    frames: Path | None = None,
    out: Path | None = None,
    decode: bool = True,
    workers: int = 0,
) -> str:
    """Writes the lists, `labels.txt` and tables of what is missing or broken into `out`: all of them or none.

    Args:
        folder: of the data set.
        videos, frames: where to look; each gives lists of its own. By default what there is of FOLDERS in `folder`.
        out: by default `folder`.
        decode: look into every file; else only whether it is there and not empty.
        workers: processes that look.
    Returns:
        What was found, in words.
    Raises:
        UserError: nothing in one of the folders can be used, or the files cannot be written.
    """
    out = out or folder
    texts = {"labels.txt": "".join(f"{i} {name}\n" for i, name in enumerate(annotations.labels))}
    said = [f"{data_set.title}: {len(annotations.labels)} classes"]
    if len(annotations.labels) != data_set.classes:
        said[0] += f", not {data_set.classes}: set MODEL.head.num_classes={len(annotations.labels)}"
    said += report.changed_labels(out / "labels.txt", annotations.labels)
    said += [*annotations.notes, *report.of_repeats(annotations.repeats)]
    for kind, root in roots(data_set, folder, {"videos": videos, "frames": frames}).items():
        names, suffix = data_set.lists[kind]
        outcome = look(annotations, kind, root, data_set, decode, workers)
        for name, file in names.items():
            if name in annotations.lists:
                lines = lines_of(annotations, name, outcome, kind)
                texts[file] = "".join(lines)
                said.append(f"  {out / file}: {len(lines):,} of {len(annotations.lists[name]):,} {WORDS[kind]}")
        said.append(f"  data_prefix of these lists: {root}")
        if outcome.suffix != suffix:
            said.append(f"  the configs have suffix {suffix!r}; for these lists set it to {outcome.suffix!r}")
        table = f"prepare_{kind}.tsv"
        texts[table] = report.table(outcome.faults, annotations.repeats)
        said += report.in_words(outcome.faults)
        said.append(f"{len(outcome.usable):,} of {len(annotations.entries):,} {WORDS[kind]} are in the lists")
        if outcome.faults:
            said[-1] += f"; what is wrong with the others: {out / table}"
    write_all(out, texts)
    return "\n".join(said)


def roots(data_set: DataSet, folder: Path, given: Mapping[Kind, Path | None]) -> dict[Kind, Path]:
    """The folders that were given, else those of FOLDERS that are there. Raises UserError."""
    chosen = {kind: path for kind, path in given.items() if path is not None}
    chosen = chosen or {kind: folder / FOLDERS[kind] for kind in data_set.lists if (folder / FOLDERS[kind]).is_dir()}
    if not chosen:
        tried = " nor ".join(str(folder / FOLDERS[kind]) for kind in data_set.lists)
        flags = " or ".join(f"--{kind}" for kind in data_set.lists)
        raise UserError(f"{tried} is there; say with {flags} where the clips are")
    return chosen


def look(annotations: Annotations, kind: Kind, root: Path, data_set: DataSet, decode: bool, workers: int) -> Outcome:
    """Finds every clip and looks at it. Raises UserError where none can be used."""
    if not root.is_dir():
        raise UserError(f"{root}: no such folder; say where the {WORDS[kind]} are with --{kind}")
    entries = list(annotations.entries.values())
    paths = find.choose(entries, root, kind == "frames", data_set.naming)
    if not paths:
        raise UserError(
            f"{root}: none of the {len(entries):,} clips that the annotation files name is there; "
            f"say where they are with --{kind}"
        )
    findings = findings_of({name: str(root / path) for name, path in paths.items()}, kind, decode, workers)
    outcome = Outcome(suffix=suffix_of(paths, findings, kind, data_set.lists[kind].suffix))
    for entry in entries:
        if entry.name not in paths:
            outcome.faults.append(Fault(entry, MISSING, f"not below {root}"))
            continue
        path, finding = paths[entry.name], findings[entry.name]
        reason = finding.reason
        if not reason and kind == "frames" and finding.pattern != outcome.suffix:
            reason = f"its frames are called {finding.pattern}, those of most folders {outcome.suffix}"
        reason = reason or check.unlistable(path)
        if reason:
            outcome.faults.append(Fault(entry, EMPTY if reason == EMPTY else UNREADABLE, f"{path}: {reason}"))
        else:
            outcome.usable[entry.name] = path, finding.frames
    if not outcome.usable:
        first = next(fault for fault in outcome.faults if fault.what != MISSING)
        raise UserError(f"{root}: none of the {len(paths):,} {WORDS[kind]} there can be used, such as {first.reason}")
    return outcome


def findings_of(paths: Mapping[str, str], kind: Kind, decode: bool, workers: int) -> dict[str, check.Finding]:
    """Name of a clip -> what looking at its file or folder has shown."""
    works = {"videos": (check.video_file, check.video), "frames": (check.frame_names, check.frames)}
    if not decode and kind == "videos":
        workers = 0  # no work for a process
    found: dict[str, check.Finding] = {}
    for path, finding in each(works[kind][decode], list(paths.values()), workers, f"looking at {WORDS[kind]}"):
        found[path] = check.Finding(str(finding)) if isinstance(finding, Exception) else finding
    return {name: found[path] for name, path in paths.items()}


def suffix_of(paths: Mapping[str, str], findings: Mapping[str, check.Finding], kind: Kind, expected: str) -> str:
    """What frames are called in most folders; or the suffix of the videos, "" where they differ or none is expected."""
    good = {name: finding for name, finding in findings.items() if not finding.reason}
    if kind == "frames":
        patterns = Counter(finding.pattern for finding in good.values())
        return max(sorted(patterns), key=patterns.__getitem__, default=expected)
    suffixes = {Path(paths[name]).suffix for name in good}
    return suffixes.pop() if expected and len(suffixes) == 1 else ""


def lines_of(annotations: Annotations, name: str, outcome: Outcome, kind: Kind) -> list[str]:
    """`path label`, or `folder num_frames label`, of the clips of a list."""
    lines = []
    for clip in annotations.lists[name]:
        if clip in outcome.usable:
            path, count = outcome.usable[clip]
            middle = f" {count}" if kind == "frames" else ""
            path = path if kind == "frames" else path.removesuffix(outcome.suffix)
            lines.append(f"{path}{middle} {annotations.entries[clip].label}\n")
    return lines


def write_all(folder: Path, texts: Mapping[str, str]) -> None:
    """Writes text files, name -> content, into a folder: each is on disk before the first gets its name."""
    with ExitStack() as stack:
        for name, text in texts.items():
            scratch = stack.enter_context(files.atomic(folder / name))
            with scratch.open("w", encoding="utf-8", newline="\n") as handle:
                handle.write(text)
                handle.flush()
                os.fsync(handle.fileno())
