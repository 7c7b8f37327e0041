"""How fast a model's forward pass is beside the same arithmetic in plain Paddle layers, and what memory it takes.

The networks are timed in turn, round after round in changing order, so that other work on the machine and a clock that
changes meet all of them; figures are medians over the rounds, and ratios the medians of each round's own ratio.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddlevideo.config import Resolved
from paddlevideo.modeling.layers.temporal_shift import TemporalShift
from paddlevideo.tasks import configs, flops, models, schema
from paddlevideo.tasks.benchmark.bare import bare
from paddlevideo.tasks.benchmark.memory import Usage, usage
from paddlevideo.tasks.benchmark.turns import in_turn
from paddlevideo.tasks.models import Catalogue, View
from paddlevideo.tasks.run import build_tested, tested_spec
from paddlevideo.tasks.schema import RootSection


@dataclass(frozen=True)
class Subject:
    """A config to measure, and what one clip of it looks like."""

    path: str
    overrides: list[str]
    resolved: Resolved[RootSection]
    view: View

    def ours(self) -> Any:
        """The model, of a distillation the student, with random weights."""
        return build_tested(self.resolved.root)

    def bare(self) -> nn.Layer | None:
        """Its counterpart in plain layers, where there is one."""
        return bare(tested_spec(self.resolved.root).plain(), self.view.frames, self.view.size)

    def unshifted(self) -> Any:
        """The model without its temporal shifts; None where it has none."""
        model, found = self.ours(), False
        for layer in model.sublayers():
            for name, inner in list(layer.named_children()):
                if isinstance(inner, TemporalShift):
                    setattr(layer, name, nn.Identity())
                    found = True
        return model if found else None


@dataclass(frozen=True)
class Result:
    """The measurement of one model at one batch size.

    Attributes:
        config, model, frames, size: what was measured: one view of its test clips.
        batch: clips at a time.
        rounds: how many times each network was timed, after a warm-up.
        macs, bare_macs: multiply-adds of one clip; None without a counterpart. Unequal ones make `ratio` say little.
        clips_per_second, bare_clips_per_second: medians.
        ratio: our speed in that of the counterpart: the median over the rounds.
        shift_cost: share of a forward pass that the temporal shifts take, likewise; None for models without.
        memory, bare_memory: of a process of its own, see `memory.Usage`.
    """

    config: str
    model: str
    frames: int
    size: tuple[int, int]
    batch: int
    rounds: int
    macs: int
    bare_macs: int | None
    clips_per_second: float
    bare_clips_per_second: float | None
    ratio: float | None
    shift_cost: float | None
    memory: Usage | None
    bare_memory: Usage | None


def subjects(wanted: Sequence[str], overrides: list[str], folder: Path) -> list[Subject]:
    """The configs to measure. "all" stands for those below `folder`, one of each network and clip shape.

    Raises:
        UserError: a config has a fault.
    """
    catalogue, found, seen = Catalogue(), [], set()
    for path in configs.find(folder) if list(wanted) == ["all"] else wanted:
        resolved = schema.load(path, overrides)
        view = catalogue.view(resolved)
        network = configs.network({**tested_spec(resolved.root).plain(), "head": {}})
        key = json.dumps([network, view.shape])
        if list(wanted) != ["all"] or key not in seen:
            found.append(Subject(str(path), overrides, resolved, view))
        seen.add(key)
    return found


def measure(subject: Subject, batches: Sequence[int], rounds: int, with_memory: bool) -> Iterator[Result]:
    """One result a batch size."""
    networks = {"ours": subject.ours(), "bare": subject.bare(), "unshifted": subject.unshifted()}
    networks = {name: network for name, network in networks.items() if network is not None}
    for network in networks.values():
        network.eval()
    shape = subject.view.shape
    macs = flops.parts(subject.ours, shape)[0].macs
    bare_macs = flops.parts(subject.bare, shape)[0].macs if "bare" in networks else None
    for batch in batches:
        imgs = paddle.to_tensor(np.random.default_rng(0).normal(size=[batch, *shape]).astype("float32"))
        calls = {name: getattr(network, "scores", network) for name, network in networks.items()}
        seconds = in_turn({name: _forward(call, imgs) for name, call in calls.items()}, rounds)
        ours, plain, unshifted = (np.array(seconds.get(name, [])) for name in ("ours", "bare", "unshifted"))
        used = {side: usage(subject.path, subject.overrides, batch, side) for side in calls} if with_memory else {}
        yield Result(
            config=subject.path,
            model=models.model_name(tested_spec(subject.resolved.root).plain()),
            frames=subject.view.frames,
            size=subject.view.size,
            batch=batch,
            rounds=rounds,
            macs=macs,
            bare_macs=bare_macs,
            clips_per_second=batch / median(ours),
            bare_clips_per_second=batch / median(plain) if len(plain) else None,
            ratio=median(plain / ours) if len(plain) else None,
            shift_cost=median(1 - unshifted / ours) if len(unshifted) else None,
            memory=used.get("ours"),
            bare_memory=used.get("bare"),
        )


def _forward(call: Callable[[paddle.Tensor], paddle.Tensor], imgs: paddle.Tensor) -> Callable[[], object]:
    def run() -> object:
        with paddle.no_grad():
            return call(imgs).numpy()  # waits for the device

    return run
