"""Prepare data: lists of the known data sets, splits, frames, smaller videos, an index.

paddlevideo prepare ucf101 data/ucf101
paddlevideo prepare frames data/k400/videos data/k400/rawframes --short_side 256
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import prepare_files, prepare_sets

NEEDS_PADDLE = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each thing that can be prepared; each sets `prepare`, the function that does it."""
    below = parser.add_subparsers(metavar="WHAT", required=True)
    prepare_sets.add(below)
    prepare_files.add(below)


def run(args: argparse.Namespace) -> int | None:
    """Prepares what was asked for."""
    return args.prepare(args)
