"""Class names: a file of `id name` lines, or of one name a line in id order."""

from __future__ import annotations

import re
from pathlib import Path

from paddlevideo.utils.errors import UserError


def read_labels(path: str | None, num_classes: int) -> list[str]:
    """The `num_classes` names in id order; the ids themselves where there is no file.

    Raises:
        UserError: the file is missing, an id is repeated, missing or out of range.
    """
    if path is None:
        return [str(i) for i in range(num_classes)]
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()]
    except OSError as error:
        raise UserError(f"{path}: the label file (DATASET.labels) cannot be read: {error.strerror}") from None
    entries = [(number, line) for number, line in enumerate(lines, 1) if line]
    numbered = all(re.match(r"\d+\s+\S", line) for _, line in entries)
    names: dict[int, str] = {}
    for position, (number, line) in enumerate(entries):
        key, name = line.split(maxsplit=1) if numbered else (str(position), line)
        if int(key) in names:
            raise UserError(f"{path}:{number}: class {key} is named a second time ('{name}')")
        names[int(key)] = name
    missing = [i for i in range(num_classes) if i not in names]
    if missing or len(names) != num_classes:
        what = f"no name for class {missing[0]}" if missing else f"{len(names)} names"
        raise UserError(f"{path}: {what}, but the model has {num_classes} classes; correct the file or num_classes")
    return [names[i] for i in range(num_classes)]
