"""Training: a plain loop. Each epoch trains, measures batch normalisation anew where asked, evaluates, keeps the best,
and saves, in that order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import paddle
from tqdm import tqdm

from paddlevideo.config import Resolved
from paddlevideo.loader.dataloader import Batch, ClipLoader
from paddlevideo.modeling.students import trained_state
from paddlevideo.solver.lr import Progress
from paddlevideo.solver.optimizer import build_optimizer, rates
from paddlevideo.solver.rates import describe_rates
from paddlevideo.tasks.averages import Averages
from paddlevideo.tasks.card import make_card
from paddlevideo.tasks.checkpoint import Parts, TrainState
from paddlevideo.tasks.checkpoint_files import Checkpoints
from paddlevideo.tasks.clock import Clock, Work
from paddlevideo.tasks.finite import DivergedError, FiniteWatch, Statistics, gradient_norm
from paddlevideo.tasks.judging import Judge
from paddlevideo.tasks.meter import Meter, Stopwatch, advice, closing_lines, epoch_line, over_clips, train_line
from paddlevideo.tasks.precise_bn import PreciseBN
from paddlevideo.tasks.precision import Precision
from paddlevideo.tasks.record import Record
from paddlevideo.tasks.run import blank_clip, build_loader, build_model, check_fit, pipeline_of
from paddlevideo.tasks.saving import Saver, say_how_to_go_on
from paddlevideo.tasks.schema import RootSection, due
from paddlevideo.tasks.start import TrainOptions, accumulation, prepared, settle_place, settle_rates, start_state
from paddlevideo.tasks.tensors import to_tensors
from paddlevideo.tasks.unreadable import Unread
from paddlevideo.utils import dist, environment, seed
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import file_only, logger, on_terminal
from paddlevideo.utils.signals import AskedToStop, Stopped, StopRequest

Figures: TypeAlias = tuple[dict[str, paddle.Tensor], int]  # means over a batch, and its clips


class Trainer:
    """One training run on this rank.

    Args:
        watch: called after each optimizer step, while the gradients are still there, with this trainer, the batches of
            the step and the figures of each. It may end the run by an exception.
    """

    def __init__(self, resolved: Resolved[RootSection], options: TrainOptions, watch: Watch | None = None) -> None:
        self.cfg, self.options, self.watch = resolved.root, options, watch
        if self.cfg.OPTIMIZER is None:
            raise UserError("OPTIMIZER is missing from the config; training needs it")
        self.section = self.cfg.OPTIMIZER
        self.loader = build_loader(self.cfg, "train", options.seed)
        self.valid = build_loader(self.cfg, "valid", options.seed) if options.validate else None
        measures = self.cfg.PRECISEBN or self.cfg.SWA
        self.precise_bn = PreciseBN(self.cfg, options.seed, options.max_iters) if measures else None
        self.group = accumulation(self.cfg)
        seed.seed_model(options.seed)
        self.net = build_model(self.cfg)
        for split in ("train", "valid") if options.validate else ("train",):
            check_fit(self.cfg, self.net, split)
        self.precision = Precision(options.amp, options.amp_level, options.amp_dtype)
        self.net = prepared(self.cfg, self.net)
        self.optimizer = build_optimizer(self.section, self.net, multi_precision=self.precision.level == "O2")
        if self.section.groups or self.section.policy or self.section.layer_decay:
            for line in describe_rates(rates(self.section, self.net)):
                logger.info(line)
        self.net, self.optimizer = self.precision.decorate(self.net, self.optimizer)
        self.trained = [parameter for parameter in self.net.parameters() if not parameter.stop_gradient]
        # Before a checkpoint is loaded: it gives all ranks the statistics of rank 0.
        self.parallel = paddle.DataParallel(self.net) if dist.world_size() > 1 else self.net
        self.averages = Averages(self.cfg)
        parts = Parts(self.net, self.optimizer, self.precision.scaler, self.averages.by_kind())
        checkpoints = Checkpoints(self.cfg.output, self.cfg.model_name, self.cfg.keep_checkpoints)
        self.state = start_state(self.cfg, options, checkpoints, parts, resolved.data)
        resumed = (self.state.epoch, self.state.step) != (0, 0)
        together = self.loader.batch_size * dist.world_size()
        settle_place(self.state, together)
        self.lr_scale = settle_rates(self.state, self.section, self.group * together, options.scale_lr)
        self.unread = Unread(self._loaders(), self.cfg.output)
        self.unread.begin(resumed)
        self.statistics = Statistics(self.net)
        self.finite = FiniteWatch(self.cfg.on_non_finite == "skip", self.statistics)
        self.meter = Meter(self.state.sums)
        self._earlier, self.elapsed = self.state.seconds, Stopwatch()
        self.card = make_card(resolved, {split: loader.dataset for split, loader in self._loaders().items()})
        self.record = Record(self.cfg, self._batches(), self.card, self.state if resumed else None)
        self.saver = Saver(self.cfg.saves, checkpoints, parts, self.state, self.card, self._settle)
        self.judge: Judge | None = None
        if self.valid is not None:
            self.judge = Judge(self.cfg, self.valid, self.precision, self.saver, self.record, options.max_iters)

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self) -> TrainState:
        """Trains to the last epoch. A signal saves and raises Stopped; an error saves and goes on its way."""
        epochs = self.cfg.epochs
        self.clock = self._clock()
        if self.state.epoch >= epochs:
            logger.info(f"all {epochs} epochs are done already; raise `epochs` to train on")
        with (
            StopRequest(dist.rank() == 0) as stop,
            self.unread.kept_on_error(),
            self.saver.kept_on_error(),
            self._stopped_in_order(stop),
        ):
            for epoch in range(self.state.epoch, epochs):
                if self._stops_early():
                    waited = self.state.stopping_waited
                    logger.info(f"early_stopping: no better figure in {waited} validations, after {epoch} epochs")
                    break
                self.train_epoch(epoch, stop)
                self.end_epoch(epoch, stop)
            self._finish_swa(stop)
        if dist.rank() == 0:
            self.saver.checkpoints.finish()
        logger.info(f"training {self.cfg.model_name} finished")
        self._close_with_summary()
        return self.state

    def _clock(self) -> Clock:
        """Knows what is still to be done."""
        left, batches = range(self.state.epoch, self.cfg.epochs), self._batches()
        clock = Clock(max(0, len(left) * batches - self.state.step), epochs=len(left))
        at_the_end = int(self.averages.swa is not None)
        if self.valid is not None and self.judge is not None:
            each = min(len(self.valid), self.options.max_iters or len(self.valid))
            clips = each * self.valid.batch_size / self.loader.batch_size
            views = blank_clip(pipeline_of(self.cfg, "valid")).views
            times = sum(self._validates(epoch) for epoch in left) * self.judge.models + at_the_end
            clock.plan("validation", times, Work(clips, clips * views), starts=True)
        if self.precise_bn is not None:
            count, times = self.precise_bn.count, sum(map(self.precise_bn.due, left)) + at_the_end
            clock.plan("precise_bn", times, Work(count, count))
        clock.plan("saving", self.saver.times(left, batches))
        return clock

    def _loaders(self) -> dict[str, ClipLoader]:
        loaders = {"train": self.loader}
        if self.valid is not None:
            loaders["valid"] = self.valid
        if self.precise_bn is not None:
            loaders["precise_bn"] = self.precise_bn.loader
        return loaders

    def close(self) -> None:
        """Ends the loaders' processes and closes the files of figures."""
        for loader in self.unread.loaders.values():
            loader.close()
        self.record.close()

    def _batches(self) -> int:
        return min(len(self.loader), self.options.max_iters or len(self.loader))

    def _iteration(self) -> int:
        """Batches trained on since the beginning of the run."""
        return self.state.epoch * self._batches() + self.state.step

    def _validates(self, epoch: int) -> bool:
        return self.valid is not None and due(epoch, self.cfg.epochs, self.cfg.val_interval)

    def train_epoch(self, epoch: int, stop: StopRequest) -> None:
        """Trains on the batches of one zero-based epoch that are still to come."""
        total, recent, watch = self._batches(), Meter(), Stopwatch()
        first, fresh = self.state.step, True
        title = f"epoch {epoch + 1}/{self.cfg.epochs}"
        self.parallel.train()
        hidden = not on_terminal() or dist.rank() > 0
        with tqdm(total=total, initial=first, desc=title, unit="batch", leave=False, disable=hidden) as bar:
            for group in self._groups(epoch, first, total):
                reader, lr = watch.lap(), self._lr(epoch)
                figures, norm = self._step(epoch, group, stop)
                self.state.step += len(group)
                cost = reader + watch.lap()
                sums = [(over_clips(values, clips), clips) for values, clips in figures]
                for each in (self.meter, recent):
                    for values, clips in sums:
                        each.add(values, clips)
                    each.add_time(cost, reader, len(group))
                for _ in group:
                    self.clock.step(cost / len(group), reader / len(group), self.loader.pace, first=fresh)
                    fresh = False
                self.state.waited += reader
                bar.update(len(group))
                if self._log_due(self.state.step, len(group)):
                    self._log_step(epoch, lr, recent, norm, bar)
                    recent = Meter()
                if self.saver.after_step(self._iteration(), len(group)):
                    self.clock.extra("saving", watch.lap())
                stop.leave()
                watch.lap()  # logging and saving is no waiting for data
        self._end_of_training(epoch)

    def _end_of_training(self, epoch: int) -> None:
        """The figures of all batches of an epoch."""
        self.finite.settle()
        figures = self.meter.averages()
        if not figures:
            raise DivergedError(f"no step of epoch {epoch + 1} was finite; lower OPTIMIZER.learning_rate")
        logger.info(epoch_line(epoch + 1, "train", figures, self.meter))
        if line := advice(self.meter, self.loader.num_workers, environment.cores_of_rank()):
            logger.info(line)
        self.record.figures("train", epoch, self._batches(), figures, self.meter)

    def _groups(self, epoch: int, first: int, total: int) -> Iterator[list[Batch]]:
        """The batches of each optimizer step: `group` of them, fewer at the end of the epoch."""
        group: list[Batch] = []
        if first >= total:  # the epoch was interrupted after its last batch
            return
        for number, batch in enumerate(self.loader.epoch(epoch, start_batch=first), first + 1):
            self.record.first_batch(batch, pipeline_of(self.cfg, "train"))
            group.append(batch)
            if len(group) == self.group or number == total:
                yield group
                group = []
            if number == total:
                return
        if group:
            yield group

    def _lr(self, epoch: int) -> float:
        progress = Progress(epoch, self.state.step, self._batches())
        own = self.averages.lr(progress)
        lr = (self.section.lr(progress) if own is None else own) * self.lr_scale
        self.optimizer.set_lr(lr)
        return lr

    # --- a step -------------------------------------------------------------------------------------------------------

    def _step(self, epoch: int, group: list[Batch], stop: StopRequest) -> tuple[list[Figures], paddle.Tensor]:
        """One optimizer step on a group of batches.

        Returns:
            The figures of each batch, none where the step was skipped, and the norm of the gradients.
        """
        if self.finite.skipping or len(group) > 1:
            self.statistics.keep()
        figures, seen = [], []
        for position, batch in enumerate(group):
            seed.seed_step(self.options.seed, dist.rank(), self._iteration() + position)
            values, logits = self._forward_backward(batch, len(group), last=position == len(group) - 1)
            figures.append((values, len(batch["label"])))
            seen += [logits, values["loss"]]
            if stop.wanted and position < len(group) - 1:
                self.statistics.put_back()
                self.optimizer.clear_grad()
                raise AskedToStop  # the group is trained on anew after the resume
        norm = self.precision.unscaled(gradient_norm(self.trained))
        # What float16 could not hold of the gradients, loss scaling leaves out by itself.
        judged = None if self.precision.scaler.is_enable() else norm
        where = f"epoch {epoch + 1}, step {self.state.step}"
        files = [file for batch in group for file in batch["files"]]
        if self.finite.skips(seen, judged, where, files):
            self.state.skipped += 1
            self.optimizer.clear_grad()
            return [], norm
        self.precision.scaler.step(self.optimizer)
        self.precision.scaler.update()
        if self.watch is not None:
            self.watch(self, group, [values for values, _ in figures])
        self.optimizer.clear_grad()
        self.averages.after_step(epoch, self.net)
        return figures, norm

    def _forward_backward(self, batch: Batch, group: int, last: bool) -> tuple[dict[str, paddle.Tensor], paddle.Tensor]:
        """Adds one micro-step's gradients; gives its figures and logits.

        Ranks exchange gradients on the last micro-step of a group only.
        """
        waits = contextlib.nullcontext() if last or dist.world_size() == 1 else self.parallel.no_sync()
        tensors = to_tensors(batch)
        with waits:
            with self.precision.cast():
                outputs = self.parallel(tensors)
                loss = self.net.loss(outputs, tensors)
            self.precision.scaler.scale(loss / group if group > 1 else loss).backward()
        return {"loss": loss, **self.net.accuracy(outputs, tensors)}, self.net.logits(outputs)

    def _log_due(self, step: int, steps: int) -> bool:
        """Whether one of the last `steps` batches was a multiple of log_interval."""
        every = self.cfg.log_interval
        return (step - 1) // every != (step - 1 - steps) // every

    def _log_step(self, epoch: int, lr: float, recent: Meter, norm: paddle.Tensor, bar: Any) -> None:
        self.finite.settle()
        figures = recent.averages()
        if not figures:  # all were skipped
            return
        line = train_line(epoch + 1, self.cfg.epochs, self.state.step - 1, figures, lr, recent, self.clock.eta())
        figures["grad_norm"] = float(norm)
        line += f", grad_norm: {figures['grad_norm']:.5f}"
        (logger.info if bar.disable else file_only)(line)
        hits = next(name for name in figures if name != "loss")  # top1; hit1 of a model with several labels
        speed = f"{recent.clips / max(1e-9, recent.batch_seconds):.1f} clips/s"
        bar.set_postfix_str(f"loss {figures['loss']:.3f} {hits} {figures[hits]:.3f} {speed} eta {self.clock.eta()}")
        more = {"step": self.state.step, "eta": self.clock.seconds_left()}
        self.record.figures("step", epoch, self.state.step, {**figures, "lr": lr}, recent, **more)

    # --- after an epoch -----------------------------------------------------------------------------------------------

    def end_epoch(self, epoch: int, stop: StopRequest) -> None:
        """Measures batch normalisation, evaluates, keeps the best model, and saves, as the intervals say."""
        watch = Stopwatch()
        if self.precise_bn is not None and self.precise_bn.due(epoch):
            self.precise_bn.after(epoch, self.net, self.precision, stop)
            stop.leave()  # measured anew after the resume, since the epoch is not ended
            self.clock.extra("precise_bn", watch.lap())
        dist.average_batch_norm(trained_state(self.net))
        if self._validates(epoch) and self.judge is not None:
            self.clock.extra("validation", self.judge.after_epoch(epoch, stop), self.judge.models)
        self.unread.keep()
        self.averages.after_epoch(epoch, self.net)
        self.state.epoch, self.state.step = epoch + 1, 0
        self.meter = Meter()
        if self.saver.due_after(epoch, last=self.state.epoch == self.cfg.epochs or self._stops_early()):
            watch.lap()
            self.saver.after_epoch()
            self.clock.extra("saving", watch.lap())
        dist.barrier()

    def _stops_early(self) -> bool:
        rule = self.cfg.early_stopping
        return rule is not None and rule.stops(self.state.stopping_waited)

    def _finish_swa(self, stop: StopRequest) -> None:
        """The mean of SWA's models, once all are in it: statistics measured anew, validated, saved."""
        swa, epoch = self.averages.swa, self.cfg.epochs - 1
        if swa is None or not swa.updates or self.precise_bn is None:
            return
        watch, figures = Stopwatch(), {}
        with swa.applied(self.net):
            self.precise_bn.after(epoch, self.net, self.precision, stop)
            stop.leave()
            dist.average_batch_norm(trained_state(self.net))
            self.clock.extra("precise_bn", watch.lap())
            if self.judge is not None:
                figures = self.judge.validate(epoch, stop, "swa").figures
                self.clock.extra("validation", watch.lap())
            prefix = self.saver.checkpoints.directory / f"{self.cfg.model_name}_swa"
            self.saver.weights(prefix, self.net, figures)
        logger.info(f"SWA: the mean of {swa.updates} models is in {prefix}.pdparams")

    # --- the end ------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Brings the state up to date before it is saved."""
        self.finite.settle()
        self.state.sums = self.meter.sums()
        self.state.seconds = self._earlier + self.elapsed.total()

    @contextlib.contextmanager
    def _stopped_in_order(self, stop: StopRequest) -> Iterator[None]:
        """After a signal: saves, and raises Stopped.

        Rank 0 decides where. Other ranks go on until it is gone, for it could not finish its step without them.
        """
        try:
            yield
        except AskedToStop:
            assert stop.number is not None
            self.saver.inside("stopped")
            say_how_to_go_on()
            raise Stopped(stop.number) from None
        except Exception as error:
            if stop.number is None or isinstance(error, UserError):
                raise
            if stop.wanted:  # the other ranks are gone already
                self.saver.inside("stopped")
            raise Stopped(stop.number) from error

    def _close_with_summary(self) -> None:
        self._settle()
        self.unread.finish()
        for line in closing_lines(self.state, self.saver.checkpoints.best()):
            logger.info(line)
        self.record.add("end", iteration=self._iteration(), seconds=self.state.seconds, skipped=self.state.skipped)


Watch: TypeAlias = Callable[[Trainer, list[Batch], list[dict[str, paddle.Tensor]]], None]


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
