"""Train a model, or evaluate one with --test.

python main.py --validate -c CONFIG
python main.py --test -c CONFIG -w output/NAME/NAME_best.pdparams
python -m paddle.distributed.launch --gpus=0,1,2,3 main.py --validate -c CONFIG
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import test, train
from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of PaddleVideo's main.py, and ours."""
    train.add_arguments(parser)
    parser.add_argument("--test", action="store_true", help="evaluate --weights on the test split instead of training")
    test.result_flags(parser)


def run(args: argparse.Namespace) -> None:
    """Trains or tests."""
    if not args.test:
        if args.eval or args.out or args.average_clips:
            raise UserError("--eval, --out and --average-clips go with --test; add it")
        train.run(args)
    elif args.weights is None:
        raise UserError("--test needs the checkpoint to evaluate: -w output/NAME/NAME_best.pdparams")
    else:
        test.run(args)
