"""Where a training run starts: from nothing, from given weights, or where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paddle
from paddle import nn

from paddlevideo.solver.batch_scale import rate_scale
from paddlevideo.solver.optimizer import Optimizer
from paddlevideo.tasks import card, checkpoint
from paddlevideo.tasks.checkpoint import Parts, TrainState
from paddlevideo.tasks.checkpoint_files import Checkpoints
from paddlevideo.tasks.run import load_pretrained, load_weights
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger


@dataclass(frozen=True)
class TrainOptions:
    """What the command line adds to a config.

    Attributes:
        validate: evaluate on the valid split while training; without it no best model is kept.
        weights: a checkpoint to fine-tune from (model only).
        initial: keep the initial weights, whatever files the config names; for what is measured on noise.
        resume: "auto", or the prefix of a checkpoint, to continue from.
        scale_lr: scale the learning rates from the batch they are for to that of the run.
        max_iters: stop every epoch and validation after so many batches, for a trial run.
    """

    validate: bool = False
    weights: str | None = None
    resume: str | None = None
    seed: int = 1234
    max_iters: int | None = None
    amp: bool = False
    amp_level: str | None = None
    amp_dtype: str | None = None
    scale_lr: bool = False
    initial: bool = False


def start_state(
    cfg: RootSection,
    options: TrainOptions,
    checkpoints: Checkpoints,
    parts: Parts,
    config: Mapping[str, Any],
) -> TrainState:
    """A fresh state, that of a checkpoint, or a fresh one on given weights; the parts of the run are set to it.

    Args:
        config: the resolved config, to be compared with that of the checkpoint.
    Raises:
        UserError: contradicting options, another seed than the run to resume, or a checkpoint that does not fit.
    """
    if (options.resume or cfg.resume_epoch) and options.weights:
        raise UserError("--weights starts a new run and resume continues one; give one of them")

    def restore(prefix: Path) -> TrainState:
        file = Path(f"{prefix}.pdparams")
        with card.compared(file, config):
            state = checkpoint.resume(prefix, parts, dist.rank())
        logger.info(f"Resume from checkpoint: {prefix} (epoch {state.epoch + 1}, step {state.step})")
        for line in card.config_differences(file, config):
            logger.info(f"the config is another than that of the checkpoint: {line}")
        return state

    state = None
    if options.resume == "auto":
        for prefix in checkpoints.newest_first():
            try:
                state = restore(prefix)
                break
            except UserError as error:
                logger.info(f"{error}; trying the checkpoint before it")
        else:
            logger.info(f"--resume auto: there is nothing to resume in {cfg.output}; starting from the beginning")
    elif options.resume:
        state = restore(Path(options.resume.removesuffix(".pdparams").removesuffix(".pdopt")))
    elif cfg.resume_epoch:
        state = restore(checkpoints.epoch(cfg.resume_epoch))
    if state is not None:
        if state.seed != options.seed:
            raise UserError(f"the run to resume used --seed {state.seed}; resume with the same, not {options.seed}")
        return state
    if options.weights:
        logger.info(f"Finetune from checkpoint: {options.weights}")
        load_weights(parts.model, options.weights, new_head=True)
    elif not options.initial:
        load_pretrained(parts.model)
    return TrainState(seed=options.seed)


def prepared(cfg: RootSection, model: Any) -> Any:
    """The model with `sync_bn` and `to_static`, where the config asks for them."""
    if cfg.sync_bn:
        if dist.world_size() > 1 and paddle.is_compiled_with_cuda():
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        else:
            logger.info("sync_bn: changes nothing here: Paddle has it for several GPUs only")
    if cfg.to_static:
        model = paddle.jit.to_static(model, full_graph=True)
        logger.info("to_static: the model is compiled in the first steps, which take longer")
    return model


def accumulation(cfg: RootSection) -> int:
    """Batches a process trains on for one optimizer step."""
    if cfg.GRADIENT_ACCUMULATION is None:
        return 1
    wanted, together = cfg.GRADIENT_ACCUMULATION.global_batch_size, cfg.DATASET.batch_size * dist.world_size()
    if wanted % together:
        raise UserError(
            f"GRADIENT_ACCUMULATION.global_batch_size: {wanted} is not a multiple of {together} "
            f"(batch_size {cfg.DATASET.batch_size} x {dist.world_size()} processes)"
        )
    return wanted // together


def settle_place(state: TrainState, together: int) -> None:
    """Where the run goes on with batches of `together` clips on all processes, if it had others before.

    An epoch takes its clips in one order, whatever the batches: so it goes on with the clips that are still to come.
    """
    before, state.together = state.together, together
    if before in (0, together) or not state.step:
        return
    done = state.step * before  # clips
    state.step = done // together
    twice = f", {done % together} of them once more" if done % together else ""
    logger.info(
        f"batches have {together} clips now, {before} before: after {done} clips of the epoch it goes on{twice} with "
        f"step {state.step}"
    )


def settle_rates(state: TrainState, section: Optimizer, global_batch: int, asked: bool) -> float:
    """What the run multiplies its learning rates by, noted in its state and said once. A resumed run keeps its own.

    Args:
        global_batch: clips that an optimizer step sees.
        asked: --scale-lr was given.
    """
    found = rate_scale(section, global_batch, asked)
    line = found.line
    if state.lr_scale is None:
        state.lr_scale = found.factor
    elif state.lr_scale != found.factor:
        line = f"learning rate scaled by {state.lr_scale:g}, as in the run that is resumed"
    if line:
        logger.info(line)
    return state.lr_scale
