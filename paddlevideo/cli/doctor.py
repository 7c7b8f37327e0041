"""Look for what is wrong with this machine, a config and its data, before the first step.

paddlevideo doctor                                      the machine only
paddlevideo doctor configs/recognition/tsm/tsm_own_videos.yaml
paddlevideo doctor my.yaml --frames all --videos all    every frame of every file (slow)

Exit code 0: no error (there may be warnings); 2: errors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from paddlevideo.cli import launch
from paddlevideo.utils.errors import UserError

NEEDS_PADDLE = False  # that it cannot be imported is a finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of doctor."""
    parser.add_argument("config", nargs="?", metavar="CONFIG", help="config file (YAML); without one: the machine only")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("-w", "--weights", metavar="FILE", help="weights that the model should fit")
    parser.add_argument("--frames", type=positive_or_all, default=2, metavar="K|all", help="frames to decode of a file")
    text = "files of each list to decode, drawn at random; 0 decodes none"
    parser.add_argument("--videos", type=natural_or_all, default=200, metavar="N|all", help=text)
    parser.add_argument("--workers", type=launch.natural, metavar="N", help="processes that decode (all cores)")
    parser.add_argument("--json", metavar="FILE", help="write the findings as JSON too")


def positive_or_all(text: str) -> int | None:
    """An integer of at least 1, or None for "all"."""
    return None if text == "all" else launch.positive(text)


def natural_or_all(text: str) -> int | None:
    """An integer of at least 0, or None for "all"."""
    return None if text == "all" else launch.natural(text)


def run(args: argparse.Namespace) -> int:
    """Prints what was found. Exit code 2 when there is an error among it."""
    from paddlevideo.tasks.doctor import environment, machine, report
    from paddlevideo.utils import environment as process
    from paddlevideo.utils import files, log

    if not args.config and (args.override or args.weights):
        raise UserError("--override and --weights belong to a config; name it: paddlevideo doctor CONFIG")
    log.setup()
    here = machine.look()
    groups = {"environment": environment.check(here)}
    print("\n".join(report.lines("environment", groups["environment"])), flush=True)
    if args.config and not here.faults:
        from paddlevideo.tasks.doctor import examine

        workers = process.cores() if args.workers is None else args.workers
        depth = examine.Depth(args.frames, args.videos, workers)
        for title, findings in examine.examine(args.config, args.override, args.weights, depth, here):
            groups[title] = findings
            print("\n" + "\n".join(report.lines(title, findings)), flush=True)
    elif args.config:
        print(f"\nconfig {args.config}\n  not looked at: that needs {', '.join(here.faults)}")
    everything = [finding for findings in groups.values() for finding in findings]
    print(f"\n{report.summary(everything)}")
    if args.json:
        files.write_text(Path(args.json), json.dumps(report.plain(groups), indent=1) + "\n")
    return 2 if report.count(everything)["errors"] else 0
