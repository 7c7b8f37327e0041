"""Evaluate a checkpoint on the test split of a config.

paddlevideo test -c configs/recognition/demo/tsm_demo.yaml -w output/TSM_demo/TSM_demo_best.pdparams
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddlevideo.cli import launch
from paddlevideo.cli.train import running_flags


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of testing."""
    launch.config_flags(parser, required=False)
    parser.add_argument("-w", "--weights", required=True, metavar="FILE", help="checkpoint to evaluate")
    result_flags(parser)
    running_flags(parser)


def eval_flag(parser: argparse.ArgumentParser) -> None:
    """--eval."""
    parser.add_argument(
        "--eval",
        nargs="+",
        choices=["top_k_accuracy", "mean_class_accuracy", "mean_average_precision"],
        metavar="FIGURE",
        help="figures to compute: top_k_accuracy, mean_class_accuracy, mean_average_precision",
    )


def result_flags(parser: argparse.ArgumentParser) -> None:
    """What a test computes and how."""
    eval_flag(parser)
    parser.add_argument("--out", metavar="FILE", help="write the scores of every video to this .json or .csv")
    parser.add_argument(
        "--average-clips",
        choices=["score", "prob"],
        help="average the views of a video before or after the softmax (as the config says)",
    )
    parser.add_argument(
        "--engine",
        choices=["model", "inference"],
        default="model",
        help="what computes the scores: the model, or its exported program (faster on a CPU)",
    )


def run(args: argparse.Namespace) -> None:
    """Tests."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.test import ResultOptions, averaging, test

    config = args.config or args.weights
    overrides = [*args.override, *averaging(config, args.override, args.average_clips)]
    resolved = session.begin(config, overrides, use_gpu=args.use_gpu, deterministic=args.deterministic)
    out = Path(args.out) if args.out else None
    options = ResultOptions(tuple(args.eval or ()), out, config, tuple(overrides))
    test(resolved, args.weights, engine=args.engine, seed=args.seed, max_iters=args.max_iters, options=options)
