"""The data benchmark's results as text."""

from __future__ import annotations

from collections.abc import Iterator

from paddlevideo.tasks.benchmark.data import Result
from paddlevideo.tasks.benchmark.growth import Growth
from paddlevideo.utils import environment

GROWTH_TARGET = 0.05
GAIN = 1.1  # more workers are worth their memory when they bring a tenth
EXPLANATIONS = {
    "sequential": "PyAV, every frame in order, converted to RGB",
    "undisplayed": "PyAV, every frame in order, not converted",
    "decord": "decord's get_batch of the same frames",
    "imdecode": "cv2.imdecode and one cv2.resize of the same images, already in memory",
}


def lines(result: Result, growth: Growth | None) -> Iterator[str]:
    """One split of one config."""
    shape = "x".join(map(str, result.shape))
    yield f"{result.config} {result.split}: clips of {shape} {result.dtype}; {result.clips} clips a round"
    yield f"  one process     {result.rate:8.2f} clips/s"
    for name, (rate, ratio) in result.baselines.items():
        yield f"  {name:14}  {rate:8.2f} clips/s  ours {ratio:.2f} times that   ({EXPLANATIONS[name]})"
    for number, rate in result.workers.items():
        name = f"{number} worker" + ("s" if number > 1 else "")
        yield f"  {name:14}  {rate:8.2f} clips/s  {rate / result.rate:.2f} times one process"
    yield "  time            " + ", ".join(f"{stage} {share:.0%}" for stage, share in result.shares.items())
    for path, seconds in result.slowest:
        yield f"  {1000 * seconds:10.1f} ms   {path}"
    if growth is not None:
        verdict = "" if growth.share < GROWTH_TARGET else f", above the target of {GROWTH_TARGET:.0%}"
        yield (
            f"  memory          a worker had {growth.early / 2**20:.0f} MB after a tenth of {growth.clips} clips and "
            f"{growth.late / 2**20:.0f} MB at the end: {growth.share:+.1%}{verdict}"
        )
    yield from (f"  {line}" for line in advice(result))


def advice(result: Result) -> Iterator[str]:
    """What the figures suggest."""
    best = 0
    rates = {0: result.rate, **result.workers}
    for number, rate in sorted(rates.items()):
        if rate > rates[best] * GAIN:
            best = number
    beyond = [number for number in rates if number > best]
    tried = f"; {', '.join(map(str, sorted(beyond)))} bring less than a tenth more" if beyond else ""
    yield f"num_workers: {best} is enough for {rates[best]:.1f} clips/s on {environment.cores()} cores{tried}"
    yield "a training step that takes fewer seconds than its clips / that rate will wait for data"
    if "imdecode" not in result.baselines and result.shares["decode"] > 0.6:
        yield (
            f"decoding is {result.shares['decode']:.0%} of the time: paddlevideo prepare transcode (short side, more "
            "keyframes) or prepare frames make it cheaper"
        )
