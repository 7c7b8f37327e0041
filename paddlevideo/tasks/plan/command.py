"""The command of a plan."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from paddlevideo.tasks.plan.batches import Choice


def training_command(
    config: str, overrides: Sequence[str], changes: dict[str, int], choice: Choice, gpu: bool, flags: Sequence[str]
) -> str:
    """A line for a shell in the project's folder.

    Args:
        overrides: the user's own; those that `changes` replaces are left out.
        changes: key -> value.
        flags: further ones, such as --validate.
    """
    start = ["python"]
    if choice.processes > 1 and gpu:
        start += ["-m", "paddle.distributed.launch", f"--gpus={','.join(map(str, range(choice.processes)))}"]
    elif choice.processes > 1:
        start += ["-m", "paddle.distributed.launch", "--nproc_per_node", str(choice.processes)]
    kept = [text for text in overrides if text.partition("=")[0].strip() not in changes]
    given = [*kept, *(f"{key}={value}" for key, value in changes.items())]
    return shlex.join([*start, "main.py", *flags, "-c", config, "-o", *given])
