"""Benchmark results as text."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paddle

from paddlevideo.tasks.benchmark.memory import Usage
from paddlevideo.tasks.benchmark.model import Result
from paddlevideo.utils import environment

TARGET, SHIFT_TARGET = 0.95, 0.05  # of the bare network's speed; of a TSM's forward pass
HEADER = (
    f"{'model':24} {'one clip':>11} {'batch':>5} {'clips/s':>8} {'bare':>8} {'ratio':>6} {'shift':>6} "
    f"{'GMACs':>7} {'GMAC/s':>7} {'peak MB':>8} {'bare':>6} {'forward MB':>10} {'bare':>6}"
)
EXPLANATION = f"""\
bare: the same arithmetic in plain Paddle layers, timed in turn with ours; ratio: our speed in its (target {TARGET})
shift: share of the forward pass that the temporal shifts take (target under {SHIFT_TARGET:.0%}); GMACs: of one clip
peak MB: resident memory of a process that does one forward pass; forward MB: what the pass added to it"""


def machine() -> dict[str, Any]:
    """Where and when the figures were taken."""
    return {
        "date": datetime.datetime.now().isoformat(timespec="seconds"),
        "device": paddle.get_device(),
        "cpu": _cpu(),
        "cores": environment.cores(),
        "threads": environment.threads(),
        "paddle": paddle.__version__,
        "python": platform.python_version(),
    }


def machine_line(facts: dict[str, Any]) -> str:
    """The same in a line."""
    return (
        f"{facts['date']}, {facts['device']}: {facts['cpu']}, {facts['threads']} threads on {facts['cores']} cores; "
        f"Paddle {facts['paddle']}, Python {facts['python']}"
    )


def line(result: Result) -> str:
    """A row under `HEADER`."""
    height, width = result.size
    rate = result.clips_per_second * result.macs / 1e9
    cells = [
        f"{result.model:24}",
        f"{f'{result.frames}x{height}x{width}':>11}",
        f"{result.batch:>5}",
        f"{result.clips_per_second:>8.3g}",
        _cell(result.bare_clips_per_second, ">8.3g"),
        _cell(result.ratio, ">6.3f"),
        _cell(result.shift_cost, ">6.1%"),
        f"{result.macs / 1e9:>7.4g}",
        f"{rate:>7.4g}",
        *_memory(result.memory, result.bare_memory),
    ]
    return " ".join(cells)


def remarks(result: Result) -> Iterator[str]:
    """What a reader of the row should know."""
    where = f"{result.model}, batch {result.batch}"
    if result.bare_macs and abs(result.macs / result.bare_macs - 1) > 0.01:
        yield f"{where}: the bare network does {result.bare_macs / 1e9:.4g} GMACs, so the ratio compares unequal work"
    elif result.ratio is not None and result.ratio < TARGET:
        yield f"{where}: ratio {result.ratio:.3f} is below the target of {TARGET}"
    if result.shift_cost is not None and result.shift_cost > SHIFT_TARGET:
        yield f"{where}: the shifts take {result.shift_cost:.1%}, above the target of {SHIFT_TARGET:.0%}"


def _cell(value: float | None, form: str) -> str:
    return "-".rjust(int(form[1])) if value is None else f"{value:{form}}"


def _memory(ours: Usage | None, bare: Usage | None) -> list[str]:
    """Cells for the peak and for what the forward pass added, ours and bare, in MB."""
    megabytes = [None if use is None else use.peak / 2**20 for use in (ours, bare)]
    added = [None if use is None else (use.peak - use.ready) / 2**20 for use in (ours, bare)]
    values, widths = (*megabytes, *added), (8, 6, 10, 6)
    return [("-" if value is None else f"{value:.0f}").rjust(width) for value, width in zip(values, widths)]


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    names = [row.partition(":")[2].strip() for row in text.splitlines() if row.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
