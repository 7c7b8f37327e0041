"""Tables of named components: what a YAML file may name, and the class each name stands for.

A table is used in two places: `@BACKBONES.register` above a class puts it in, and
`Annotated[nn.Layer, BACKBONES]` on a constructor argument says "built from that table".
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T", bound=Callable[..., Any])


class Registry:
    """Maps names to classes (or other callables whose signature is their schema).

    Args:
        kind: what the entries are, in the singular, for messages ("backbone").
        key: the YAML key that names the entry; PaddleVideo files say `framework` for whole models and
            `format` for datasets.
    """

    def __init__(self, kind: str, key: str = "name") -> None:
        self.kind = kind
        self.key = key
        self._entries: dict[str, Callable[..., Any]] = {}

    def register(self, target: T, name: str | None = None) -> T:
        """Adds `target` under `name` (default: its own name); a name taken twice is an error of ours."""
        name = name or target.__name__
        assert name not in self._entries, f"two {self.kind} entries are named {name}"
        self._entries[name] = target
        return target

    def get(self, name: str) -> Callable[..., Any]:
        """The entry called `name`. Raises KeyError with the nearest names when there is none."""
        if name in self._entries:
            return self._entries[name]
        raise KeyError(f"there is no {self.kind} '{name}'{did_you_mean(name, self)}")

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"Registry({self.kind}: {', '.join(self)})"


def did_you_mean(word: str, known: Any) -> str:
    """'; did you mean X?' for the nearest of `known`, or '; known: ...' for a few, or nothing."""
    names = [str(name) for name in known]
    lowered = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{lowered[near[0]]}'?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 30 else ""


RECOGNIZERS = Registry("model framework", key="framework")
BACKBONES = Registry("backbone")
HEADS = Registry("head")
LOSSES = Registry("loss")
DISTILLATION_LOSSES = Registry("distillation loss")
DATASETS = Registry("dataset format", key="format")
PIPELINES = Registry("pipeline operation")
MIXES = Registry("mix")
METRICS = Registry("metric")
SCHEDULES = Registry("learning rate schedule")
OPTIMIZERS = Registry("optimizer")
