"""Which configs a weight file may belong to, for the error that says it does not fit the one it was given to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from paddle import nn

from paddlevideo.modeling.students import student_arrays, student_spec
from paddlevideo.modeling.weights import read_state
from paddlevideo.tasks import configs, flops, schema
from paddlevideo.utils.errors import UserError

Shapes: TypeAlias = dict[str, list[int]]


def likely_configs(state: Mapping[str, np.ndarray]) -> list[str]:
    """The configs whose model has just these arrays, by name and shape; but for the head, where none agrees wholly.

    The model of a distillation is its student. A whole model and its backbone alone are recognised. Several configs may
    share a network, so there may be many.
    """
    whole, headless = [], []
    seen: dict[str, Shapes] = {}
    given = _without_prefix({name: list(value.shape) for name, value in state.items()})
    body = _without_head(given)
    try:
        paths = configs.find(configs.default_folder())
    except UserError:
        return []
    for path in paths:
        try:
            spec = student_spec(schema.load(path).root.MODEL)
            key = json.dumps(configs.network(spec.plain()))
            if key not in seen:
                seen[key] = _without_prefix(flops.state_shapes(spec.build))
        except UserError:
            continue  # a broken config beside this one is no reason to hide the error at hand
        if seen[key] == given:
            whole.append(path.as_posix())
        elif body and body == _without_head(seen[key]):
            headless.append(path.as_posix())
    return whole or headless


def _without_prefix(shapes: Shapes) -> Shapes:
    return {name.removeprefix("backbone."): shape for name, shape in shapes.items()}


def _without_head(shapes: Shapes) -> Shapes:
    return {name: shape for name, shape in shapes.items() if not name.startswith("head.")}


def hint(path: str | Path, model: nn.Layer, place: str = "MODEL", shown: int = 3) -> str:
    """What to add to an error about a weight file that `model`, which stands at `place` in the config, does not take.

    The override that makes the model fit where only the classes differ, or the configs it would fit, or nothing. Of a
    distillation's file the student is what is looked for.
    """
    try:
        state = read_state(path)
    except UserError:
        return ""  # the file itself is at fault
    state = student_arrays(state) or state
    given, own = ({name: list(value.shape) for name, value in of.items()} for of in (state, model.state_dict()))
    if "head.fc.bias" in given and _without_head(given) == _without_head(own):
        return f"; -o {place}.head.num_classes={given['head.fc.bias'][0]} makes the model for it"
    found = likely_configs(state)
    more = f" and {len(found) - shown} more" if len(found) > shown else ""
    return f"; its arrays are those of {', '.join(found[:shown])}{more}" if found else ""
