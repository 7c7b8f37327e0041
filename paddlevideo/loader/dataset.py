"""Data sets: which clips there are, where they lie and what they show."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypeAlias

from paddlevideo.loader.class_names import HERE, ClassNames, Names, read_names
from paddlevideo.loader.clip import Clip
from paddlevideo.loader.index import VideoIndex
from paddlevideo.loader.list_columns import Form, Record
from paddlevideo.loader.lists import SHOWN, read_list
from paddlevideo.loader.part import Part
from paddlevideo.registry import DATASETS
from paddlevideo.utils.errors import UserError

OnError: TypeAlias = Literal["raise", "skip", "substitute"]


class ListDataset:
    """What the formats share: records, their clips, and the check of labels.

    Attributes:
        file_path: the list, or the folder; for messages.
        multi_label: whether a clip has any number of labels instead of one.
        frames: whether clips are folders of frames.
    """

    frames = False

    def __init__(
        self,
        file_path: str,
        records: list[Record],
        data_prefix: str | None,
        on_error: OnError,
        index: str | None = None,
        multi_label: bool = False,
    ) -> None:
        self.file_path = file_path
        self.records = records
        self.data_prefix = data_prefix or ""
        self.on_error: OnError = on_error
        self.multi_label = multi_label
        self._index = VideoIndex.open(index) if index is not None else None

    def __len__(self) -> int:
        return len(self.records)

    def clip(self, i: int) -> Clip:
        """Sample `i`, not yet opened."""
        raise NotImplementedError

    def where(self, i: int) -> str:
        """Where sample `i` is listed, for messages."""
        line = self.records[i].line
        return f"{self.file_path}:{line}" if line else self.file_path

    def check_labels(self, num_classes: int) -> None:
        """Raises UserError naming the first labels that are not in [0, num_classes), and how many there are."""
        labels = [record.label if isinstance(record.label, tuple) else (record.label,) for record in self.records]
        outside = [i for i, ids in enumerate(labels) if any(label >= num_classes for label in ids)]
        if not outside:
            return
        lines = [f"{self.where(i)}: label {max(labels[i])}" for i in outside[:SHOWN]]
        rule = f"{len(outside)} of {len(self)} labels are outside 0..{num_classes - 1} (num_classes: {num_classes})"
        used = [label for ids in labels for label in ids]
        if min(used) == 1 and max(used) == num_classes:
            rule += "; they seem to count from 1: set first_label: 1 beside file_path"
        raise UserError("\n".join([*lines, rule]))

    def _video(self, path: str, record: Record) -> Clip:
        facts = self._index.facts(path) if self._index is not None else None
        return Clip(path, record.label, facts=facts, start=record.start, end=record.end)


def names_of(labels: Names | None) -> ClassNames | None:
    """The class names, if they are given."""
    return None if labels is None else ClassNames(read_names(labels), labels if isinstance(labels, str) else HERE)


def chosen(file_path: str, records: list[Record], split: str | None, part: Part | None) -> list[Record]:
    """The records that the arguments `split` and `part` leave.

    Raises:
        UserError: none is left; or the list is of several splits and it is not said which.
    """
    splits = list(dict.fromkeys(record.split for record in records))
    if split is None and len(splits) > 1:
        found = ", ".join(repr(name) for name in splits[:SHOWN])
        raise UserError(f"{file_path}: its column split says {found}; choose with split: {splits[0] or splits[1]}")
    if split is not None and split not in splits:
        found = ", ".join(repr(name) for name in splits[:SHOWN] if name) or "no such column"
        raise UserError(f"{file_path}: no line is of split: {split}; found: {found}")
    wanted = [record for record in records if split is None or record.split == split]
    if part is None:
        return wanted
    left = part.of(wanted)
    if not left:
        raise UserError(
            f"{file_path}: nothing is left for part: {part.name}; at least one class needs two groups of files"
        )
    return left


@DATASETS.register
class VideoDataset(ListDataset):
    """Video files. Lines: `path label`, or columns named by a header.

    Args:
        file_path: the list, in any layout that `read_list` knows.
        data_prefix: folder the paths are relative to.
        suffix: appended to every path, such as ".avi".
        on_error: what a video that cannot be read is: an error, left out, or (training only) replaced by another.
        labels: file of class names, or the names, for lists that give names; by default DATASET.labels.
        multi_label: lines give any number of labels.
        first_label: id of the first class in the list, 0 or 1.
        split: takes the lines whose column split says so.
        part: takes a part of the list; the other is for training or validation.
        index: file of facts about the videos, as `paddlevideo prepare index` writes it.
    Raises:
        UserError: see `read_list` and `chosen`.
    """

    def __init__(
        self,
        file_path: str,
        data_prefix: str | None = None,
        suffix: str = "",
        on_error: OnError = "raise",
        labels: Names | None = None,
        multi_label: bool = False,
        first_label: Literal[0, 1] = 0,
        split: str | None = None,
        part: Part | None = None,
        index: str | None = None,
    ) -> None:
        form = Form(classes=names_of(labels), multi_label=multi_label, first_label=first_label)
        records = chosen(file_path, read_list(file_path, form), split, part)
        super().__init__(file_path, records, data_prefix, on_error, index, multi_label)
        self.suffix = suffix

    def clip(self, i: int) -> Clip:
        record = self.records[i]
        return self._video(os.path.join(self.data_prefix, record.path + self.suffix), record)  # noqa: PTH118


@DATASETS.register
class FrameDataset(ListDataset):
    """Folders of image files. Lines: `folder num_frames label`, or columns named by a header.

    Args:
        file_path, data_prefix, on_error, labels, multi_label, first_label, split, part: as in VideoDataset.
        suffix: file name of a frame with the place of its number; None: found from the files of each folder.
        with_offset: lines without header are `folder offset num_frames label`; the clip begins after `offset` frames.
    Raises:
        UserError: see `read_list` and `chosen`.
        ValueError: `suffix` has no place for a number.
    """

    frames = True

    def __init__(
        self,
        file_path: str,
        data_prefix: str | None = None,
        suffix: str | None = None,
        on_error: OnError = "raise",
        labels: Names | None = None,
        multi_label: bool = False,
        first_label: Literal[0, 1] = 0,
        split: str | None = None,
        part: Part | None = None,
        with_offset: bool = False,
    ) -> None:
        check_pattern(suffix)
        plain = ("path", "offset", "total", "label") if with_offset else ("path", "total", "label")
        form = Form(
            plain,
            "folder offset num_frames label" if with_offset else "folder num_frames label",
            extra=("name", "split", "offset"),
            unused=(),
            classes=names_of(labels),
            multi_label=multi_label,
            first_label=first_label,
        )
        records = chosen(file_path, read_list(file_path, form), split, part)
        super().__init__(file_path, records, data_prefix, on_error, multi_label=multi_label)
        self.suffix = suffix or ""

    def clip(self, i: int) -> Clip:
        record = self.records[i]
        folder = os.path.join(self.data_prefix, record.path)  # noqa: PTH118
        return frame_clip(folder, record, self.suffix)


def check_pattern(suffix: str | None) -> None:
    """Raises ValueError unless a frame's file name has the place of its number."""
    if suffix is None:
        return
    try:
        numbered = suffix.format(1) != suffix.format(2)
    except (ValueError, IndexError, KeyError, AttributeError):
        numbered = False
    if not numbered:
        raise ValueError(
            f"suffix must be a frame's file name with the place of its number, as img_{{:05}}.jpg; got {suffix!r}"
        )


def frame_clip(folder: str, record: Record, pattern: str) -> Clip:
    """A folder of frames, not yet opened."""
    return Clip(folder, record.label, record.num_frames, frame_pattern=pattern, offset=record.offset)


class FileList(ListDataset):
    """Video files without labels, for prediction; unreadable ones are left out and noted."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__("the files to predict", [Record(path, -1, 0, 0) for path in paths], None, "skip")

    def clip(self, i: int) -> Clip:
        return Clip(self.records[i].path)
