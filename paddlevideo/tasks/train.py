"""Training: a plain loop. Each epoch trains, measures batch normalisation anew where asked, evaluates, keeps the best,
and saves, in that order."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paddle
from tqdm import tqdm

from paddlevideo.config import Resolved
from paddlevideo.loader.dataloader import Batch, ClipLoader
from paddlevideo.solver.lr import Progress
from paddlevideo.solver.optimizer import build_optimizer
from paddlevideo.tasks import checkpoint
from paddlevideo.tasks.checkpoint import Checkpoints, TrainState
from paddlevideo.tasks.evaluate import Step, cross_entropy, evaluate, scorer
from paddlevideo.tasks.meter import Clock, Meter, Stopwatch, advice, epoch_line, train_line, valid_line
from paddlevideo.tasks.precise_bn import PreciseBN
from paddlevideo.tasks.precision import Precision
from paddlevideo.tasks.run import build_loader, build_model, check_fit
from paddlevideo.tasks.scalars import Scalars
from paddlevideo.tasks.schema import RootSection
from paddlevideo.tasks.start import TrainOptions, settle_rates, start_state
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.tasks.unreadable import Unread
from paddlevideo.utils import dist, environment, seed
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import file_only, logger, on_terminal
from paddlevideo.utils.signals import Stopped, StopRequest

FINITE = "finite"  # share of the batches whose scores are all finite


class Trainer:
    """One training run on this rank.

    Args:
        watch: called after each optimizer step, while the gradients are still there, with this trainer, the batches of
            the step and what `_forward_backward` gave for each. It may end the run by an exception.
    """

    def __init__(self, resolved: Resolved[RootSection], options: TrainOptions, watch: Watch | None = None) -> None:
        self.cfg, self.data, self.options, self.watch = resolved.root, resolved.data, options, watch
        if self.cfg.OPTIMIZER is None:
            raise UserError("OPTIMIZER is missing from the config; training needs it")
        self.section = self.cfg.OPTIMIZER
        self.checkpoints = Checkpoints(self.cfg.output, self.cfg.model_name)
        self.loader = build_loader(self.cfg, "train", options.seed)
        self.valid = build_loader(self.cfg, "valid", options.seed) if options.validate else None
        self.precise_bn = PreciseBN(self.cfg, options.seed, options.max_iters) if self.cfg.PRECISEBN else None
        self.group = accumulation(self.cfg)
        seed.seed_model(options.seed)
        self.net = build_model(self.cfg)
        for split in ("train", "valid") if options.validate else ("train",):
            check_fit(self.cfg, self.net, split)
        self.precision = Precision(options.amp, options.amp_level)
        self.optimizer = build_optimizer(self.section, self.net, multi_precision=self.precision.level == "O2")
        self.net, self.optimizer = self.precision.decorate(self.net, self.optimizer)
        self.state = start_state(self.cfg, options, self.checkpoints, self.net, self.optimizer, self.precision.scaler)
        together = self.group * self.cfg.DATASET.batch_size * dist.world_size()
        self.lr_scale = settle_rates(self.state, self.section, together, options.scale_lr)
        self.unread = Unread(self._loaders(), self.cfg.output)
        self.unread.begin(resumed=(self.state.epoch, self.state.step) != (0, 0))
        self._saved = (self.state.epoch, self.state.step)  # where a resume could start from
        self.parallel = paddle.DataParallel(self.net) if dist.world_size() > 1 else self.net
        self.scalars = Scalars(self.cfg.log_dir if dist.rank() == 0 else None)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> TrainState:
        """Trains to the last epoch. A signal saves and raises Stopped; an error saves and goes on its way."""
        batches, epochs = self._batches(), self.cfg.epochs
        self.clock = Clock(
            max(0, (epochs - self.state.epoch) * batches - self.state.step),
            sum(self._validates(epoch) for epoch in range(self.state.epoch, epochs)),
        )
        if self.state.epoch >= epochs:
            logger.info(f"all {epochs} epochs are done already; raise `epochs` to train on")
        with StopRequest() as stop, self.unread.kept_on_error(), self._saved_on_error():
            for epoch in range(self.state.epoch, epochs):
                self.train_epoch(epoch, stop)
                self.end_epoch(epoch, stop)
        logger.info(f"training {self.cfg.model_name} finished")
        self.unread.finish()
        return self.state

    def _loaders(self) -> dict[str, ClipLoader]:
        loaders = {"train": self.loader}
        if self.valid is not None:
            loaders["valid"] = self.valid
        if self.precise_bn is not None:
            loaders["precise_bn"] = self.precise_bn.loader
        return loaders

    def close(self) -> None:
        """Ends the loaders' processes and the scalar file."""
        for loader in self.unread.loaders.values():
            loader.close()
        self.scalars.close()

    def _batches(self) -> int:
        return min(len(self.loader), self.options.max_iters or len(self.loader))

    def _validates(self, epoch: int) -> bool:
        due = epoch % self.cfg.val_interval == 0 or epoch == self.cfg.epochs - 1
        return self.valid is not None and due

    def train_epoch(self, epoch: int, stop: StopRequest) -> None:
        """Trains on the batches of one zero-based epoch that are still to come."""
        total, meter, recent, watch = self._batches(), Meter(), Meter(), Stopwatch()
        first = self.state.step
        title = f"epoch {epoch + 1}/{self.cfg.epochs}"
        hidden = not on_terminal() or dist.rank() > 0
        with tqdm(total=total, initial=first, desc=title, unit="batch", leave=False, disable=hidden) as bar:
            for group in self._groups(epoch, first, total):
                reader, lr = watch.lap(), self._lr(epoch)
                found = []
                for position, batch in enumerate(group):
                    seed.seed_step(self.options.seed, dist.rank(), epoch * total + self.state.step + position)
                    found.append(self._forward_backward(batch, len(group), last=position == len(group) - 1))
                    for each in (meter, recent):
                        each.add(found[-1], len(batch["label"]))
                self._update()
                if self.watch is not None:
                    self.watch(self, group, found)
                self.optimizer.clear_grad()
                self.state.step += len(group)
                cost = reader + watch.lap()
                for _ in group:
                    for each in (meter, recent):
                        each.add_time(cost / len(group), reader / len(group))
                    self.clock.step(cost / len(group))
                bar.update(len(group))
                if self._log_due(len(group)):
                    self._log_step(epoch, lr, recent, bar)
                    recent = Meter()
                self._leave_if_asked(stop)
        figures = self._checked(meter, epoch)
        logger.info(epoch_line(epoch + 1, "train", figures, meter))
        if line := advice(meter, self.loader.num_workers, environment.cores_of_rank()):
            logger.info(line)
        self.scalars.add("train", figures, (epoch + 1) * total)

    def _groups(self, epoch: int, first: int, total: int) -> Iterator[list[Batch]]:
        """The batches of each optimizer step: `group` of them, fewer at the end of the epoch."""
        group: list[Batch] = []
        for number, batch in enumerate(self.loader.epoch(epoch, start_batch=first), first + 1):
            group.append(batch)
            if len(group) == self.group or number == total:
                yield group
                group = []
            if number == total:
                return
        if group:
            yield group

    def _lr(self, epoch: int) -> float:
        lr = self.section.lr(Progress(epoch, self.state.step, self._batches())) * self.lr_scale
        self.optimizer.set_lr(lr)
        return lr

    def _forward_backward(self, batch: Batch, group: int, last: bool) -> dict[str, paddle.Tensor]:
        """Adds one micro-step's gradients. Ranks exchange them on the last micro-step of a group only."""
        waits = contextlib.nullcontext() if last or dist.world_size() == 1 else self.parallel.no_sync()
        tensors = to_tensors(batch)
        self.parallel.train()
        with waits:
            with self.precision.cast():
                logits = self.parallel(tensors)
                loss = self.net.loss(logits, tensors)
            self.precision.scaler.scale(loss / group if group > 1 else loss).backward()
        # Paddle's cross-entropy on the CPU gives ln K for logits that are not numbers, so the loss alone hides them.
        finite = paddle.isfinite(logits).all()
        return {"loss": loss, **self.net.accuracy(logits, tensors), FINITE: finite}

    def _update(self) -> None:
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()

    def _log_due(self, steps: int) -> bool:
        """Whether one of the last `steps` batches was a multiple of log_interval."""
        every = self.cfg.log_interval
        return (self.state.step - 1) // every != (self.state.step - 1 - steps) // every

    def _log_step(self, epoch: int, lr: float, recent: Meter, bar: Any) -> None:
        figures = self._checked(recent, epoch)
        line = train_line(epoch + 1, self.cfg.epochs, self.state.step - 1, figures, lr, recent, self.clock.eta())
        (logger.info if bar.disable else file_only)(line)
        hits = next(name for name in figures if name != "loss")  # top1; hit1 of a model with several labels
        bar.set_postfix_str(f"loss {figures['loss']:.3f} {hits} {figures[hits]:.3f} eta {self.clock.eta()}")
        self.scalars.add("step", {**figures, "lr": lr}, epoch * self._batches() + self.state.step)

    def _checked(self, meter: Meter, epoch: int) -> dict[str, float]:
        """The averages of a meter. Raises Diverged when a score or the loss was not a finite number."""
        figures = meter.averages()
        if figures.pop(FINITE, 1.0) < 1 or not math.isfinite(figures.get("loss", 0.0)):
            raise Diverged(
                f"the model's scores are no longer finite numbers in epoch {epoch + 1}, step {self.state.step}; "
                "nothing was saved since the last checkpoint. Lower OPTIMIZER.learning_rate or set OPTIMIZER.grad_clip"
            )
        return figures

    # --- after an epoch -----------------------------------------------------------------------------------------------

    def end_epoch(self, epoch: int, stop: StopRequest) -> None:
        """Measures batch normalisation, evaluates, keeps the best model, and saves, as the intervals say."""
        if self.precise_bn is not None and self.precise_bn.due(epoch):
            self.precise_bn.after(epoch, self.net, self.precision, stop)
            self._leave_if_asked(stop)  # measured anew after the resume, since the epoch is not ended
        dist.average_batch_norm(self.net)
        if self._validates(epoch):
            name, figure = self.validate(epoch)
            if figure > self.state.best_top1:
                self.state.best_top1, self.state.best_epoch = figure, epoch + 1
                self._save(self.checkpoints.best())
                shown = "top1 acc" if name == "top1" else name
                logger.info(f"Already save the best model ({shown}){int(figure * 10000) / 10000}")
        self.unread.keep()
        self.state.epoch, self.state.step = epoch + 1, 0
        if epoch % self.cfg.save_interval == 0 or epoch == self.cfg.epochs - 1:
            self._save(self.checkpoints.epoch(epoch + 1))
            self._saved = (self.state.epoch, self.state.step)
            if dist.rank() == 0:
                self.checkpoints.remove_inside()
        dist.barrier()

    def validate(self, epoch: int) -> tuple[str, float]:
        """The figure on the valid split by which METRIC chooses the best model: its name and value, 0..1."""
        assert self.valid is not None
        kind, metric = self.net.score_kind, self.cfg.METRIC.build()

        def say(step: Step) -> None:
            if (step.number - 1) % self.cfg.log_interval == 0:
                of_batch = self.cfg.METRIC.build()
                of_batch.update(step.scores, step.labels)
                figures = {"loss": cross_entropy(step.scores, step.labels, kind), **of_batch.result()}
                line = valid_line(epoch + 1, self.cfg.epochs, step.number - 1, figures, step.cost)
                (file_only if on_terminal() else logger.info)(line)

        with self.precision.cast():
            result = evaluate(
                scorer(self.net),
                self.valid,
                metric,
                kind=kind,
                title=f"validating after epoch {epoch + 1}",
                max_iters=self.options.max_iters,
                say=say,
            )
        self.clock.validation(result.cost.batch_seconds)
        if not len(result.index):
            raise UserError("no sample of DATASET.valid could be read; there is nothing to choose the best model by")
        line = epoch_line(epoch + 1, "val", result.figures, result.cost)
        logger.info(f"{line}, on {len(result.index)} of {result.total} samples")
        self.scalars.add("val", result.figures, (epoch + 1) * self._batches())
        if math.isnan(result.figures[metric.best]):
            raise UserError("no sample of DATASET.valid has a label; there is nothing to choose the best model by")
        return metric.best, result.figures[metric.best]

    def _save(self, prefix: Path) -> None:
        if dist.rank() == 0:
            checkpoint.save(prefix, self.net, self.optimizer, self.precision.scaler, self.state, self.data)

    def _leave_if_asked(self, stop: StopRequest) -> None:
        """After a signal: saves, and raises Stopped."""
        if stop.number is not None:
            self._save_inside("stopped")
            raise Stopped(stop.number)

    def _save_inside(self, why: str) -> None:
        """Saves inside an epoch. The weights are equal on all ranks after a step, so rank 0 needs nobody's help."""
        prefix = self.checkpoints.inside(self.state)
        self._save(prefix)
        if dist.rank() == 0:
            self.checkpoints.remove_inside(keep=prefix)
        logger.info(f"{why} in epoch {self.state.epoch + 1} after step {self.state.step}; saved {prefix}.pdparams")
        logger.info("continue with the same command and --resume auto")

    @contextlib.contextmanager
    def _saved_on_error(self) -> Iterator[None]:
        """Keeps the finished steps when an error ends the run: an unreadable video, a worker that died, ..."""
        try:
            yield
        except Diverged:
            raise  # these weights are worth nothing
        except Exception:
            if (self.state.epoch, self.state.step) != self._saved:
                self._save_inside("ended by an error")
            raise


Watch = Callable[[Trainer, list[Batch], list[dict[str, paddle.Tensor]]], None]


class Diverged(UserError):
    """Scores or the loss are not finite numbers."""


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


def sizes_of(loader: ClipLoader) -> str:
    """One line about a split, for the log."""
    return f"{len(loader.dataset)} clips, {len(loader)} batches of {loader.batch_size}"


def train(resolved: Resolved[RootSection], options: TrainOptions) -> TrainState:
    """Runs a training from config to last checkpoint."""
    trainer = Trainer(resolved, options)
    logger.info(f"train: {sizes_of(trainer.loader)} on {dist.world_size()} process(es)")
    if trainer.valid is not None:
        logger.info(f"valid: {sizes_of(trainer.valid)}")
    try:
        return trainer.run()
    finally:
        trainer.close()
