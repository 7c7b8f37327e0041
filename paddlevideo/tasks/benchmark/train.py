"""What the training loop costs by itself: the trainer beside a bare loop of forward, backward and step.

Both train the same network on the same batches, which lie in memory, in the same process, in turn; figures are medians
over the rounds, the ratio the median of each round's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import paddle

from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.solver.lr import Progress
from paddlevideo.solver.optimizer import build_optimizer
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.benchmark.memory import Usage, measured
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, Script, script, wait
from paddlevideo.tasks.benchmark.turns import in_turn
from paddlevideo.utils import seed

LISTED = 240_000  # clips in the list, as many as Kinetics-400 has: costs that grow with a list show


@dataclass(frozen=True)
class Result:
    """The measurement of one config at one batch size.

    Attributes:
        config: its path.
        batch: clips a step.
        steps: of each round.
        rounds: how many were timed, after one of comparison and one of warm-up.
        ours, bare: seconds of a step, medians.
        ratio: our time in that of the bare loop: the median over the rounds.
        ratios: of each round.
        memory, bare_memory: of a process of its own that takes a few steps, see `memory.Usage`.
        equal: after the round of comparison the weights of both were the same, bit for bit.
    """

    config: str
    batch: int
    steps: int
    rounds: int
    ours: float
    bare: float
    ratio: float
    ratios: list[float]
    equal: bool
    memory: Usage | None
    bare_memory: Usage | None


class Bare:
    """Model, optimizer, and the fewest lines that train."""

    def __init__(self, script: Script) -> None:
        cfg = script.resolved.root
        assert cfg.OPTIMIZER is not None  # the trainer of the same script has seen to it
        self.batches, self.section = script.batches, cfg.OPTIMIZER
        seed.seed_model(script.options.seed)
        self.net = run.build_model(cfg)
        self.optimizer = build_optimizer(cfg.OPTIMIZER, self.net)
        self.net.train()

    def round(self, before: Callable[[int], object] = lambda step: None) -> list[paddle.Tensor]:
        """Every batch once. Returns the losses; ends when the device has done.

        Args:
            before: called with the number of each step, from 0.
        """
        losses = []
        for step, batch in enumerate(self.batches):
            before(step)
            tensors = {key: paddle.to_tensor(value) for key, value in batch.items() if isinstance(value, np.ndarray)}
            loss = self.net.loss(self.net(tensors), tensors)
            loss.backward()
            self.optimizer.step()
            self.optimizer.clear_grad()
            losses.append(loss)
        wait(self.net)
        return losses


def follow(bare: Bare, script: Script) -> list[paddle.Tensor]:
    """A round of the bare loop with the learning rates and the random numbers of the trainer's first epoch."""
    total = len(script.batches)
    clips = script.resolved.root.DATASET.batch_size
    scale = rate_scale(bare.section, clips, script.options.scale_lr).factor

    def before(step: int) -> None:
        bare.optimizer.set_lr(bare.section.lr(Progress(0, step, total)) * scale)
        seed.seed_step(script.options.seed, 0, step)

    return bare.round(before)


def measure(
    config: str, overrides: list[str], batch: int | None, steps: int, rounds: int, with_memory: bool = False
) -> Result:
    """Times both loops.

    Args:
        batch: None for the config's own.
        with_memory: on a CPU; None in the result elsewhere.
    Raises:
        UserError: the config has a fault, no OPTIMIZER, or its parts do not fit.
    """
    batch = batch or schema.load(config, overrides).root.DATASET.batch_size
    with tempfile.TemporaryDirectory() as folder:
        play = script(config, overrides, batch, steps, Path(folder), listed=LISTED)
        ours, bare = Rehearsal(play), Bare(play)
        ours.round()
        follow(bare, play)
        equal = same_weights(ours.trainer.net, bare.net)
        seconds = in_turn({"ours": ours.round, "bare": bare.round}, rounds)
        ours.close()
        request = {"config": config, "overrides": overrides, "batch": batch, "folder": folder}
        used: dict[str, Usage | None] = dict.fromkeys(seconds)
        if with_memory and paddle.get_device() == "cpu":
            used = {side: measured("paddlevideo.tasks.benchmark.one_round", {**request, "side": side}) for side in used}
    times = {name: np.array(found) / steps for name, found in seconds.items()}
    ratios = times["ours"] / times["bare"]
    return Result(
        config=config,
        batch=batch,
        steps=steps,
        rounds=rounds,
        ours=float(median(times["ours"])),
        bare=float(median(times["bare"])),
        ratio=float(median(ratios)),
        ratios=ratios.tolist(),
        equal=equal,
        memory=used["ours"],
        bare_memory=used["bare"],
    )


def same_weights(one: paddle.nn.Layer, other: paddle.nn.Layer) -> bool:
    """Whether two models of one kind hold the same numbers, running statistics too."""
    pairs = zip(one.state_dict().values(), other.state_dict().values())
    return all(np.array_equal(left.numpy(), right.numpy()) for left, right in pairs)
