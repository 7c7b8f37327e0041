"""Draw clips as the model sees them, augmented and labelled, on one picture.

paddlevideo browse configs/recognition/tsm/tsm_own_videos.yaml --out sheet.png
paddlevideo browse my.yaml --split test --class "pouring tea" --mp4 clips.mp4
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from paddlevideo.cli import launch


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of browse."""
    parser.add_argument("config", metavar="CONFIG", help="config file (YAML)")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("--split", choices=("train", "valid", "test"), default="train", help="whose clips")
    parser.add_argument("--count", type=launch.positive, default=16, metavar="N", help="how many clips")
    parser.add_argument("--seed", type=launch.natural, default=1234, metavar="N", help="of the training")
    parser.add_argument("--epoch", type=launch.natural, default=0, metavar="N", help="of the training, from 0")
    parser.add_argument("--class", dest="label", metavar="NAME|ID", help="clips of this class only")
    parser.add_argument("--unaugmented", action="store_true", help="the sampled frames before any transform")
    parser.add_argument("--out", default="sheet.png", metavar="FILE", help="the picture (PNG)")
    parser.add_argument("--mp4", metavar="FILE", help="write the clips as a video too")


def run(args: argparse.Namespace) -> None:
    """Writes the picture, and the video if asked for, and says what could not be read."""
    from paddlevideo.tasks import schema
    from paddlevideo.tasks.browse import clips, movie, sheet
    from paddlevideo.tasks.labels import class_names
    from paddlevideo.tasks.run import num_classes
    from paddlevideo.utils import files

    cfg = schema.load(args.config, args.override).root
    names = class_names(cfg.DATASET, num_classes(cfg))
    label = None if args.label is None else clips.find_class(args.label, names)
    choice = clips.Choice(args.split, args.count, args.seed, args.epoch, label, not args.unaugmented)
    shown, failures = clips.choose(cfg, choice)
    named = clips.name_with(names)
    title = f"{Path(args.config).name}, {args.split}, epoch {args.epoch}, seed {args.seed}"
    if args.unaugmented:
        title += ", unaugmented"
    picture = sheet.sheet(shown, title, named)
    files.write_with(Path(args.out), lambda name: picture.save(name, format="PNG"))
    print(f"{args.out}: {len(shown)} clips, {picture.width}x{picture.height} pixels")
    if args.mp4:
        movie.write_movie(Path(args.mp4), shown, named)
        print(f"{args.mp4}: the same clips, {movie.RATE} frames a second")
    for failure in failures:
        print(f"unreadable: {files.plain(failure.path)}: {failure.reason}", file=sys.stderr)
