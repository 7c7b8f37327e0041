"""The process in which `memory.usage` measures: one forward pass of one network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import paddle

from paddlevideo.tasks.benchmark.memory import CLEAR, Usage, status
from paddlevideo.tasks.benchmark.model import subjects


def _measure(request: dict[str, Any]) -> Usage:
    """What the child process does."""
    (subject,) = subjects([request["config"]], request["overrides"], Path())
    network: Any = subject.ours() if request["side"] == "ours" else subject.bare()
    network.eval()
    imgs = paddle.zeros([request["batch"], *subject.view.shape])
    ready = status("VmRSS")
    CLEAR.write_text("5")  # the peak starts anew (proc(5))
    with paddle.no_grad():
        getattr(network, "scores", network)(imgs)
    return Usage(ready, status("VmHWM"))


if __name__ == "__main__":
    found = _measure(json.loads(sys.argv[1]))
    print(json.dumps({"ready": found.ready, "peak": found.peak}))
