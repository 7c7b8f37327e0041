"""--test: a checkpoint on the test split."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from paddlevideo.config import Resolved
from paddlevideo.loader.dataset import ListDataset
from paddlevideo.metrics import figures
from paddlevideo.metrics.topk import Metric
from paddlevideo.tasks import card, export, results, schema
from paddlevideo.tasks.engine import EngineOptions
from paddlevideo.tasks.evaluate import Evaluation, Scorer, Step, evaluate, scorer
from paddlevideo.tasks.exported import open_exported
from paddlevideo.tasks.labels import class_names
from paddlevideo.tasks.run import (
    blank_clip,
    build_loader,
    build_tested,
    check_fit,
    check_metric,
    load_weights,
    multi_label,
    num_classes,
    pipeline_of,
    tested_spec,
)
from paddlevideo.tasks.schema import RootSection
from paddlevideo.tasks.unreadable import Unread
from paddlevideo.utils import dist, environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger, on_terminal


@dataclass(frozen=True)
class ResultOptions:
    """What is made of the scores.

    Attributes:
        figures: names of `metrics.figures`, printed in this order; none: those of METRIC.
        out: .json or .csv file that gets all scores.
        config, overrides: path of the config and what -o said, for that file.
    """

    figures: tuple[str, ...] = ()
    out: Path | None = None
    config: str = ""
    overrides: tuple[str, ...] = ()


def averaging(config: str, overrides: list[str], kind: Literal["score", "prob"] | None) -> list[str]:
    """Overrides that average views as `kind` says, whatever the config says: --average-clips.

    The frames of one view are those of PIPELINE.test divided by its views.
    """
    if kind is None:
        return []
    cfg = schema.load(config, overrides).root
    clip = blank_clip(pipeline_of(cfg, "test"))
    where = f"{tested_spec(cfg).path}.runtime_cfg.test"
    return [f"{where}.avg_type={kind}", f"{where}.num_seg={len(clip.pixels()) // clip.views}"]


def test(
    resolved: Resolved[RootSection],
    weights: str,
    engine: Literal["model", "inference"] = "model",
    seed: int = 1234,
    max_iters: int | None = None,
    options: ResultOptions = ResultOptions(),
) -> Evaluation:
    """Evaluates `weights` with PIPELINE.test, logs the figures with their denominator, and writes the scores if asked.

    Raises:
        UserError: the split, the weights or their fit are wrong, or no sample could be read.
    """
    cfg = resolved.root
    check_metric(cfg)
    metric = cfg.METRIC.build()
    names = options.figures or metric.figures
    results.check_figures(names, multi_label(cfg))
    if options.out:
        results.check_name(options.out)
    with build_loader(cfg, "test", seed) as loader:
        model = build_tested(cfg)
        check_fit(cfg, model, "test")
        check_views(cfg, metric)
        if engine == "model":
            with card.compared(Path(weights), resolved.data):
                load_weights(model, weights, place=tested_spec(cfg).path)
            score = scorer(model)
        else:
            score = _engine(resolved, weights)

        def say(step: Step) -> None:
            if not on_terminal() and (step.number % metric.log_interval == 0 or step.number == step.batches):
                logger.info(f"[TEST] Processing batch {step.number}/{step.batches} ...")

        unread = Unread({"test": loader}, cfg.output)
        unread.begin(resumed=False)
        with unread.kept_on_error():
            kind = model.score_kind
            result = evaluate(score, loader, metric, kind=kind, title="testing", max_iters=max_iters, say=say)
        unread.finish()
    if not len(result.index):
        raise UserError(f"none of the {result.total} test samples could be read; there is no figure")
    values = figures.compute(names, result.scores, result.labels, metric.topk)
    logger.info(f"[TEST] finished, {figures.line(values)}")
    logger.info(f"[TEST] on {len(result.index)} of {result.total} samples, in {result.cost.batch_seconds:.1f} s")
    if options.out and dist.rank() == 0:
        about = results.About(
            config=options.config,
            weights=weights,
            score_kind=model.score_kind,
            eval=list(names),
            topk=metric.topk,
            total=result.total,
            multi_label=metric.multi_label,
            classes=class_names(cfg.DATASET, num_classes(cfg)),
            overrides=list(options.overrides),
            unreadable=[{"file": failure.path, "reason": failure.reason} for failure in loader.failures],
        )
        _write_scores(options.out, about, loader.dataset, result)
    return result


def _write_scores(out: Path, about: results.About, dataset: ListDataset, result: Evaluation) -> None:
    paths = [dataset.clip(i).path for i in result.index.tolist()]
    results.write(out, results.Results(about, paths, result.labels, result.scores))
    logger.info(f"wrote the scores of {len(paths)} samples to {out}")


def check_views(cfg: RootSection, metric: Metric) -> None:
    """Raises UserError when METRIC speaks of another number of views than PIPELINE.test makes."""
    if metric.views is None:
        return
    views = blank_clip(pipeline_of(cfg, "test")).views
    if metric.views != views:
        raise UserError(
            f"{cfg.METRIC.where}: METRIC: num_ensemble_views x num_spatial_crops is {metric.views}, but PIPELINE.test "
            f"makes {views} views of a video; correct one of them"
        )


def _engine(resolved: Resolved[RootSection], weights: str) -> Scorer:
    """The exported program as what computes the scores; it is made for this run and checked against the model."""
    if dist.world_size() > 1:
        raise UserError("--engine inference runs in one process; leave out paddle.distributed.launch")
    with tempfile.TemporaryDirectory() as folder:
        program = export.export(resolved, Path(weights), Path(folder))
        logger.info("scores by the exported program, which was checked against the model")
        options = EngineOptions(cpu_threads=environment.threads())
        return open_exported(program, None, None, options).scorer(resolved.root.DATASET.batch_of("test"))
