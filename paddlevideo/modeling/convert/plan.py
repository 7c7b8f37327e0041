"""What a converter knows about a file before it touches a value: where each array goes, and which model wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from paddlevideo.modeling import weights
from paddlevideo.modeling.torch_file import is_torch, read_torch
from paddlevideo.utils.errors import UserError

BATCHES_TRACKED = (r".*num_batches_tracked", "")
WHY_BATCHES = "a counter of training steps that no formula uses"
WHY_FOREIGN = "belongs to no part of the model"
# x and y of a rule below: the parts of a name that batch normalisation, and a layer with a bias, end in
BN = r"(weight|bias|running_mean|running_var)"
WB = r"(weight|bias)"


@dataclass(frozen=True)
class Source:
    """A weight file as it was read.

    Attributes:
        arrays: name -> array.
        container: what kind of file it was.
        text: the training config that some files carry, or "".
        others: names among the arrays that hold none.
        prefix: what stood before every name in the file and was taken off.
    """

    path: Path
    arrays: dict[str, np.ndarray]
    container: Literal["torch", "safetensors", "paddle"]
    text: str = ""
    others: list[str] = field(default_factory=list)
    prefix: str = ""

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of an array, () where there is none."""
        return self.arrays[name].shape if name in self.arrays else ()


@dataclass
class Plan:
    """How a file becomes one of ours.

    Attributes:
        source: whose file it is, in words.
        names: name in the file -> name here.
        dropped: name in the file -> why it is left out.
        model: the MODEL section that computes what the weights were trained for; None where the file cannot tell.
        fits: backbones that may take the weights; empty: any.
        settings: arguments of the backbone that must be as in `model`.
        backbone_only: an image model's weights, for `pretrained`; names are then those of the backbone.
        torch_layout: fully connected weights are [out, in] and have to be transposed.
        normalization: mean and standard deviation of the pixels, in the scale 0..1, that the weights expect.
        folded: array in the file -> array here from which it is subtracted.
        notes: what the user should know.
    """

    source: str
    names: dict[str, str]
    dropped: dict[str, str]
    model: dict[str, Any] | None = None
    fits: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    backbone_only: bool = False
    torch_layout: bool = True
    normalization: tuple[list[float], list[float]] | None = None
    folded: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_source(path: Path) -> Source:
    """Reads any weight file. Raises UserError when it is missing, damaged or unsafe."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    if not is_torch(head):
        container: Any = "paddle" if head[8:9] != b"{" else "safetensors"
        return Source(path, weights.read_state(path), container)
    content = read_torch(path)
    meta = content.beside.get("meta")
    texts = [meta.get(key) for key in ("config", "cfg")] if isinstance(meta, dict) else []
    text = next((text for text in texts if isinstance(text, str)), "")
    arrays = without_prefix(content.arrays, "module.")  # what DataParallel puts before every name
    prefix = "" if arrays.keys() == content.arrays.keys() else "module."
    return Source(path, arrays, "torch", text, content.others, prefix)


def without_prefix(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The same with `prefix` taken off, where every name has it."""
    whole = all(name.startswith(prefix) for name in arrays)
    return {name.removeprefix(prefix) if whole else name: value for name, value in arrays.items()}


def rename(
    names: Iterable[str], rules: Sequence[tuple[str, str]], inside: str, whose: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Names by rules (pattern, replacement); the first that matches a whole name holds.

    Args:
        rules: an empty replacement drops the name as a counter of batch normalisation.
        inside: pattern of the beginnings of the network's own names. Others may be dropped; these may not, for the
            model would silently compute something else.
        whose: the kind of file, for the error.

    Returns:
        (name -> new name, dropped name -> why).
    """
    mapped, dropped, unknown = {}, {}, []
    for name in names:
        for pattern, replacement in (BATCHES_TRACKED, *rules):
            if re.fullmatch(pattern, name):
                if replacement:
                    mapped[name] = re.sub(pattern, replacement, name)
                else:
                    dropped[name] = WHY_BATCHES
                break
        else:
            if re.match(inside, name):
                unknown.append(name)
            else:
                dropped[name] = WHY_FOREIGN
    if unknown:
        raise UserError(
            f"this {whose} file has parts that no model here has, so it cannot be converted: {first(unknown)}"
        )
    return mapped, dropped


def first(names: Iterable[str], limit: int = 5) -> str:
    """The first few of many names."""
    listed = list(names)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(listed[:limit]) + more
