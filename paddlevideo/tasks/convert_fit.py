"""Whether converted weights fit the model of a config: its settings, its classes, its pixels and every array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from paddlevideo.loader.pipelines.array import Normalization
from paddlevideo.modeling.convert import Plan, Source, arrays
from paddlevideo.modeling.weights import HEAD_NAMES
from paddlevideo.tasks.run import build_tested, num_classes, tested_spec
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils.errors import UserError

SOMETHING_V2 = {339: 174}  # classes mmaction2's first configs asked for -> classes there are
WHY_NOT_VD = (
    "its stem is one 7x7 convolution where PP-TSM and PP-TSN have three 3x3 ones, and its short cuts skip pixels "
    "where theirs average them"
)
WHY_NOT_PLAIN = "its stem is three 3x3 convolutions and its short cuts average pixels; only PP-TSM and PP-TSN are so"


def check_against(cfg: RootSection, source: Source, plan: Plan, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays made to fit the config's model where that is sound.

    Raises:
        UserError: the model is another one, its settings contradict the weights, or arrays do not fit.
    """
    _check_kind(cfg, source, plan)
    _check_settings(cfg, source, plan)
    _check_pixels(cfg, source, plan)
    _check_classes(cfg, source, plan, state)
    model = build_tested(cfg)
    target, checked = model, state
    if plan.backbone_only:
        target = model.backbone
        checked = {name: value for name, value in state.items() if name.split(".")[0] not in HEAD_NAMES}
        if hasattr(target, "adapt_pretrained"):
            checked, lines = target.adapt_pretrained(checked)
            plan.notes += [f"when it is loaded: {line}" for line in lines]
    elif hasattr(model.backbone, "adapt_embeddings"):
        state = checked = _adapted(model.backbone, plan, state)
    _check_arrays(source, plan, checked, {name: tuple(value.shape) for name, value in target.state_dict().items()})
    return state


def _check_kind(cfg: RootSection, source: Source, plan: Plan) -> None:
    kind = tested_spec(cfg).arguments["backbone"].naming[1]
    if not plan.fits or kind in plan.fits:
        return
    why = ""
    if "Tweaks" in kind and "ResNet" in plan.fits[0]:
        why = f": {WHY_NOT_VD}"
    elif "Tweaks" in plan.fits[0]:
        why = f": {WHY_NOT_PLAIN}"
    raise UserError(
        f"{source.path} ({plan.source}) cannot become a {kind}, the backbone of {cfg.model_name}{why}; "
        f"it fits {' or '.join(plan.fits)}"
    )


def _check_settings(cfg: RootSection, source: Source, plan: Plan) -> None:
    """The arguments of the backbone on which the weights depend without showing it in their shapes."""
    if plan.model is None:
        return
    spec = tested_spec(cfg).arguments["backbone"]
    ours, theirs = spec.plain(), plan.model["backbone"]
    if "shift_ratio" in ours and ours["shift_ratio"] is None:
        ours["shift_ratio"] = 1 / ours["num_seg"]
    wrong = [key for key in plan.settings if key in ours and not _same(ours[key], theirs[key])]
    if wrong:
        sides = "; ".join(f"{key} is {theirs[key]} in the weights, {ours[key]} in the config" for key in wrong)
        cure = " ".join(f"{spec.path}.{key}={_text(theirs[key])}" for key in wrong)
        raise UserError(
            f"{source.path} ({plan.source}) and {cfg.model_name} ({spec.where}) do not agree: {sides}; use -o {cure}"
        )
    if "num_seg" not in plan.settings and "shift_ratio" in theirs and ours["num_seg"] != theirs["num_seg"]:
        plan.notes.append(
            f"the config shifts over {ours['num_seg']} frames, which the file cannot confirm: mmaction2's 16-frame "
            f"models from before October 2020 shifted over 8, for which {spec.path}.num_seg=8 is right"
        )


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, float) and isinstance(ours, int | float):
        return math.isclose(ours, theirs, rel_tol=1e-9)
    return ours == theirs


def _text(value: Any) -> str:
    """A value as an override writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value).replace(" ", "")


def _check_pixels(cfg: RootSection, source: Source, plan: Plan) -> None:
    """The normalisation of each split against what the weights were trained with."""
    if plan.normalization is None:
        return
    mean, std = plan.normalization
    faults, cures = [], []
    for split in ("train", "valid", "test"):
        pipeline = getattr(cfg.PIPELINE, split)
        for i, op in enumerate(pipeline.transform if pipeline else []):
            if not isinstance(op, Normalization):
                continue
            scale = op.normal.unit / 255
            ours = [round(float(value) * scale, 6) for value in (*op.normal.mean, *op.normal.std)]
            if np.allclose(ours, [*mean, *std], atol=2e-3):
                continue
            faults.append(f"PIPELINE.{split} has mean {ours[:3]} std {ours[3:]}")
            for key, values in (("mean", mean), ("std", std)):
                numbers = str([round(value / scale, 6) for value in values]).replace(" ", "")
                cures.append(f"PIPELINE.{split}.transform.{i}.Normalization.{key}={numbers}")
    if faults:
        raise UserError(
            f"{source.path} ({plan.source}) expects pixels normalised with mean {mean} std {std}, but in "
            f"{cfg.model_name} {'; '.join(faults)}; use -o {' '.join(cures)}"
        )


def cut_classes(cfg: RootSection, plan: Plan, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The classifier without the classes that a mistake in mmaction2's first Something-Something V2 configs added."""
    theirs, ours = arrays.num_classes(state), num_classes(cfg)
    if plan.backbone_only or theirs is None or SOMETHING_V2.get(theirs) != ours:
        return state
    plan.notes.append(f"the first {ours} of {theirs} classes kept: the others were never trained")
    return arrays.pick_classes(state, range(ours))


def _check_classes(cfg: RootSection, source: Source, plan: Plan, state: dict[str, np.ndarray]) -> None:
    theirs, ours = arrays.num_classes(state), num_classes(cfg)
    if not plan.backbone_only and theirs not in (None, ours):
        raise UserError(
            f"{source.path} ({plan.source}) has {theirs} classes, {cfg.model_name} has {ours}; use -o "
            f"{tested_spec(cfg).path}.head.num_classes={theirs}, and fine-tune from the result for other classes"
        )


def _adapted(backbone: Any, plan: Plan, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The embeddings of places and times, interpolated to the config's size and frames."""
    prefix = "backbone."
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    own, lines = backbone.adapt_embeddings(own)
    plan.notes += lines
    others = {name: value for name, value in state.items() if not name.startswith(prefix)}
    return {prefix + name: value for name, value in own.items()} | others


def _check_arrays(
    source: Source, plan: Plan, state: dict[str, np.ndarray], expected: dict[str, tuple[int, ...]]
) -> None:
    faults = [f"missing: {name}" for name in expected if name not in state]
    faults += [f"unexpected: {name}" for name in state if name not in expected]
    faults += [
        f"{name} is {list(value.shape)} in the file, {list(expected[name])} in the model"
        for name, value in state.items()
        if name in expected and value.shape != expected[name]
    ]
    if faults:
        more = f"; and {len(faults) - 10} more" if len(faults) > 10 else ""
        raise UserError(
            f"{source.path} ({plan.source}) does not fit the model, {len(faults)} differences: "
            f"{'; '.join(faults[:10])}{more}"
        )
