"""The process of a trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import paddle

from paddlevideo.loader.batch import collate
from paddlevideo.loader.clip import Clip
from paddlevideo.tasks import session
from paddlevideo.tasks.benchmark.child import answer
from paddlevideo.tasks.benchmark.memory import start, status
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, noise_decode, script
from paddlevideo.tasks.evaluate import scorer
from paddlevideo.tasks.plan.batches import validated
from paddlevideo.tasks.precise_bn import measured_layers
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import compat


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """What the child process does; the values of a `Trial`."""
    gpu, batch = session.start_quietly(request["gpu"]), request["batch"]
    place, options = Path(request["folder"]), request["options"]
    play = script(request["config"], request["overrides"], batch, 1, place, **options)
    rehearsal = Rehearsal(play)
    trainer = rehearsal.trainer
    if not gpu:
        start()
    rehearsal.round()  # warms up: gradients and the optimizer's state are there from now on
    seconds = median(timed(rehearsal.round) for _ in range(request["steps"]))
    with trainer.precision.cast():
        forward = validation(play.resolved.root, trainer.net, batch)
    imgs = play.batches[0]["imgs"]
    trainer.net.train()
    return {
        "batch": batch,
        "peak": paddle.device.cuda.max_memory_reserved() if gpu else status("VmHWM"),
        "seconds": seconds,
        "forward": forward,
        "weights": size(trainer.net.state_dict()),
        "trained": sum(bytes_of(value) for value in trainer.net.parameters() if not value.stop_gradient),
        "optimizer": size(compat.optimizer_state(trainer.optimizer)),
        "clip": imgs[0].nbytes,
        "shape": list(imgs.shape[1:]),
        "batch_norm": bool(measured_layers(trainer.net)),
    }


def validation(cfg: RootSection, model: Any, batch: int) -> float | None:
    """Seconds that a clip of PIPELINE.valid takes, after one batch of warm-up; None without that pipeline."""
    if cfg.PIPELINE.valid is None:
        return None
    rng, clips = np.random.default_rng(0), validated(cfg.DATASET.valid_batch_size, batch)
    pipeline = cfg.PIPELINE.valid.with_decode(noise_decode)
    made = collate([(i, pipeline(Clip("noise"), rng)) for i in range(clips)])
    score = scorer(model)
    score(made)
    return timed(lambda: score(made)) / clips


def timed(work: Callable[[], object]) -> float:
    """Seconds that it takes."""
    begin = perf_counter()
    work()
    return perf_counter() - begin


def size(state: Mapping[str, Any]) -> int:
    """Bytes of all arrays in nested mappings."""
    return sum(size(value) if isinstance(value, Mapping) else bytes_of(value) for value in state.values())


def bytes_of(value: Any) -> int:
    """Bytes of an array; 0 of anything else."""
    return value.size * value.element_size() if isinstance(value, paddle.Tensor) else 0


if __name__ == "__main__":
    answer(measure)
