"""The order of the checks: the config, what a run writes and holds, then the data of each split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from paddlevideo.tasks import run
from paddlevideo.tasks.doctor import (
    config_checks,
    decode_checks,
    file_checks,
    label_checks,
    leakage,
    storage,
)
from paddlevideo.tasks.doctor.file_checks import Present
from paddlevideo.tasks.doctor.finding import Finding, note
from paddlevideo.tasks.doctor.machine import Machine
from paddlevideo.tasks.doctor.splits import SplitList, open_splits


@dataclass(frozen=True)
class Depth:
    """How closely to look at the files.

    Attributes:
        frames: to decode of each; None for all.
        videos: of each list, drawn at random; None for all, 0 for none.
        workers: processes that do it.
    """

    frames: int | None
    videos: int | None
    workers: int


def examine(
    path: str, overrides: list[str], weights: str | None, depth: Depth, here: Machine
) -> Iterator[tuple[str, list[Finding]]]:
    """Groups of findings, each with its title, as they are known."""
    resolved, found = config_checks.resolve(path, overrides)
    if resolved is None:
        yield f"config {path}", found
        return
    cfg = resolved.root
    model, more = config_checks.check(cfg, weights)
    found += more
    found += storage.check(cfg, model)
    found += storage.waiting(cfg, here)
    yield f"config {path}", found
    splits, found = open_splits(cfg)
    if found or not splits:
        yield "data", found or [note("DATASET", "no split is there, so there is no data to look at")]
    names = config_checks.names_of(cfg)
    held: list[tuple[SplitList, list[Present]]] = []
    for split in splits:
        present, found = file_checks.check(split)
        held.append((split, present))
        found += label_checks.check(split, names, [spec.path for spec in run.model_specs(cfg)])
        found += _inside(split, present, depth)
        yield f"data of {split.name}: {split.dataset.file_path}", found
    found = list(leakage.check(held, depth.workers))
    if found:
        yield "copies and leakage", found


def _inside(split: SplitList, present: list[Present], depth: Depth) -> list[Finding]:
    """What decoding tells; nothing where it is not asked for."""
    if split.pipeline is None or not present or depth.videos == 0:
        return []
    entries = [one.entry for one in present]
    pairs = decode_checks.looked_at(split, entries, depth.frames, depth.videos, depth.workers)
    return list(decode_checks.check(split, pairs, depth.frames))
