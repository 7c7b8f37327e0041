"""A plan as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from paddlevideo.tasks.benchmark.child import Died
from paddlevideo.tasks.doctor.finding import gigabytes, lasting, plural
from paddlevideo.tasks.plan.loading import Loading
from paddlevideo.tasks.plan.plan import Plan
from paddlevideo.tasks.plan.trial import Trial

HEADER = f"{'batch':>7} {'memory':>10} {'a step':>9} {'a clip':>9}"


def trial_line(batch: int, outcome: Trial | Died, need: float) -> str:
    """A row under `HEADER`."""
    if isinstance(outcome, Died):
        return f"{batch:>7}   too large: its process was refused memory ({outcome})"
    return f"{batch:>7} {gigabytes(need):>10} {lasting(outcome.seconds):>9} {lasting(outcome.per_clip):>9}"


def lines(plan: Plan) -> Iterator[str]:
    """What was found, and the command last."""
    yield f"batch       {batch(plan)}"
    yield f"rate        {rate(plan)}"
    yield f"memory      {memory(plan)}"
    yield f"of which    {parts(plan)}"
    yield from (f"{name:12}{text}" for name, text in data(plan))
    yield f"time        {'; '.join(time(plan))}"
    yield f"disk        {disk(plan)}"
    yield from (f"note        {remark}" for remark in plan.remarks)
    yield ""
    yield plan.command


def batch(plan: Plan) -> str:
    """What makes up the global batch."""
    size, groups, processes = plan.choice
    product = f"{size}" + (f" x {groups} accumulated" if groups > 1 else "")
    product += f" x {counted(processes, 'process', 'processes')}"
    verdict = "as in the recipe" if plan.choice.together == plan.recipe else f"nearest to the recipe's {plan.recipe}"
    return f"{product} = {plural(plan.choice.together, 'clip')} a step, {verdict}"


def rate(plan: Plan) -> str:
    """Its peak, and what was done to it."""
    peak = f"{plan.rates.peak:.4g} at the peak"
    if plan.rates.factor == 1:
        return f"{peak}, as it is written"
    return f"{peak}: multiplied by {plan.rates.factor:.4g}{', by --scale-lr' if plan.rates.asked else ''}"


def memory(plan: Plan) -> str:
    """Of a process, by its batch."""
    line = plan.found.line
    whole = f"{gigabytes(plan.memory)} a process, of {gigabytes(plan.budget)}"
    return f"{whole}: {gigabytes(line.fixed)} and {gigabytes(line.clip)} a clip"


def parts(plan: Plan) -> str:
    """What is known of the first of these."""
    facts = plan.facts
    found: dict[str, float] = {"weights": facts.weights, "gradients": facts.trained, "optimizer": facts.optimizer}
    found |= {"loader and exchange": plan.beside} if plan.beside else {}
    return ", ".join(f"{name} {gigabytes(size)}" for name, size in found.items())


def data(plan: Plan) -> Iterator[tuple[str, str]]:
    """The splits."""
    for split, found in plan.loading.items():
        yield f"{split} data", "; ".join(_data(found))


def _data(found: Loading) -> Iterator[str]:
    if found.clips is not None:
        yield plural(found.clips, "clip")
    if found.rate is not None:
        yield f"{found.rate:.3g} clips/s from the loader alone"
    if found.why:
        yield f"left out of the times: {found.why}"


def time(plan: Plan) -> Iterator[str]:
    """Of a batch, an epoch and the run."""
    found, forward = plan.times, plan.facts.forward
    yield f"{lasting(plan.seconds)} a batch"
    if found is None:
        thousand = 1000 / plan.choice.processes
        yield f"1000 clips of training {lasting(thousand * plan.facts.per_clip)}"
        if forward is not None:
            yield f"of validation {lasting(thousand * forward)}"
        return
    waits = f", {lasting(found.waiting)} of it for data" if found.waiting else ""
    yield f"an epoch {lasting(found.epoch)} in {counted(found.batches, 'batch', 'batches')}{waits}"
    if found.validation:
        yield f"a validation {lasting(found.validation)}"
    if found.precise_bn:
        yield f"precise BN {lasting(found.precise_bn)}"
    yield f"the whole run {lasting(found.run)}"


def disk(plan: Plan) -> str:
    """The checkpoints, and whether they have room."""
    found = plan.disk
    total = found.checkpoint * found.checkpoints
    said = (
        f"{plural(found.checkpoints, 'checkpoint')} of {gigabytes(found.checkpoint)}, {gigabytes(total)} in all; "
        f"{gigabytes(found.free)} are free"
    )
    return said if total <= found.free else f"{said}: too little; -o save_interval=N keeps fewer"


def counted(number: int, one: str, many: str) -> str:
    """1 batch, 2 batches."""
    return f"{number} {one if number == 1 else many}"


def plain(plan: Plan) -> dict[str, Any]:
    """The plan for a JSON file."""
    found = {**asdict(plan), "choice": plan.choice._asdict()}
    found["found"]["line"] = plan.found.line._asdict()
    found["found"]["trials"] = list(found["found"]["trials"].values())
    return found
