"""What is said of two runs: equal, or where they part, by how much, and what to look at."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from paddlevideo.tasks.repro.compare import Comparison
from paddlevideo.tasks.repro.record import PARTS, About, Difference


def lines(result: Comparison) -> Iterator[str]:
    """The whole report."""
    found = result.difference
    if found is None:
        yield f"{result.steps} steps, {result.parameters} parameters: equal bit for bit"
        return
    where = f"step {found.step} (epoch {found.epoch})" if found.step else "before the first step"
    kind = {"batch": "batches", "loss": "losses"}.get(found.part, f"{found.part}s")
    yield f"{where}: {found.part} {found.name} differs, the first of {found.count} of {found.total} {kind}"
    yield f"  {distance(*result.arrays)}"
    if found.step:
        same = [f"the {part}" if part in ("batch", "loss") else f"all {part}s" for part in PARTS]
        yield f"  equal until then: {', '.join(['everything before this step', *same[: PARTS.index(found.part)]])}"
    yield "likely causes:"
    yield from (f"- {cause}" for cause in causes(found, *result.abouts))


def distance(one: np.ndarray | None, other: np.ndarray | None) -> str:
    """How far apart two arrays are; None: a run has no such array."""
    if one is None or other is None:
        return f"only run {1 if other is None else 2} has it"
    if one.shape != other.shape or one.dtype != other.dtype:
        return f"run 1: {one.dtype} {list(one.shape)}, run 2: {other.dtype} {list(other.shape)}"
    if one.tobytes() == other.tobytes():
        return "two further runs agreed up to there: the difference comes and goes"
    a, b = one.astype("float64"), other.astype("float64")
    finite = np.isfinite(a) & np.isfinite(b)
    if not finite.all():
        return f"{int((~finite).sum())} of {a.size} numbers are not finite in one of the runs"
    count, largest = np.count_nonzero(a != b), max(np.abs(a).max(), np.abs(b).max())
    return f"largest difference {np.abs(a - b).max():.3g}, in {count} of {a.size} numbers up to {largest:.3g}"


def causes(found: Difference, one: About, other: About) -> Iterator[str]:
    """What to look at, the likeliest first."""
    if one.workers != other.workers:
        yield f"{one.workers} and {other.workers} loader processes, on which no clip may depend; then see the next"
    if found.part == "batch":
        yield "an operation of PIPELINE or MIX that draws from somewhere else than the generator it is given"
        yield "lists or files that were changed between the runs, or cannot be read every time"
    elif found.step == 0:
        yield "an initialiser that draws from somewhere else than paddle.seed and numpy.random.seed"
        yield "a file of weights that was changed between the runs"
    else:
        if one.device == "GPU" and not (one.deterministic and other.deterministic):
            yield "GPU kernels that add in another order each time: repeat with --deterministic"
        if max(one.threads, other.threads) > 1:
            yield "CPU threads that add in another order each time: repeat with --cpu_threads 1"
        yield {
            "loss": "a layer that draws from somewhere else than paddle.seed, or keeps something from the step before",
            "gradient": "a layer whose backward pass is not the same each time; the forward pass is",
            "parameter": "the optimizer or its rate (or statistics that a layer keeps): the gradients are equal",
        }[found.part]
