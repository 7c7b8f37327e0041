"""Conversion of weight files: other projects' into ours, and ours from one container to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import yaml

from paddlevideo.modeling import convert as sources
from paddlevideo.modeling import weights
from paddlevideo.modeling.convert import Plan, Source, arrays
from paddlevideo.registry import BACKBONES, HEADS, RECOGNIZERS
from paddlevideo.tasks import schema
from paddlevideo.tasks.convert_fit import check_against, cut_classes
from paddlevideo.tasks.labels import read_labels
from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

SUFFIXES = (".pdparams", ".safetensors")
SHOWN = 6  # names of a list that the screen shows; the report has all


@dataclass
class Conversion:
    """What was read, what becomes of it, and the result."""

    source: Source
    plan: Plan
    state: dict[str, np.ndarray]
    missing: list[str]


def convert(
    path: Path,
    out: Path,
    config: str | None = None,
    overrides: list[str] | None = None,
    labels: tuple[Path, Path] | None = None,
    report: Path | None = None,
) -> None:
    """Converts one file, and says what was done.

    Args:
        path: a weight file of any known source.
        out: .pdparams or .safetensors.
        config: the config whose model the result must fit, with `overrides`.
        labels: two label files: the order of the classes in the file, and the one wanted.
        report: where the list of all arrays goes; by default beside `out`.

    Raises:
        UserError: nothing was written.
    """
    if out.suffix not in SUFFIXES:
        raise UserError(f"{out}: the result is written as {' or '.join(SUFFIXES)}; end its name so")
    if out.exists() and path.exists() and out.samefile(path):
        raise UserError(f"{out}: would replace the file it is made from; give it another name")
    report = report or out.with_name(f"{out.name}.report.txt")
    if report.resolve() in (path.resolve(), out.resolve()):
        raise UserError(f"{report}: the list of the arrays needs a file of its own")
    resolved = schema.load(config, overrides) if config else None
    source = sources.read_source(path)
    plan = sources.recognise(source)
    state = arrays.convert(source, plan)
    if resolved is not None:
        state = cut_classes(resolved.root, plan, state)
    state = _relabelled(source, plan, state, labels)
    missing: list[str] = []
    if resolved is None:
        missing = _missing(source, plan, state)
    else:
        state = check_against(resolved.root, source, plan, state)
    if wild := [name for name, value in state.items() if not np.isfinite(value).all()]:
        plan.notes.append(f"values that are no numbers in {_some(wild)}: the training that made the file had diverged")
    done = Conversion(source, plan, state, missing)
    with files.atomic(out) as scratch, files.atomic(report) as listing:
        weights.save_state(state, scratch, out.suffix)
        listing.write_text("\n".join(_listing(done, out)) + "\n", encoding="utf-8", errors="backslashreplace")
    for line in _summary(done, out, report, config):
        logger.info(line)


def _relabelled(
    source: Source, plan: Plan, state: dict[str, np.ndarray], labels: tuple[Path, Path] | None
) -> dict[str, np.ndarray]:
    """The classifier's rows in the order of the second label file."""
    if labels is None:
        return state
    lengths = [_count(path) for path in labels]
    count = arrays.num_classes(state)
    if count is None:
        raise UserError(f"{source.path}: has no classifier whose classes could be put into another order")
    before = {_plain(name): i for i, name in enumerate(read_labels(str(labels[0]), count))}
    if len(before) < count:
        raise UserError(f"{labels[0]}: names a class twice, so it cannot say which is which")
    wanted = [_plain(name) for name in read_labels(str(labels[1]), lengths[1])]
    if unknown := [name for name in wanted if name not in before]:
        raise UserError(f"{labels[1]}: '{unknown[0]}' is not among the {count} classes of {labels[0]}")
    if len(set(wanted)) < len(wanted):
        raise UserError(f"{labels[1]}: names a class twice")
    order = [before[name] for name in wanted]
    moved = sum(i != row for i, row in enumerate(order))
    plan.notes.append(f"classes put into the order of {labels[1]}: {moved} of {len(order)} moved")
    if plan.model is not None:
        plan.model["head"]["num_classes"] = len(order)
    return arrays.pick_classes(state, order)


