"""One part of a list or a folder, so that training and validation can share it and have no clip in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from paddlevideo.loader.list_columns import Record
from paddlevideo.loader.split import group_of, held_out


@dataclass(frozen=True)
class Part:
    """`part` of a data set. Two with the same `share`, `seed` and `group` and the two names never overlap.

    Attributes:
        name: "valid": what is held out; "train": the rest.
        share: of each class that is held out, between 0 and 1.
        seed: another one holds out others.
        group: regular expression that finds in a path what must stay together; None: recordings of files named as in
            UCF101, else each file by itself.
    """

    name: Literal["train", "valid"]
    share: float = 0.2
    seed: int = 0
    group: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie between 0 and 1, exclusive; got {self.share}")
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise ValueError(f"group {self.group!r} is no regular expression: {error}") from None

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The records of this part, in their order. A clip of several labels counts for the first of them."""
        keys = [group_of(record.path, self.group) for record in records]
        labels = [record.label if isinstance(record.label, int) else (*record.label, -1)[0] for record in records]
        wanted = held_out(keys, labels, self.share, self.seed)
        return [record for record, held in zip(records, wanted.tolist()) if held == (self.name == "valid")]
