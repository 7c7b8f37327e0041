"""Plan a training: the batch that fits, the recipe's global batch kept, rates, time, disk, and the command.

paddlevideo plan configs/recognition/tsm/tsm_own_videos.yaml
paddlevideo plan configs/recognition/tsm/tsm_k400_videos.yaml --gpus 4 --amp
paddlevideo plan my.yaml --memory 8GB --global_batch 64
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from paddlevideo.cli import launch

UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of plan."""
    parser.add_argument("config", metavar="CONFIG", help="config file")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--gpus", type=launch.positive, metavar="N", help="a process on each of N GPUs")
    many.add_argument("--processes", type=launch.positive, metavar="N", help="processes on the CPU")
    text = "what a process may take, such as 8GB or 7.5GiB (a share of what there is)"
    parser.add_argument("--memory", type=size, metavar="SIZE", help=text)
    text = "clips of an optimizer step (those that the config's learning rates are for)"
    parser.add_argument("--global_batch", type=launch.positive, metavar="N", help=text)
    parser.add_argument("--steps", type=launch.positive, default=3, metavar="N", help="training steps that are timed")
    parser.add_argument("--amp", action="store_true", help="mixed precision (on a GPU)")
    parser.add_argument("--amp_level", choices=["O1", "O2"], help="mixed precision level (O1 when --amp is given)")
    parser.add_argument("--json", metavar="FILE", help="write the plan as JSON too")
    launch.device_flags(parser)


def size(text: str) -> int:
    """Bytes: 800MB, 8GB (10^9), 7.5GiB (2^30)."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kmgt]i?)b?", text.strip().lower())
    if not found or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"expected a size such as 8GB or 7.5GiB, got '{text}'")
    return int(float(found[1]) * UNITS[found[2]])


def run(args: argparse.Namespace) -> None:
    """Prints the trials as they come, then the plan."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.benchmark import report as benchmark
    from paddlevideo.tasks.plan import plan, report
    from paddlevideo.tasks.plan.wishes import Wishes
    from paddlevideo.utils import files

    gpu = session.start_quietly(args.use_gpu)
    wishes = Wishes(
        memory=args.memory,
        processes=args.gpus or args.processes or 1,
        global_batch=args.global_batch,
        steps=args.steps,
        gpu=gpu,
        threads=args.cpu_threads,
        options={"amp": args.amp, "amp_level": args.amp_level},
        flags=flags(args),
    )
    if args.gpus:
        wishes.check_gpus()
    budget, why = wishes.budget()
    facts = benchmark.machine()
    print(f"{benchmark.machine_line(facts)}\n{args.config}: {report.gigabytes(budget)} a process: {why}\n")
    print(report.HEADER, flush=True)
    found = plan.make(
        args.config, args.override, wishes, budget, say=lambda *trial: print(report.trial_line(*trial), flush=True)
    )
    print("\n" + "\n".join(report.lines(found)))
    if args.json:
        files.write_text(Path(args.json), json.dumps({"machine": facts, **report.plain(found)}, indent=1) + "\n")


def flags(args: argparse.Namespace) -> list[str]:
    """Those of this command that training has too."""
    given = ["--amp"] if args.amp else []
    given += ["--amp_level", args.amp_level] if args.amp_level else []
    given += [f"--use_gpu={args.use_gpu}"] if args.use_gpu is not None else []
    return given + (["--cpu_threads", str(args.cpu_threads)] if args.cpu_threads else [])
