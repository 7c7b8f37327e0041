"""Measure speed and memory.

paddlevideo benchmark model configs/recognition/tsm/tsm_k400_frames.yaml --batch 1 8
paddlevideo benchmark model all --json benchmark.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from paddlevideo.cli import launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A subcommand for each thing that can be measured."""
    below = parser.add_subparsers(metavar="WHAT", required=True)
    text = "a model's forward pass beside the same arithmetic in plain Paddle layers"
    add_model_arguments(below.add_parser("model", help=text, description=text, formatter_class=launch.HelpFormatter))


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `benchmark model`."""
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files, or 'all': one of each network")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--configs_dir", type=Path, metavar="DIR", help="where 'all' looks (./configs)")
    parser.add_argument("--batch", nargs="+", type=launch.positive, default=[1, 8], metavar="N", help="clips at a time")
    parser.add_argument("--repeat", type=launch.positive, default=5, metavar="N", help="rounds after the warm-up")
    parser.add_argument("--no_memory", action="store_true", help="leave out memory (a process for each figure)")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON too")
    launch.device_flags(parser)
    parser.set_defaults(measure=run_model)


def run(args: argparse.Namespace) -> None:
    """Measures what was asked for."""
    args.measure(args)


def run_model(args: argparse.Namespace) -> None:
    """Prints a row a model and batch size, as they come."""
    from dataclasses import asdict

    from paddlevideo.tasks import configs, session
    from paddlevideo.tasks.benchmark import model, report
    from paddlevideo.utils import files

    session.start_quietly(args.use_gpu)
    facts, results = report.machine(), []
    print(f"{report.machine_line(facts)}\n{report.EXPLANATION}\n\n{report.HEADER}")
    for subject in model.subjects(args.configs, args.override, args.configs_dir or configs.default_folder()):
        for result in model.measure(subject, args.batch, args.repeat, not args.no_memory):
            results.append(result)
            print(report.line(result), flush=True)
    print(f"\nmedians of {args.repeat} rounds, after a round of warm-up")
    for result in results:
        print("\n".join(report.remarks(result)), end="\n" if any(report.remarks(result)) else "")
    if args.json:
        found = {"machine": facts, "results": [asdict(result) for result in results]}
        files.write_text(Path(args.json), json.dumps(found, indent=1) + "\n")
