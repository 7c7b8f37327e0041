"""The training benchmark's results as text."""

from __future__ import annotations

from collections.abc import Iterator

from paddlevideo.tasks.benchmark.train import Result

TARGET = 1.03  # of the bare loop's time


def lines(result: Result) -> Iterator[str]:
    """One config at one batch size."""
    yield f"{result.config}: batches of {result.batch}, {result.steps} steps a round"
    yield f"  our loop     {1000 * result.ours:9.2f} ms a step"
    yield f"  bare loop    {1000 * result.bare:9.2f} ms a step   (forward, loss, backward, step, clear_grad)"
    spread = f"the median of {result.rounds} rounds from {min(result.ratios):.3f} to {max(result.ratios):.3f}"
    verdict = "" if result.ratio <= TARGET else f", above the target of {TARGET}"
    yield f"  ratio        {result.ratio:9.3f} times the bare loop's, {spread}{verdict}"
    if result.memory is not None and result.bare_memory is not None:
        sizes = [use.peak / 2**20 for use in (result.memory, result.bare_memory)]
        yield f"  memory       {sizes[0]:9.0f} MB at the peak of a process, the bare loop's {sizes[1]:.0f} MB"
    if not result.equal:
        yield "  after one round the weights of the two loops differ: they do not do the same work"
