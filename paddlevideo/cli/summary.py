"""Print a model's layers, parameters and multiply-adds.

paddlevideo summary -c CONFIG --FLOPs
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of summary."""
    launch.config_flags(parser)
    parser.add_argument("--img_size", type=launch.positive, help="side of the frames (by default the test pipeline's)")
    parser.add_argument("--num_seg", type=launch.positive, help="frames a clip (by default the test pipeline's)")
    parser.add_argument("--FLOPs", action="store_true", help="count multiply-adds too")
    parser.add_argument("--groups", action="store_true", help="show each parameter's learning rate and decay too")


def run(args: argparse.Namespace) -> None:
    """Prints the table."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.summary import summarize, summarize_rates

    resolved = session.begin(args.config, args.override, use_gpu=False, log_file=False)
    for line in summarize(resolved.root, args.img_size, args.num_seg, args.FLOPs):
        print(line)
    if args.groups:
        print()
        for line in summarize_rates(resolved.root):
            print(line)
