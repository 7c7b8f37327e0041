"""Average weight files of one model, such as the last checkpoints of a run, into one file.

paddlevideo average A.pdparams B.pdparams C.pdparams -o OUT.pdparams --config CONFIG
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddlevideo.cli import launch
from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of average."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="weights, .pdparams or .safetensors")
    parser.add_argument("-o", "--output", required=True, metavar="OUT", help="file to write, one or the other form")
    parser.add_argument(
        "--shares", nargs="+", type=float, metavar="N", help="how much each file counts (by default all the same)"
    )
    launch.config_flags(parser, short=False, required=False)
    parser.add_argument(
        "--batches",
        type=launch.positive,
        metavar="N",
        help="with --config: training batches to measure the statistics of batch normalisation on (200)",
    )
    launch.device_flags(parser)


def run(args: argparse.Namespace) -> None:
    """Averages."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.average import average

    cfg = None
    if args.config:
        cfg = session.begin(args.config, args.override, args.use_gpu, log_file=False).root
    elif args.override or args.batches:
        raise UserError("--override and --batches are for measuring statistics with --config; give that too")
    else:
        session.start_quietly(args.use_gpu)
    average([Path(name) for name in args.files], Path(args.output), args.shares, cfg, args.batches or 200)
