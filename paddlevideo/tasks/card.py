"""The card in a weight file: what made it, so that it can be tested, exported and predicted with by itself.

It is JSON under one more name beside the arrays (`weights.CARD`), which PaddleVideo leaves alone.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddlevideo import __version__
from paddlevideo.config import Resolved
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.run import num_classes
from paddlevideo.tasks.schema import RootSection, read_card_if_any
from paddlevideo.utils.errors import UserError


def make_card(resolved: Resolved[RootSection], data: Mapping[str, ListDataset]) -> dict[str, Any]:
    """What does not change during a run: its config with the class names in it, its data, and who ran it.

    Args:
        data: split -> its data set.
    """
    return {
        "config": _with_names(resolved),
        "data": {split: _described(dataset) for split, dataset in data.items()},
        "versions": {"paddlevideo": __version__, "paddle": paddle.__version__, "numpy": np.__version__},
    }


def _with_names(resolved: Resolved[RootSection]) -> dict[str, Any]:
    """The config with the names of the classes in place of the file that lists them, which may be elsewhere later."""
    section, whole = resolved.root.DATASET, copy.deepcopy(resolved.data)
    names = class_names(section, num_classes(resolved.root))
    if names != [str(i) for i in range(len(names))]:
        whole["DATASET"]["labels"] = names
        for split in ("train", "valid", "test"):
            own = whole["DATASET"].get(split) or {}
            if own.get("labels") is not None and own["labels"] == section.labels:
                own["labels"] = None  # it gets those of DATASET
    return whole


def _described(dataset: ListDataset) -> dict[str, Any]:
    """Which clips a data set has, by a hash of their paths and labels."""
    digest = hashlib.sha256()
    for record in dataset.records:
        digest.update(f"{record.path}\t{record.label}\n".encode(errors="backslashreplace"))
    return {"file": dataset.file_path, "clips": len(dataset), "sha256": digest.hexdigest()}


ELSEWHERE = ("output_dir", "log_dir", "resume_epoch")  # say nothing about what a run computes
SHOWN = 10


def config_differences(path: Path, config: Mapping[str, Any]) -> list[str]:
    """Where the config of a weight file and this one differ, ten lines at most; none where the file has no card."""
    card = read_card_if_any(path)
    if card is None:
        return []
    before = card["config"]
    lines = [line for line in differences(before, _names_apart(config, before)) if not line.startswith(ELSEWHERE)]
    return [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else lines


def _names_apart(config: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """The config with labels as `before` has them, which a card holds in another form than a file."""
    section = dict(config["DATASET"])
    for key in ("labels", "train", "valid", "test"):
        then = before["DATASET"].get(key)
        if key == "labels":
            section[key] = then
        elif section.get(key) is not None and then is not None and "labels" in section[key]:
            section[key] = {**section[key], "labels": then.get("labels")}
    return {**config, "DATASET": section}


@contextmanager
def compared(path: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Adds to the error of a file that does not fit where its config is another one."""
    try:
        yield
    except UserError as error:
        try:
            lines = config_differences(path, config)
        except UserError:
            raise error from None
        if not lines:
            raise
        raise UserError(f"{error}; its config is another one: {'; '.join(lines)}") from error


def differences(before: Any, now: Any, path: str = "") -> Iterator[str]:
    """Where two configs differ: lines `MODEL.head.num_classes: 8 there, 9 here`."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from differences(before.get(key), now.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for index, (one, other) in enumerate(zip(before, now)):
            yield from differences(one, other, f"{path}.{index}")
    elif before != now:
        yield f"{path}: {_short(before)} there, {_short(now)} here"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
