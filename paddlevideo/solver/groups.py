"""OPTIMIZER.groups: parameters chosen by name, with a learning rate and a weight decay of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from paddlevideo.registry import did_you_mean
from paddlevideo.utils.errors import UserError


@dataclass(frozen=True)
class ParameterGroup:
    """`{match: "head.*", lr_mult: 10.0, weight_decay: 0.0}`.

    Patterns are those for file names: `*` is any text, dots too, `?` one character, `[0-5]` one of these. A pattern
    stands for a whole name, as `backbone.blocks.0.norm1.weight`. Names are full of dots, which mean themselves here; in
    a regular expression each would need a backslash, or quietly match other characters too.

    Attributes:
        match: a pattern, or several.
        lr_mult: the learning rate, as a multiple of the optimizer's; null: what it would be without the group.
        weight_decay: the factor of the decay; null: what it would be without the group.
    """

    match: str | list[str]
    lr_mult: float | None = None
    weight_decay: float | None = None

    def __post_init__(self) -> None:
        if not self.patterns or not all(self.patterns):
            raise ValueError(f"match={self.match!r} must be one or more patterns of parameter names")
        for key, value in (("lr_mult", self.lr_mult), ("weight_decay", self.weight_decay)):
            if value is not None and not 0 <= value < math.inf:
                raise ValueError(f"{key}={value} must be 0 or more")
        if self.lr_mult is None and self.weight_decay is None:
            raise ValueError(f"the group of {self.match!r} says neither lr_mult nor weight_decay")

    @property
    def patterns(self) -> list[str]:
        return [self.match] if isinstance(self.match, str) else self.match


def assign(groups: Sequence[ParameterGroup], names: Sequence[str]) -> dict[str, ParameterGroup]:
    """Name -> its group, for the names that have one: the first that matches, as in a table read from the top.

    Raises:
        UserError: a pattern matches no name, or a group only names that groups before it have.
    """
    found: dict[str, ParameterGroup] = {}
    for number, group in enumerate(groups):
        where = f"OPTIMIZER.groups.{number}"
        matched: dict[str, None] = {}
        for pattern in group.patterns:
            own = [name for name in names if fnmatchcase(name, pattern)]
            if not own:
                raise UserError(
                    f"{where}: '{pattern}' matches no trained parameter{did_you_mean(pattern, _known(names))}"
                )
            matched |= dict.fromkeys(own)
        free = [name for name in matched if name not in found]
        if not free:
            raise UserError(
                f"{where}: all {len(matched)} parameters it matches are in groups before it, and the first group that "
                "matches counts; put it further up"
            )
        found |= dict.fromkeys(free, group)
    return found


def _known(names: Sequence[str]) -> list[str]:
    """What a pattern may have been meant for: the names, and each of their beginnings with `.*` behind it."""
    parts = [name.split(".") for name in names]
    beginnings = [".".join(part[:i]) + ".*" for part in parts for i in range(1, len(part))]
    return list(dict.fromkeys([*beginnings, *names]))
