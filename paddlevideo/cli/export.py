"""Export a checkpoint as a Paddle Inference program, checked against the model.

paddlevideo export -c CONFIG -p output/NAME/NAME_best.pdparams -o inference/NAME
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddlevideo.cli import launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of export."""
    launch.config_flags(parser, short=False, required=False)
    parser.add_argument("-p", "--pretrained_params", required=True, metavar="FILE", help="checkpoint to export")
    parser.add_argument("-o", "--output_path", default="./inference", metavar="DIR", help="where the files go")
    parser.add_argument("--save_name", metavar="NAME", help="base name of the files (the config's model_name)")
    parser.add_argument(
        "--format",
        choices=["auto", "pdmodel", "json"],
        default="auto",
        help="pdmodel: the names PaddleVideo wrote; json: Paddle 3's own form; auto: the first that works",
    )
    parser.add_argument("--cpu_threads", type=launch.positive, metavar="N", help="threads (by default all cores)")


def run(args: argparse.Namespace) -> None:
    """Exports."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.export import export, report

    resolved = session.begin(args.config or args.pretrained_params, args.override, use_gpu=False, log_file=False)
    report(export(resolved, Path(args.pretrained_params), Path(args.output_path), args.save_name, args.format))
