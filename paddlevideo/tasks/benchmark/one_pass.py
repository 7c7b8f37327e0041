"""The process in which `memory.usage` measures: one forward pass of one network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import paddle

from paddlevideo.tasks.benchmark.child import answer
from paddlevideo.tasks.benchmark.memory import start, status
from paddlevideo.tasks.benchmark.model import subjects


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """What the child process does."""
    (subject,) = subjects([request["config"]], request["overrides"], Path())
    network: Any = subject.ours() if request["side"] == "ours" else subject.bare()
    network.eval()
    imgs = paddle.zeros([request["batch"], *subject.view.shape])
    ready = start()
    with paddle.no_grad():
        getattr(network, "scores", network)(imgs)
    return {"ready": ready, "peak": status("VmHWM")}


if __name__ == "__main__":
    answer(measure)
