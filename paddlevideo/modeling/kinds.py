"""What a set of named arrays looks like, for messages about files and models that do not fit each other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

TORCH = re.compile(
    r"^(module|base_model|cls_head|timesformer|model|encoder|state_dict)\.|(^|\.)layer[1-4]\.\d|\.running_mean$"
    r"|(^|\.)(transformer_)?layers\.\d"
)
RESNET = re.compile(r"(?:^|\.)(res[2-5][a-z]\d*)\.")
RESNET_VD = re.compile(r"(?:^|\.)(bb_\d+_\d+)\.")
TRANSFORMER = re.compile(r"(?:^|\.)(blocks\.\d+)\.(?:\w*attn|norm1)\.")


def describe(arrays: Mapping[str, Any]) -> str:
    """A few words: the network by its names, its size by the blocks, and the classes; `arrays` is name -> array."""
    names = list(arrays)
    bias = arrays.get("head.fc.bias")
    return _network(names) + ("" if bias is None else f" with {bias.shape[0]} classes")


def advice(file: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """What to do with a file of PyTorch's names, or of its matrices [out, in]; nothing for others."""
    both = [(list(file[name].shape), list(model[name].shape)) for name in file if name in model]
    transposed = any(len(theirs) == 2 and theirs != ours and theirs == ours[::-1] for theirs, ours in both)
    if transposed or any(TORCH.search(name) for name in file):
        return "; these are PyTorch's weights, convert them first: paddlevideo convert"
    return ""


def _network(names: list[str]) -> str:
    if any(TORCH.search(name) for name in names):
        return "weights of a PyTorch model"
    for pattern, kind, configs in ((RESNET, "ResNet", "tsn, tsm"), (RESNET_VD, "ResNet-vd", "pptsn, pptsm")):
        if blocks := _unique(pattern, names):
            convolutions = 3 if any(".conv2." in name for name in names) else 2
            return f"a {kind}-{convolutions * len(blocks) + 2} ({configs})"
    if blocks := _unique(TRANSFORMER, names):
        temporal = any("temporal_" in name for name in names)
        bias = any(name.endswith("qkv.bias") for name in names)
        known = (
            "(timesformer)" if temporal and bias else "(pptimesformer)" if temporal else "without temporal attention"
        )
        return f"a transformer of {len(blocks)} blocks {known}"
    return "a network of another kind"


def _unique(pattern: re.Pattern[str], names: Iterable[str]) -> set[str]:
    return {match[1] for name in names if (match := pattern.search(name))}
