"""Compute figures again from the scores that a test wrote with --out. Needs no Paddle.

paddlevideo eval result.json --eval top_k_accuracy mean_class_accuracy
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddlevideo.cli import test

NEEDS_PADDLE = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of eval."""
    parser.add_argument("results", metavar="FILE", help="the .json or .csv file")
    test.eval_flag(parser)
    parser.add_argument("--per-class", action="store_true", help="print the accuracy of each class")
    parser.add_argument("--confusion", action="store_true", help="print which classes were taken for which")


def run(args: argparse.Namespace) -> None:
    """Prints the figures."""
    from paddlevideo.tasks import results

    found = results.read(Path(args.results))
    for line in results.report(found, args.eval or found.about.eval, args.per_class, args.confusion):
        print(line)
