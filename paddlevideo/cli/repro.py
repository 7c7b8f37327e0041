"""Train a config twice and say whether the runs are the same bit for bit, or where they part.

paddlevideo repro configs/recognition/demo/tsm_demo.yaml -n 20
paddlevideo repro my.yaml -n 50 --workers 0 4        other loader processes must not change anything

Exit code 0: equal; 1: different. Needs the time of two short runs; writes nothing into the output folder.
"""

from __future__ import annotations

import argparse

from paddlevideo.cli import launch

NEEDS_PADDLE = False  # the runs are processes of their own


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of repro."""
    parser.add_argument("config", metavar="CONFIG", help="config file (YAML)")
    parser.add_argument("-n", "--steps", type=launch.positive, default=20, metavar="N", help="optimizer steps")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--seed", type=launch.natural, default=1234, help="seed of everything random")
    parser.add_argument("--deterministic", action="store_true", help="deterministic GPU kernels (the CPU's always are)")
    text = "loader processes of the first run and of the second"
    parser.add_argument("--workers", nargs=2, type=launch.natural, metavar=("A", "B"), help=text)
    launch.device_flags(parser)


def run(args: argparse.Namespace) -> int:
    """Says what was found. Exit code 1 where the runs differ."""
    import tempfile
    from dataclasses import replace
    from pathlib import Path

    from paddlevideo.tasks.repro import compare, report
    from paddlevideo.tasks.repro.one_run import Request

    one = Request(args.config, args.override, args.seed, args.use_gpu, args.deterministic, args.steps, out="")
    other = one
    if args.workers:
        one, other = (
            replace(one, overrides=[*one.overrides, f"DATASET.num_workers={count}"]) for count in args.workers
        )
    with tempfile.TemporaryDirectory() as scratch:
        result = compare.compare(one, other, Path(scratch), lambda said: print(said, flush=True))
    print("\n".join(report.lines(result)))
    return 0 if result.difference is None else 1
