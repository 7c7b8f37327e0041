"""Validation while training: of the model and of the averages of its weights; the best of each are kept."""

from __future__ import annotations

import math

from paddlevideo.loader.dataloader import ClipLoader
from paddlevideo.tasks.evaluate import Evaluation, Step, cross_entropy, evaluate, scorer
from paddlevideo.tasks.meter import Stopwatch, epoch_line, valid_line
from paddlevideo.tasks.precision import Precision
from paddlevideo.tasks.record import Record
from paddlevideo.tasks.saving import Saver
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import file_only, logger, on_terminal
from paddlevideo.utils.signals import StopRequest


class Judge:
    """Validates on the valid split and saves what is better than before.

    Args:
        saver: has the model, its averages and the state that remembers the best figures.
    """

    def __init__(
        self,
        cfg: RootSection,
        loader: ClipLoader,
        precision: Precision,
        saver: Saver,
        record: Record,
        max_iters: int | None,
    ) -> None:
        self.cfg, self.loader, self.precision, self.max_iters = cfg, loader, precision, max_iters
        self.saver, self.record = saver, record
        self.net, self.state = saver.parts.model, saver.state
        self.ema = saver.parts.averages.get("ema")
        self.models = 1 if self.ema is None else 2  # that each validation is of

    def after_epoch(self, epoch: int, stop: StopRequest) -> float:
        """Validates after a zero-based epoch, and keeps the best. Returns the seconds it took.

        Where a signal or an error ends it, the state is as before, and a resumed run validates anew.
        """
        watch = Stopwatch()
        with self.state.unless_it_fails():
            name, figure = self._figure(self.validate(epoch, stop))
            self._choose(epoch, name, figure)
            if self.ema is not None and self.ema.updates:
                dist.average_batch_norm(self.ema.values)
                with self.ema.applied(self.net):
                    self._choose_ema(epoch, *self._figure(self.validate(epoch, stop, "ema")))
            state, rule = self.state, self.cfg.early_stopping
            if rule is not None:
                best, waited = state.stopping_best, state.stopping_waited
                state.stopping_best, state.stopping_waited = rule.judge(figure, best, waited)
        return watch.total()

    def _choose(self, epoch: int, name: str, figure: float) -> None:
        """Keeps the model where it is the best so far."""
        if figure <= self.state.best_top1:
            return
        self.state.best_top1, self.state.best_epoch = figure, epoch + 1
        self.saver.best()
        shown = "top1 acc" if name == "top1" else name
        logger.info(f"Already save the best model ({shown}){int(figure * 10000) / 10000}")
        self.record.best(epoch, name, figure, "model")

    def _choose_ema(self, epoch: int, name: str, figure: float) -> None:
        """Keeps the averaged weights, which the model holds, where they are the best so far."""
        if figure <= self.state.best_ema:
            return
        self.state.best_ema = figure
        self.saver.weights(self.saver.checkpoints.best("ema"), self.net, {name: figure})
        self.record.best(epoch, name, figure, "ema")

    def validate(self, epoch: int, stop: StopRequest, of: str = "") -> Evaluation:
        """The figures on the valid split.

        Args:
            of: which average the model holds, "ema" or "swa"; "" for the trained weights.
        Raises:
            AskedToStop: a signal came; nothing has changed.
        """
        kind, metric = self.net.score_kind, self.cfg.METRIC.build()

        def say(step: Step) -> None:
            stop.leave()
            if (step.number - 1) % self.cfg.log_interval == 0:
                of_batch = self.cfg.METRIC.build()
                of_batch.update(step.scores, step.labels)
                figures = {"loss": cross_entropy(step.scores, step.labels, kind), **of_batch.result()}
                line = valid_line(epoch + 1, self.cfg.epochs, step.number - 1, figures, step.cost)
                (file_only if on_terminal() else logger.info)(line)

        with self.precision.cast():
            result = evaluate(
                scorer(self.net),
                self.loader,
                metric,
                kind=kind,
                title=f"validating{of and f' {of.upper()}'} after epoch {epoch + 1}",
                max_iters=self.max_iters,
                say=say,
            )
        if not len(result.index):
            raise UserError("no sample of DATASET.valid could be read; there is nothing to choose the best model by")
        line = epoch_line(epoch + 1, f"{of.upper()} val" if of else "val", result.figures, result.cost)
        logger.info(f"{line}, on {len(result.index)} of {result.total} samples")
        counts = {"samples": len(result.index), "total": result.total}
        done = self.record.batches
        self.record.figures(f"val_{of}" if of else "val", epoch, done, result.figures, result.cost, **counts)
        return result

    def _figure(self, result: Evaluation) -> tuple[str, float]:
        """The figure by which METRIC chooses the best model: its name and value, 0..1."""
        name = self.cfg.METRIC.build().best
        if math.isnan(result.figures[name]):
            raise UserError("no sample of DATASET.valid has a label; there is nothing to choose the best model by")
        return name, result.figures[name]
