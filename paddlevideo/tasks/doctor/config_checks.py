"""Checks of a config that need no video: does it resolve, build and fit, and does it say what is meant?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from paddlevideo.config import ConfigError, Resolved
from paddlevideo.loader.pipelines.flip import RandomFlip
from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.doctor.finding import Finding, error, note, ok, warning
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.schema import RootSection, Split
from paddlevideo.tasks.start import accumulation
from paddlevideo.utils import dist, environment
from paddlevideo.utils.errors import UserError

SPLITS: tuple[Split, ...] = ("train", "valid", "test")
OPPOSITE = {"left": "right", "right": "left", "clockwise": "counterclockwise", "counterclockwise": "clockwise"}
OPPOSITE |= {"anticlockwise": "clockwise"}
SIDE = re.compile(r"(?<![a-z])(left|right|(?:anti|counter)?clockwise)(?![a-z])", re.IGNORECASE)


def resolve(path: str, overrides: list[str]) -> tuple[Resolved[RootSection] | None, list[Finding]]:
    """The config, or every fault of it."""
    try:
        return schema.load(path, overrides), [ok("config", f"{path} has no fault")]
    except ConfigError as faulty:
        fix = "correct it; docs/config.md has all keys"
        parts = [fault.partition(": ") for fault in faulty.faults]
        return None, [error(where, what, fix) for where, _, what in parts]
    except UserError as faulty:
        return None, [error("config", str(faulty), "correct it")]


def check(cfg: RootSection, weights: str | None) -> tuple[Any, list[Finding]]:
    """The model, None where it cannot be built, and what is to be said about the config."""
    model, found = _model(cfg)
    found += _fits(cfg, model) if model is not None else []
    found += _weights(cfg, model, weights) if model is not None else []
    for part in (_labels, _batches, _rates, _workers, _mirrored):
        found += part(cfg)
    return model, found


def names_of(cfg: RootSection) -> list[str]:
    """Class names, or ids where there are none or the file is faulty."""
    try:
        return class_names(cfg.DATASET, run.num_classes(cfg))
    except UserError:
        return [str(label) for label in range(run.num_classes(cfg))]


def _model(cfg: RootSection) -> tuple[Any, list[Finding]]:
    try:
        return run.build_model(cfg), []
    except UserError as faulty:
        return None, [error("MODEL", str(faulty), "correct the MODEL section; docs/models has one of each kind")]


def _fits(cfg: RootSection, model: Any) -> Iterator[Finding]:
    for split in SPLITS:
        if getattr(cfg.PIPELINE, split) is None:
            if getattr(cfg.DATASET, split) is not None:
                fix = f"write PIPELINE.{split}, or leave DATASET.{split} out"
                yield warning(f"PIPELINE.{split}", f"is missing, but DATASET.{split} is there", fix)
            continue
        try:
            shape = run.check_fit(cfg, model, split)
            yield ok(f"PIPELINE.{split}", f"gives clips of shape {shape}, which the model takes")
        except UserError as faulty:
            fix = "make the frames, sizes and layout of both agree"
            yield error(f"PIPELINE.{split}", _after(str(faulty), f"PIPELINE.{split}: "), fix)


def _weights(cfg: RootSection, model: Any, weights: str | None) -> Iterator[Finding]:
    """The files that the weights come from, loaded as training and testing load them."""
    for start in run.starts(model):
        if start.file is None:
            if not weights:
                yield error(start.name, "is missing: a frozen model needs its weights", f"-o {start.name}=FILE")
        elif not Path(start.file).is_file():
            fix = f"docs/weights.md says where from and how to convert; -o {start.name}=null trains without"
            if start.key == "weights":
                fix = f"train it first (docs/distill.md), or -o {start.name}=ANOTHER_FILE"
            yield error(start.name, f"{start.file}: no such file", fix)
        else:
            yield _loaded(start.name, partial(run.load_start, start), start.file)
    if weights:
        yield _loaded("--weights", lambda: run.load_weights(model, weights, new_head=True), weights)


def _loaded(where: str, load: Any, path: str) -> Finding:
    try:
        load()
        return ok(where, f"{path} fits the model")
    except UserError as faulty:
        return error(where, str(faulty), "give the weights of this model, or convert them (paddlevideo convert)")


def _labels(cfg: RootSection) -> Iterator[Finding]:
    classes = run.num_classes(cfg)
    try:
        names = class_names(cfg.DATASET, classes)
        if names == [str(label) for label in range(classes)]:
            fix = "name a file of one class a line"
            yield note("DATASET.labels", "none, so results show class ids, not names", fix)
        else:
            labels = cfg.DATASET.labels
            source = labels if isinstance(labels, str) else "the config" if labels else "the class folders"
            key = f"{run.tested_spec(cfg).path}.head.num_classes"
            yield ok("DATASET.labels", f"{source}: {classes} names, as {key} says")
    except UserError as faulty:
        yield error("DATASET.labels", str(faulty), "one line for each class: `id name`, ids from 0, or the name alone")


def _batches(cfg: RootSection) -> Iterator[Finding]:
    try:
        accumulation(cfg)
    except UserError as faulty:
        fix = f"make it a multiple of {cfg.DATASET.batch_size * dist.world_size()}, or change DATASET.batch_size"
        yield error("GRADIENT_ACCUMULATION", _after(str(faulty), "GRADIENT_ACCUMULATION."), fix)


def _rates(cfg: RootSection) -> Iterator[Finding]:
    """Whether the learning rates are for the batch that the run has on one process."""
    if cfg.OPTIMIZER is None:
        if cfg.DATASET.train is not None:
            yield note("OPTIMIZER", "is missing; the config can be tested, not trained")
        return
    try:
        together = accumulation(cfg) * cfg.DATASET.batch_size * dist.world_size()
    except UserError:
        return  # told by `_batches`
    scale = rate_scale(cfg.OPTIMIZER, together, asked=False)
    if scale.line and scale.factor == 1:
        fix = "train with --scale-lr, on more processes, or with GRADIENT_ACCUMULATION"
        yield warning("OPTIMIZER.learning_rate", f"on one process {scale.line}", fix)
    elif scale.line:
        yield note("OPTIMIZER.learning_rate", f"on one process {scale.line}")


def _workers(cfg: RootSection) -> Iterator[Finding]:
    cores = environment.cores()
    most = max(cfg.DATASET.workers_of(split) for split in SPLITS)
    if most > cores:
        fix = f"-o DATASET.num_workers={cores}"
        yield warning("DATASET.num_workers", f"{most} processes for {cores} cores only take memory", fix)
    elif most == 0 and cores > 1:
        fix = f"-o DATASET.num_workers={max(1, cores - 1)} reads the next clips meanwhile"
        yield note("DATASET.num_workers", "0: the model waits while clips are read", fix)


def _mirrored(cfg: RootSection) -> Iterator[Finding]:
    """Mirror images of classes that differ by left and right only, trained on as if they were the same."""
    flips = [op for op in (cfg.PIPELINE.train.transform if cfg.PIPELINE.train else []) if isinstance(op, RandomFlip)]
    if not any(op.p > 0 and not op.flip_label_map for op in flips):
        return
    names = names_of(cfg)
    sided = [name for name in names if SIDE.search(name)]
    if not sided:
        return
    swaps = mirror_map(names)
    fix = f"leave RandomFlip out, or give it flip_label_map: {swaps}"
    what = f"mirrors clips, but {len(sided)} classes tell left from right, such as '{sided[0]}'"
    yield warning("PIPELINE.train RandomFlip", what, fix if swaps else "leave RandomFlip out")


def mirror_map(names: list[str]) -> dict[int, int]:
    """Class id -> id of the class whose name has left and right swapped, where there is one."""
    ids = {name.lower().replace("anticlockwise", "counterclockwise"): label for label, name in enumerate(names)}
    swapped = {SIDE.sub(lambda side: OPPOSITE[side[1]], name): label for name, label in ids.items()}
    pairs = {label: ids[name] for name, label in swapped.items() if name in ids and ids[name] != label}
    return dict(sorted(pairs.items()))


def _after(text: str, prefix: str) -> str:
    """A message without what the first column says already."""
    return text.removeprefix(prefix)
