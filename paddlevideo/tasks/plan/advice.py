"""What a plan adds in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddlevideo.config import Spec, parameters
from paddlevideo.tasks import run
from paddlevideo.tasks.doctor.finding import gigabytes
from paddlevideo.tasks.plan.batches import Choice
from paddlevideo.tasks.plan.costs import Times
from paddlevideo.tasks.plan.rates import counts_batches
from paddlevideo.tasks.plan.search import SLOWER, Found
from paddlevideo.tasks.plan.trial import Trial
from paddlevideo.tasks.schema import RootSection


def too_small(config: str, cfg: RootSection, batch: int, need: float, budget: float) -> str:
    """The error where no batch fits.

    Args:
        need: bytes of the smallest batch; 0 where its process died.
    """
    taken = f"take {gigabytes(need)}" if need else "are refused the memory they want"
    return (
        f"{config}: training steps on batches of {batch} {taken}, and a process may take {gigabytes(budget)}; "
        f"less is taken with {', or '.join(savings(cfg))}"
    )


def savings(cfg: RootSection) -> Iterator[str]:
    """What makes a clip take less memory."""
    backbone: Spec = run.tested_spec(cfg).arguments["backbone"]
    taken: dict[str, Any] = parameters(backbone.target)
    if "recompute" in taken and not backbone.arguments.get("recompute", False):
        yield f"-o {backbone.path}.recompute=True, which computes the forward pass twice"
    frames = backbone.arguments.get("num_seg", taken["num_seg"][1] if "num_seg" in taken else None)
    if isinstance(frames, int) and frames > 2:
        yield f"fewer frames (-o num_seg={frames // 2})"
    yield "smaller frames (the crop of PIPELINE)"


def remarks(
    cfg: RootSection, choice: Choice, recipe: int, found: Found, facts: Trial, times: Times | None, gpu: bool
) -> Iterator[str]:
    """What one should know before one pastes the command."""
    assert cfg.OPTIMIZER is not None
    if not found.measured:
        yield (
            f"a batch of {choice.batch} was not tried, which would take minutes: its figures are those of "
            f"{facts.batch}, in proportion"
        )
    slower = [trial.batch for trial in found.trials.values() if trial.per_clip > SLOWER * facts.per_clip]
    if larger := [batch for batch in slower if batch > choice.batch and batch < (found.too_large or batch + 1)]:
        yield f"batches of {', '.join(map(str, larger))} would fit too, but take longer a clip"
    if facts.batch_norm and choice.batch < cfg.DATASET.batch_size:
        yield (
            f"batch normalisation sees {choice.batch} clips at a time, {cfg.DATASET.batch_size} in the config: "
            "accumulation does not change that, so figures may differ"
        )
    if cfg.GRADIENT_ACCUMULATION is None and times is not None:
        written = max(1, times.batches * choice.batch * choice.processes // recipe)
        if counts_batches(cfg.OPTIMIZER, cfg.epochs, written, times.batches):
            yield (
                "OPTIMIZER.learning_rate counts batches, and an epoch has "
                f"{times.batches} of them instead of {written}: adapt its numbers, or set iter_step: False"
            )
    yield from missing_weights(cfg)
    if choice.processes > 1:
        yield "measured on one process: the exchange of gradients comes on top"
    if gpu:
        yield "plans for GPUs have not been tried on one yet"


def missing_weights(cfg: RootSection) -> Iterator[str]:
    """The files that models start from and that are not there; nothing here needs them."""
    for spec in run.model_specs(cfg):
        backbone = spec.arguments["backbone"]
        whole, own = spec.arguments.get("weights"), backbone.arguments.get("pretrained")
        key, file = (f"{spec.path}.weights", whole) if whole else (f"{backbone.path}.pretrained", own)
        if file and not Path(file).is_file():
            yield f"{key}: {file} is not there; training needs it, or =null"
