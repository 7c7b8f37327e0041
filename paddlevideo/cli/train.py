"""Train a model from a config.

paddlevideo train -c configs/recognition/demo/tsm_demo.yaml --validate
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import launch
from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of training."""
    launch.config_flags(parser, required=False)
    parser.add_argument("--validate", action="store_true", help="evaluate while training, and keep the best model")
    parser.add_argument("-w", "--weights", metavar="FILE", help="checkpoint to fine-tune from")
    parser.add_argument("--resume", metavar="auto|PATH", help="continue the newest run, or this checkpoint")
    running_flags(parser)
    parser.add_argument(
        "--scale-lr", action="store_true", help="scale the learning rates from the recipe's global batch to this run's"
    )
    parser.add_argument("--fleet", action="store_true", help="for old scripts: processes train together without it")
    parser.add_argument("--amp", action="store_true", help="mixed precision (on a GPU)")
    parser.add_argument("--amp_level", choices=["O1", "O2"], help="mixed precision level (O1 when --amp is given)")
    parser.add_argument("--amp_dtype", choices=["float16", "bfloat16"], help="of mixed precision (float16)")
    parser.add_argument("--log_dir", metavar="DIR", help="write scalars for VisualDL here")


def running_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that training and testing share."""
    parser.add_argument("--seed", type=launch.natural, default=1234, help="seed of everything random")
    parser.add_argument("--deterministic", action="store_true", help="deterministic GPU kernels (the CPU's always are)")
    parser.add_argument("--max_iters", type=launch.positive, metavar="N", help="batches an epoch, for a trial run")
    launch.device_flags(parser)


def run(args: argparse.Namespace) -> None:
    """Trains."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.start import TrainOptions
    from paddlevideo.tasks.train import train

    if args.config is None:
        raise UserError("training needs a config: -c configs/recognition/demo/tsm_demo.yaml, for one")
    if args.log_dir:
        args.override.append(f"log_dir={args.log_dir}")
    resolved = session.begin(args.config, args.override, use_gpu=args.use_gpu, deterministic=args.deterministic)
    options = TrainOptions(
        validate=args.validate,
        weights=args.weights,
        resume=args.resume,
        seed=args.seed,
        max_iters=args.max_iters,
        amp=args.amp,
        amp_level=args.amp_level,
        amp_dtype=args.amp_dtype,
        scale_lr=args.scale_lr,
    )
    train(resolved, options)
