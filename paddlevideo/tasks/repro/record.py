"""What a run was at each step, as checksums, and where two runs part. Needs no Paddle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal, TypeAlias

# In the order in which a step computes them; the first that differs is the cause of what follows.
Part: TypeAlias = Literal["batch", "loss", "gradient", "parameter"]
PARTS: tuple[Part, ...] = ("batch", "loss", "gradient", "parameter")


@dataclass(frozen=True)
class About:
    """Under which circumstances a run was made."""

    device: str
    threads: int
    workers: int
    deterministic: bool


@dataclass(frozen=True)
class Step:
    """Checksums of one optimizer step.

    Attributes:
        number: from 1; 0 is what the model was before the first.
        epoch: from 1.
        sums: part -> name -> checksum, in the order of computing: gradients from the last layer to the first.
    """

    number: int
    epoch: int
    sums: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """The first thing that two runs do not have in common.

    Attributes:
        step, epoch: where; step 0 is before the first.
        part, name: what, such as the gradient of "head.fc.weight".
        count, total: of that part and step, how many differ.
    """

    step: int
    epoch: int
    part: Part
    name: str
    count: int
    total: int


def first_difference(one: Sequence[Step], other: Sequence[Step]) -> Difference | None:
    """Where two runs part; None where they are the same to the end. A step that one of them has not, differs whole."""
    for a, b in zip_longest(one, other):
        there = a or b
        a, b = a or Step(there.number, there.epoch), b or Step(there.number, there.epoch)
        for part in PARTS:
            ours, theirs = a.sums.get(part, {}), b.sums.get(part, {})
            names = list({**ours, **theirs})
            differing = [name for name in names if ours.get(name) != theirs.get(name)]
            if differing:
                return Difference(a.number, a.epoch, part, differing[0], len(differing), len(names))
    return None


def line(value: About | Step) -> str:
    """One line of a record."""
    return json.dumps(asdict(value)) + "\n"


def read(path: Path) -> tuple[About, list[Step]]:
    """A whole record: `About`, then the steps."""
    about, *steps = path.read_text(encoding="utf-8").splitlines()
    return About(**json.loads(about)), [Step(**json.loads(text)) for text in steps]
