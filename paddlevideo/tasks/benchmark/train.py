"""What the training loop costs by itself: the trainer beside a bare loop of forward, backward and step.

Both train the same network on the same batches, which lie in memory, in the same process, a step each in turn, so that
other work on the machine meets both. A round is an epoch of the trainer with all that it prints; figures are medians
over the rounds, the ratio the median of each round's own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import paddle

from paddlevideo.loader.batch import Batch
from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.solver.lr import Progress
from paddlevideo.solver.optimizer import build_optimizer
from paddlevideo.tasks import run, schema
from paddlevideo.tasks.benchmark.memory import Usage, measured
from paddlevideo.tasks.benchmark.rehearsal import Rehearsal, Script, script, wait
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

    def __init__(self, play: Script) -> None:
        cfg = play.resolved.root
        assert cfg.OPTIMIZER is not None  # the trainer of the same script has seen to it
        self.batches, self.section = play.batches, cfg.OPTIMIZER
        seed.seed_model(play.options.seed)
        self.net = run.build_model(cfg)
        self.optimizer = build_optimizer(cfg.OPTIMIZER, self.net)
        self.net.train()

    def step(self, batch: Batch) -> paddle.Tensor:
        """Trains on a batch. Returns the loss."""
        tensors = {key: paddle.to_tensor(value) for key, value in batch.items() if isinstance(value, np.ndarray)}
        loss = self.net.loss(self.net(tensors), tensors)
        loss.backward()
        self.optimizer.step()
        self.optimizer.clear_grad()
        return loss

    def round(self) -> None:
        """Every batch once; ends when the device has done."""
        for batch in self.batches:
            self.step(batch)
        wait(self.net)


def follow(bare: Bare, play: Script) -> list[paddle.Tensor]:
    """A round of the bare loop with the learning rates and the random numbers of the trainer's first epoch.

    Returns the losses.
    """
    clips = play.resolved.root.DATASET.batch_size
    scale = rate_scale(bare.section, clips, play.options.scale_lr).factor
    losses = []
    for step, batch in enumerate(bare.batches):
        bare.optimizer.set_lr(bare.section.lr(Progress(0, step, len(bare.batches))) * scale)
        seed.seed_step(play.options.seed, 0, step)
        losses.append(bare.step(batch))
    return losses


def take_turns(ours: Rehearsal, bare: Bare, bare_first: bool) -> tuple[float, float]:
    """A round of both loops, a step each in turn. Returns the seconds of ours and of the bare one."""
    batches, spent = bare.batches, 0.0

    def turn(batch: Batch) -> None:
        nonlocal spent
        wait(ours.trainer.net)
        began = perf_counter()
        bare.step(batch)
        wait(bare.net)
        spent += perf_counter() - began

    def feed() -> Iterator[Batch]:
        for number, batch in enumerate(batches):
            if bare_first:
                turn(batch)
            elif number:
                turn(batches[number - 1])
            yield batch

    ours.feed = feed
    began = perf_counter()
    ours.round()
    own = perf_counter() - began - spent
    if not bare_first:
        turn(batches[-1])
    return own, spent


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
        seconds = np.array([take_turns(ours, bare, number % 2 == 0) for number in range(rounds + 1)])[1:] / steps
        ours.close()
        request = {"config": config, "overrides": overrides, "batch": batch, "folder": folder}
        used: dict[str, Usage | None] = dict.fromkeys(("ours", "bare"))
        if with_memory and paddle.get_device() == "cpu":
            used = {side: measured("paddlevideo.tasks.benchmark.one_round", {**request, "side": side}) for side in used}
    ratios = seconds[:, 0] / seconds[:, 1]
    return Result(
        config=config,
        batch=batch,
        steps=steps,
        rounds=rounds,
        ours=float(median(seconds[:, 0])),
        bare=float(median(seconds[:, 1])),
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
