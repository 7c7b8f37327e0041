"""Measure speed and memory.

paddlevideo benchmark model configs/recognition/tsm/tsm_k400_frames.yaml --batch 1 8
paddlevideo benchmark model all --json benchmark.json
paddlevideo benchmark data configs/recognition/tsm/tsm_k400_videos.yaml --videos my_videos --workers 1 2
paddlevideo benchmark train configs/recognition/demo/tsm_demo.yaml
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
    text = "preparing clips: one process beside bare library calls on the same files, then worker processes"
    add_data_arguments(below.add_parser("data", help=text, description=text, formatter_class=launch.HelpFormatter))
    text = "the training loop beside a bare loop of forward, backward and step, without reading data"
    add_train_arguments(below.add_parser("train", help=text, description=text, formatter_class=launch.HelpFormatter))


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `benchmark data`."""
    parser.add_argument("config", metavar="CONFIG", help="config file")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--split", nargs="+", choices=["train", "valid", "test"], default=["train"], help="which pipelines"
    )
    parser.add_argument(
        "--videos",
        nargs="+",
        type=Path,
        default=[],
        metavar="PATH",
        help="files or folders, instead of the split's list",
    )
    parser.add_argument("--clips", type=launch.positive, default=8, metavar="N", help="clips a round")
    parser.add_argument("--repeat", type=launch.positive, default=5, metavar="N", help="rounds after the warm-up")
    parser.add_argument("--workers", nargs="*", type=launch.positive, metavar="N", help="worker processes to try")
    parser.add_argument(
        "--memory_clips", type=launch.natural, default=2000, metavar="N", help="clips of the memory check; 0: none"
    )
    parser.add_argument("--seed", type=launch.natural, default=1234, metavar="N", help="of sampling and augmentation")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON too")
    parser.set_defaults(measure=run_data)


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


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of `benchmark train`."""
    parser.add_argument("config", metavar="CONFIG", help="config file")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    text = "clips a step (DATASET.batch_size)"
    parser.add_argument("--batch", nargs="+", type=launch.positive, default=[None], metavar="N", help=text)
    parser.add_argument("--steps", type=launch.positive, default=20, metavar="N", help="steps a round")
    parser.add_argument("--repeat", type=launch.positive, default=9, metavar="N", help="rounds after the warm-up")
    parser.add_argument("--no_memory", action="store_true", help="leave out memory (a process for each figure)")
    parser.add_argument("--json", metavar="FILE", help="write the results as JSON too")
    launch.device_flags(parser)
    parser.set_defaults(measure=run_train)


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


def run_data(args: argparse.Namespace) -> None:
    """Prints a paragraph a split, as they come."""
    import tempfile
    from dataclasses import asdict

    from paddlevideo.tasks import schema, session
    from paddlevideo.tasks.benchmark import data, data_report, report
    from paddlevideo.tasks.benchmark.growth import growth
    from paddlevideo.utils import environment, files

    session.start_quietly(False)
    resolved = schema.load(args.config, args.override)
    facts, results = report.machine(), []
    print(report.machine_line(facts))
    tried = list(range(1, environment.cores() + 1)) if args.workers is None else args.workers
    with tempfile.TemporaryDirectory() as scratch:
        for split in args.split:
            folder = Path(scratch) / split
            folder.mkdir()
            case = data.case_of(resolved.root, args.config, split, args.videos, args.clips, folder, args.seed)
            result = data.measure(case, args.repeat, tried)
            grown = growth(case, args.memory_clips) if args.memory_clips else None
            print("\n" + "\n".join(data_report.lines(result, grown)), flush=True)
            results.append({**asdict(result), "memory": asdict(grown) if grown else None})
    print(f"\nmedians of {args.repeat} rounds, after a round of warm-up; one thread a process")
    if args.json:
        files.write_text(Path(args.json), json.dumps({"machine": facts, "results": results}, indent=1) + "\n")


def run_train(args: argparse.Namespace) -> None:
    """Prints a paragraph a batch size, as they come."""
    from dataclasses import asdict

    from paddlevideo.tasks import session
    from paddlevideo.tasks.benchmark import report, train, train_report
    from paddlevideo.utils import files

    session.start_quietly(args.use_gpu)
    facts, results = report.machine(), []
    print(report.machine_line(facts))
    for batch in args.batch:
        result = train.measure(args.config, args.override, batch, args.steps, args.repeat, not args.no_memory)
        print("\n" + "\n".join(train_report.lines(result)), flush=True)
        results.append(asdict(result))
    print(f"\nmedians of {args.repeat} rounds, after two of warm-up, the loops a step each in turn; no data is read")
    if args.json:
        files.write_text(Path(args.json), json.dumps({"machine": facts, "results": results}, indent=1) + "\n")
