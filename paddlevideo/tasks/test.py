"""--test: a checkpoint on the test split."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from paddlevideo.config import Resolved
from paddlevideo.tasks import export
from paddlevideo.tasks.engine import Engine, EngineOptions
from paddlevideo.tasks.evaluate import Evaluation, Scorer, Step, evaluate, report_failures, scorer
from paddlevideo.tasks.exported import open_exported
from paddlevideo.tasks.run import build_loader, build_model, check_fit, load_weights
from paddlevideo.tasks.schema import RootSection
from paddlevideo.utils import dist, environment
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger, on_terminal


def test(
    resolved: Resolved[RootSection],
    weights: str,
    engine: Literal["model", "inference"] = "model",
    seed: int = 1234,
    max_iters: int | None = None,
) -> Evaluation:
    """Evaluates `weights` with PIPELINE.test and METRIC, and logs the figures with their denominator.

    Raises:
        UserError: the split, the weights or their fit are wrong, or no sample could be read.
    """
    cfg = resolved.root
    metric = cfg.METRIC.build()
    with build_loader(cfg, "test", seed) as loader:
        model = build_model(cfg)
        check_fit(cfg, model, "test")
        if engine == "model":
            load_weights(model, weights)
            score = scorer(model)
        else:
            score = _engine(resolved, weights)

        def say(step: Step) -> None:
            if not on_terminal() and (step.number % metric.log_interval == 0 or step.number == step.batches):
                logger.info(f"[TEST] Processing batch {step.number}/{step.batches} ...")

        result = evaluate(score, loader, metric, kind=model.score_kind, title="testing", max_iters=max_iters, say=say)
        report_failures(loader, "test", cfg.output)
    if not len(result.index):
        raise UserError(f"none of the {result.total} test samples could be read; there is no figure")
    figures = ", ".join(f"avg_acc{name[3:]}={value}" for name, value in result.figures.items() if name[:3] == "top")
    logger.info(f"[TEST] finished, {figures}")
    logger.info(f"[TEST] on {len(result.index)} of {result.total} samples, in {result.cost.batch_seconds:.1f} s")
    return result


def _engine(resolved: Resolved[RootSection], weights: str) -> Scorer:
    """The exported program as what computes the scores; it is made for this run and checked against the model."""
    if dist.world_size() > 1:
        raise UserError("--engine inference runs in one process; leave out paddle.distributed.launch")
    with tempfile.TemporaryDirectory() as folder:
        program = export.export(resolved, Path(weights), Path(folder))
        exported = open_exported(program, None, None)
        logger.info("scores by the exported program, which was checked against the model")
        options = EngineOptions(cpu_threads=environment.threads(), onednn=exported.onednn)
        return Engine(program, exported.params_file, options)
