"""The values of a conversion: every array under its new name, in the layout and precision of our models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlevideo.modeling.convert.plan import Plan, Source
from paddlevideo.utils.errors import UserError

CLASSIFIER = ("head.fc.weight", "head.fc.bias")  # [C, K] and [K]


def convert(source: Source, plan: Plan) -> dict[str, np.ndarray]:
    """The arrays of a file under their names here. Raises UserError when two would bear the same one."""
    arrays: dict[str, np.ndarray] = {}
    for name, target in plan.names.items():
        if target in arrays:
            raise UserError(f"{source.path}: two arrays become {target}; the second is {name}")
        arrays[target] = _ours(source.arrays[name]) if plan.torch_layout else source.arrays[name]
    for name, target in plan.folded.items():
        if target not in arrays:
            raise UserError(f"{source.path}: {name} belongs to {target}, which is missing")
        arrays[target] = arrays[target] - _ours(source.arrays[name])
    return arrays


def _ours(array: np.ndarray) -> np.ndarray:
    """Floats as float32; fully connected weights from [out, in] to [in, out]; 1x1x1 kernels as 1x1 ones."""
    if np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float32)
    if array.ndim == 5 and array.shape[2:] == (1, 1, 1):
        array = array.reshape(array.shape[:4])
    return np.ascontiguousarray(array.T) if array.ndim == 2 else array


def is_transposed(plan: Plan, array: np.ndarray) -> bool:
    """Whether an array of the result lies the other way round in the file."""
    return plan.torch_layout and array.ndim == 2


def pick_classes(arrays: dict[str, np.ndarray], classes: Sequence[int]) -> dict[str, np.ndarray]:
    """The same model with class i being what was class `classes[i]`."""
    chosen = list(classes)
    return {name: value[..., chosen] if name in CLASSIFIER else value for name, value in arrays.items()}


def num_classes(arrays: dict[str, np.ndarray]) -> int | None:
    """K of the classifier; None without one."""
    return arrays[CLASSIFIER[0]].shape[-1] if CLASSIFIER[0] in arrays else None