def _plain(name: str) -> str:
    """A class name as it may be written in one list or another."""
    return " ".join(name.replace("_", " ").replace('"', "").split()).lower()


def _count(path: Path) -> int:
    """Names in a label file."""
    try:
        return sum(bool(line.strip()) for line in path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: the label file cannot be read: {error}") from None


def _missing(source: Source, plan: Plan, state: Mapping[str, np.ndarray]) -> list[str]:
    """What the model of the plan has and the file has not.

    Raises:
        UserError: when no such model can be built, shapes differ, or an array has no place in it.
    """
    if plan.model is None:
        return []
    try:
        expected = _expected(plan)
    except ValueError as error:
        raise UserError(f"{source.path}: no model can be built for its weights: {error}") from None
    other = [
        f"{name} {list(state[name].shape)} instead of {list(shape)}"
        for name, shape in expected.items()
        if name in state and state[name].shape != shape
    ]
    other += [f"{name} has no place" for name in state if name not in expected]
    if other:
        raise UserError(f"{source.path} ({plan.source}) fits no model here: {_some(other)}")
    return [name for name in expected if name not in state]


def _expected(plan: Plan) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the model that the plan describes."""
    assert plan.model is not None
    backbone, head = dict(plan.model["backbone"]), dict(plan.model["head"])
    with paddle.LazyGuard():  # no values: random numbers for a transformer take seconds
        model = BACKBONES.get(backbone.pop("name"))(**backbone)
        if not plan.backbone_only:
            built = HEADS.get(head.pop("name"))(**head)
            model = RECOGNIZERS.get(plan.model["framework"])(model, built)
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


# --- what is said -----------------------------------------------------------------------------------------------------


def _summary(done: Conversion, out: Path, report: Path, config: str | None) -> list[str]:
    plan = done.plan
    counts = f"{len(plan.names) + len(plan.folded)} mapped, {len(plan.dropped)} dropped, {len(done.missing)} missing"
    lines = [f"{done.source.path}: {plan.source}", f"arrays: {counts}; {report} lists them all"]
    reasons = sorted(set(plan.dropped.values()))
    for why in reasons:
        names = [name for name, reason in plan.dropped.items() if reason == why]
        lines.append(f"dropped: {_some(names)}: {why}")
    lines += plan.notes
    if done.missing:
        lines.append(f"INCOMPLETE: the model also needs {_some(done.missing)}; it will refuse this file")
    if config:
        lines.append(f"it fits {config}")
    elif plan.model is not None and plan.backbone_only:
        lines.append(f"use it as MODEL.backbone.pretrained of {' or '.join(plan.fits)}, depth or sizes as follows")
        lines += _yaml({"backbone": plan.model["backbone"]})
    elif plan.model is not None:
        lines.append("the weights need this model in the config:")
        lines += _yaml({"MODEL": plan.model})
    if plan.normalization and not config:
        mean, std = plan.normalization
        lines.append(f"and pixels normalised with mean: {mean} std: {std}")
    return [*lines, f"wrote {out}"]


def _yaml(section: dict[str, Any]) -> list[str]:
    return yaml.safe_dump(section, sort_keys=False, default_flow_style=None).splitlines()


def _listing(done: Conversion, out: Path) -> list[str]:
    """The report: every array of the file and of the model."""
    plan, state = done.plan, done.state
    lines = [f"{done.source.path} ({plan.source}) -> {out}", *plan.notes, ""]
    lines.append(f"mapped ({len(plan.names) + len(plan.folded)})")
    for name, target in plan.names.items():
        turned = " transposed" if arrays.is_transposed(plan, state[target]) else ""
        lines.append(f"  {name} -> {target} {list(state[target].shape)}{turned}")
    lines += [f"  {name} -> subtracted from {target}" for name, target in plan.folded.items()]
    lines += ["", f"dropped ({len(plan.dropped)})"]
    lines += [f"  {name}: {why}" for name, why in plan.dropped.items()]
    lines += ["", f"missing ({len(done.missing)})"]
    lines += [f"  {name}" for name in done.missing]
    return [_printable(line) for line in lines]


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return _printable(", ".join(names[:SHOWN]) + more)
