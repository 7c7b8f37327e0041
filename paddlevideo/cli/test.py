"""Evaluate a checkpoint on the test split of a config.

paddlevideo test -c configs/recognition/demo/tsm_demo.yaml -w output/TSM_demo/TSM_demo_best.pdparams
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import launch
from paddlevideo.cli.train import running_flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of testing."""
    launch.config_flags(parser)
    parser.add_argument("-w", "--weights", required=True, metavar="FILE", help="checkpoint to evaluate")
    engine_flag(parser)
    running_flags(parser)


def engine_flag(parser: argparse.ArgumentParser) -> None:
    """--engine."""
    parser.add_argument(
        "--engine",
        choices=["model", "inference"],
        default="model",
        help="what computes the scores: the model, or its exported program (faster on a CPU)",
    )


def run(args: argparse.Namespace) -> None:
    """Tests."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.test import test

    resolved = session.begin(args.config, args.override, use_gpu=args.use_gpu, deterministic=args.deterministic)
    test(resolved, args.weights, engine=args.engine, seed=args.seed, max_iters=args.max_iters)
