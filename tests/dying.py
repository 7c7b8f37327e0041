"""A child process that ends as it is told to; see tests/tasks/test_child.py."""

import os
import signal
import sys
import time
from typing import Any

from paddlevideo.tasks.benchmark.child import answer
from paddlevideo.utils.errors import UserError


def measure(request: dict[str, Any]) -> dict[str, Any]:
    how = request["how"]
    if how == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "refused":
        raise MemoryError("(ResourceExhausted) Fail to alloc memory of 419430400 size")
    elif how == "aborted":
        print("terminate called after throwing an instance of 'std::bad_alloc'", file=sys.stderr, flush=True)
        os.abort()
    elif how == "faulty":
        raise ZeroDivisionError("no memory in it")
    elif how == "mistaken":
        raise UserError("a.yaml: has a fault")
    elif how == "slow":
        time.sleep(600)
    return {"threads": os.environ["OMP_NUM_THREADS"]}


if __name__ == "__main__":
    answer(measure)
