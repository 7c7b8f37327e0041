"""What is to be parted into lists: the lines of one list, or the clips of a folder that holds a folder a class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddlevideo.loader.class_names import ClassNames, read_names
from paddlevideo.loader.folder_dataset import Content, FolderDataset
from paddlevideo.loader.list_columns import Form
from paddlevideo.loader.list_layouts import JsonLines, Layout, Line, Spaces, WrongColumns, layout_of
from paddlevideo.loader.lists import fault, read_lines
from paddlevideo.tasks.prepare import check
from paddlevideo.utils.errors import UserError

COLUMNS = (("path", "label"), ("path", "total", "label"), ("path", "offset", "total", "label"))  # without a header
# With one a list may have any column; which of them a data set takes is for the config to say.
ANY = ("name", "split", "start", "end", "offset", "total", "end_frame")


@dataclass(frozen=True)
class Clips:
    """N clips.

    Attributes:
        lines: [N] of the lists to come.
        paths, labels: [N], by which they are grouped and class ids.
        names: of the classes; None where only ids are known.
        header: line that begins every list, if any.
        suffix: of the names of the lists.
        notes: what to say about them.
    """

    lines: list[str]
    paths: list[str]
    labels: list[int]
    names: list[str] | None
    header: list[str] = field(default_factory=list)
    suffix: str = ".list"
    notes: list[str] = field(default_factory=list)


def of_folder(folder: Path, labels: Path | None, content: Content) -> Clips:
    """The clips in a folder that holds a folder a class, with absolute paths, so that no data_prefix is needed.

    Raises:
        UserError: fewer than two classes; a class without clips; frames that cannot be counted.
    """
    classes = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    if len(classes) < 2:
        raise UserError(f"{folder} holds {len(classes)} folders; put the videos of each class in a folder of its name")
    found = FolderDataset(str(folder), str(labels) if labels else None, content)
    names = found.class_names or read_names(str(labels))
    clips = Clips([], [], [], names, notes=["  lines are: folder num_frames label"] if found.frames else [])
    base = folder.resolve()
    for path, label in ((record.path, record.label) for record in found.records):
        whole = str(base / path)
        if reason := check.unlistable(whole):
            raise UserError(f"{path!r}: {reason}")
        assert isinstance(label, int)
        clips.lines.append(f"{whole} {number_of_frames(whole)} {label}" if found.frames else f"{whole} {label}")
        clips.paths.append(path)
        clips.labels.append(label)
    return clips


def number_of_frames(folder: str) -> int:
    """How many frames a folder holds. Raises UserError where some are missing."""
    finding = check.frame_names(folder)
    if finding.reason:
        raise UserError(f"{folder}: {finding.reason}")
    return finding.frames


def of_list(source: Path, labels: Path | None) -> Clips:
    """The lines of a list in any layout. A clip of several labels counts for the last of them.

    Args:
        source: the list.
        labels: file of class names; None: `labels.txt` beside the list, if there is one.
    Raises:
        UserError: the list cannot be read, has broken lines, or is of several splits already.
    """
    lines = read_lines(str(source))
    if not lines:
        raise UserError(f"{source}: the list holds no videos")
    beside = source.parent / "labels.txt"
    file = labels or (beside if beside.is_file() else None)
    names = read_names(str(file)) if file else None
    classes = ClassNames(names, str(file)) if names else None
    first_error = None
    for plain in COLUMNS:
        try:
            return _parsed(source, lines, Form(plain, extra=ANY, unused=(), classes=classes), names)
        except UserError as error:
            first_error = first_error or error
    assert first_error is not None
    raise first_error


def _parsed(source: Path, lines: list[Line], form: Form, names: list[str] | None) -> Clips:
    """The clips of a list whose lines, if there is no header, are of this form."""
    try:
        layout, has_header = layout_of(lines, form)
    except ValueError as error:
        raise UserError(f"{source}: no list of videos with labels ({error})") from None
    body = lines[1:] if has_header else lines
    if not body:
        raise UserError(f"{source}: the list holds no videos, only a header")
    rows = [cells_of(source, layout, line) for line in body]
    splits = {str(row.get("split") or "") for row in rows}
    if len(splits) > 1:
        raise UserError(f"{source}: its column split parts it already; choose with split: in the config")
    paths, given = [str(row["path"]) for row in rows], [last_label(row) for row in rows]
    if isinstance(layout, Spaces) and layout.header is None:
        paths = without_counts(paths)
    ids, names = ids_of(source, body, given, names, form)
    return Clips(
        [line.text for line in body],
        paths,
        ids,
        names,
        header=[lines[0].text] if has_header else [],
        suffix=source.suffix if has_header or isinstance(layout, JsonLines) else ".list",
        notes=[f"  lines are those of {source}: its data_prefix and suffix hold for these lists too"],
    )


def cells_of(source: Path, layout: Layout, line: Line) -> Mapping[str, Any]:
    """The cells of a line, with a path and a label. Raises UserError."""
    try:
        cells = layout.cells(line.text)
        if not cells.get("path") or not last_label(cells):
            raise ValueError("no path" if not cells.get("path") else "no label")
    except WrongColumns:
        raise UserError(fault(str(source), line, layout.expected)) from None
    except ValueError as error:
        raise UserError(f"{fault(str(source), line, layout.expected)} ({error})") from None
    return cells


def last_label(cells: Mapping[str, Any]) -> str:
    """The label of a line, as it is written; the last where it has several."""
    given = cells.get("label")
    given = cells.get("name") if given in (None, "", []) else given
    if isinstance(given, list):
        given = given[-1] if given else None
    text = "" if given is None else str(given).strip()
    return re.findall(r"[0-9]+", text)[-1] if re.fullmatch(r"[0-9\s,;|]*[0-9]", text) else text


def without_counts(paths: list[str]) -> list[str]:
    """Paths without the number of frames, and perhaps the offset, that all have at their end in a list without header.

    Where it is in doubt, a number is not of the path: clips of one folder must not be parted.
    """
    ends = (re.search(r"(\s+[0-9]+)*$", path) for path in paths)
    count = min((len(end[0].split()) for end in ends if end), default=0)
    return [path.rsplit(maxsplit=min(count, 2))[0] for path in paths] if count else paths


def ids_of(
    source: Path, lines: list[Line], given: list[str], names: list[str] | None, form: Form
) -> tuple[list[int], list[str] | None]:
    """Class ids, and the names of the classes: those of the list, sorted, where it has names and no file has them."""
    if names is None and not any(re.fullmatch(r"-?[0-9]+", text) for text in given):
        names = sorted(set(given))
        form = Form(classes=ClassNames(names, str(source)))
    ids = []
    for line, text in zip(lines, given):
        try:
            ids.append(form.class_id(text))
        except ValueError as error:
            raise UserError(f"{source}:{line.number}: {error}") from None
        if names is not None and ids[-1] >= len(names):
            raise UserError(f"{source}:{line.number}: label {text}, but there are {len(names)} class names")
    return ids, names
