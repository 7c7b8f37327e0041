"""Where Paddle versions differ."""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import paddle

from paddlevideo.utils.environment import LEGACY_PROGRAM


def classes_with(module: Any, tables: Mapping[str, list[Any]], ours: Collection[str] = ()) -> Iterator[Any]:
    """(name, class, fields) for the classes this Paddle has; of the fields, those its class takes and `ours`."""
    for name, own in tables.items():
        if hasattr(module, name):
            takes = {*inspect.signature(getattr(module, name)).parameters, *ours}
            yield name, getattr(module, name), [item for item in own if item[0] in takes]


def pdmodel_is_native() -> bool:
    """Whether .pdmodel is this Paddle's own form (2.x). Paddle 3 writes .json unless told otherwise at import."""
    return int(paddle.__version__.split(".")[0]) < 3


def writes_pdmodel() -> bool:
    """Whether this process writes .pdmodel programs."""
    return pdmodel_is_native() or os.environ.get(LEGACY_PROGRAM) == "0"


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """`optimizer.state_dict()`, whole also between loading a state and the first step.

    Paddle 2.x only lays out its accumulators in the first step; until then a loaded state waits aside.
    """
    return {**(getattr(optimizer, "_accumulators_holder", None) or {}), **optimizer.state_dict()}
