"""The process in which `train.measure` measures memory: two rounds of training steps by one of the two loops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddlevideo.tasks import session
from paddlevideo.tasks.benchmark.child import answer
from paddlevideo.tasks.benchmark.memory import start, status
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, script
from paddlevideo.tasks.benchmark.train import Bare


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """What the child process does."""
    session.start_quietly(False)
    play = script(request["config"], request["overrides"], request["batch"], 2, Path(request["folder"]))
    side: Rehearsal | Bare = Rehearsal(play) if request["side"] == "ours" else Bare(play)
    ready = start()
    side.round()
    side.round()
    return {"ready": ready, "peak": status("VmHWM")}


if __name__ == "__main__":
    answer(measure)
