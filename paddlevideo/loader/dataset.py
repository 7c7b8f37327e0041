"""Lists of videos with labels, in PaddleVideo's text format."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from paddlevideo.loader.clip import Clip
from paddlevideo.registry import DATASETS
from paddlevideo.utils.errors import UserError

OnError: TypeAlias = Literal["raise", "skip", "substitute"]
SHOWN = 5  # broken lines that are printed in full


class Record(NamedTuple):
    """One line of a list. `num_frames` is 0 for video files, which tell it themselves."""

    path: str
    label: int
    num_frames: int
    line: int


def read_list(file_path: str, counts: int, form: str) -> list[Record]:
    """Reads a list whose lines end in `counts` whole numbers, the label last.

    Lines are split from the right, so that paths may hold spaces; blank lines and lines that begin with # are skipped.

    Raises:
        UserError: the list is missing, empty, or has lines that are not of this `form`.
    """
    try:
        lines = Path(file_path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"{file_path}: the list of videos cannot be read: {reason}") from None
    records, broken = [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        path, *numbers = line.strip().rsplit(maxsplit=counts)
        if len(numbers) == counts and all(text.isdecimal() for text in numbers):
            records.append(Record(path, int(numbers[-1]), int(numbers[0]) if counts == 2 else 0, number))
        else:
            broken.append(f"{file_path}:{number}: '{line.strip()}'; expected '{form}'")
    if broken:
        more = [f"... {len(broken)} broken lines in all"] if len(broken) > SHOWN else []
        raise UserError("\n".join(broken[:SHOWN] + more))
    if not records:
        raise UserError(f"{file_path}: the list holds no videos; expected lines '{form}'")
    return records


class ListDataset:
    """What the formats share: records, their clips, and the check of labels."""

    def __init__(self, file_path: str, records: list[Record], data_prefix: str | None, on_error: OnError) -> None:
        self.file_path = file_path
        self.records = records
        self.data_prefix = data_prefix or ""
        self.on_error: OnError = on_error

    def __len__(self) -> int:
        return len(self.records)

    def clip(self, i: int) -> Clip:
        """Sample `i`, not yet opened."""
        raise NotImplementedError

    def check_labels(self, num_classes: int) -> None:
        """Raises UserError naming the first labels that are not in [0, num_classes), and how many there are."""
        outside = [record for record in self.records if record.label >= num_classes]
        if outside:
            first = [f"{self.file_path}:{record.line}: label {record.label}" for record in outside[:SHOWN]]
            rule = f"{len(outside)} of {len(self)} labels are outside 0..{num_classes - 1} (num_classes: {num_classes})"
            raise UserError("\n".join([*first, rule]))


@DATASETS.register
class VideoDataset(ListDataset):
    """Video files. Lines: `path label`.

    Args:
        file_path: the list.
        data_prefix: folder the paths are relative to.
        suffix: appended to every path, such as ".avi".
        on_error: what a video that cannot be read is: an error, left out, or (training only) replaced by another.
    Raises:
        UserError: see `read_list`.
    """

    def __init__(
        self, file_path: str, data_prefix: str | None = None, suffix: str = "", on_error: OnError = "raise"
    ) -> None:
        super().__init__(file_path, read_list(file_path, 1, "path label"), data_prefix, on_error)
        self.suffix = suffix

    def clip(self, i: int) -> Clip:
        record = self.records[i]
        return Clip(os.path.join(self.data_prefix, record.path + self.suffix), record.label)  # noqa: PTH118


@DATASETS.register
class FrameDataset(ListDataset):
    """Folders of image files. Lines: `folder num_frames label`.

    Args:
        file_path, data_prefix, on_error: as in VideoDataset.
        suffix: file name of a frame with the place of its number, which counts from 1.
    Raises:
        UserError: see `read_list`.
        ValueError: `suffix` has no place for a number.
    """

    def __init__(
        self,
        file_path: str,
        data_prefix: str | None = None,
        suffix: str = "img_{:05}.jpg",
        on_error: OnError = "raise",
    ) -> None:
        try:
            numbered = suffix.format(1) != suffix.format(2)
        except (ValueError, IndexError, KeyError):
            numbered = False
        if not numbered:
            raise ValueError(
                f"suffix must be a frame's file name with the place of its number, as img_{{:05}}.jpg; got {suffix!r}"
            )
        super().__init__(file_path, read_list(file_path, 2, "folder num_frames label"), data_prefix, on_error)
        self.suffix = suffix

    def clip(self, i: int) -> Clip:
        record = self.records[i]
        folder = os.path.join(self.data_prefix, record.path)  # noqa: PTH118
        return Clip(folder, record.label, num_frames=record.num_frames, frame_pattern=self.suffix)


class FileList(ListDataset):
    """Video files without labels, for prediction; unreadable ones are left out and noted."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__("the files to predict", [Record(path, -1, 0, 0) for path in paths], None, "skip")

    def clip(self, i: int) -> Clip:
        return Clip(self.records[i].path)
