"""Draw the curves of training runs: loss, accuracy, learning rate, speed. Needs no Paddle.

paddlevideo plot output/TSM
paddlevideo plot output/TSM output/PPTSM other/.log.txt --names TSM PP-TSM reference -o compare.svg

A LOG is a run's folder, its metrics.jsonl, its NAME.log, or a log of PaddleVideo.
"""

from __future__ import annotations

import argparse
from pathlib import Path

NEEDS_PADDLE = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of plot."""
    parser.add_argument("logs", nargs="+", metavar="LOG", help="folder of a run, or its log; several in one picture")
    parser.add_argument("-o", "--out", metavar="FILE", help=".png, .svg or .pdf (curves.png beside the first log)")
    parser.add_argument("--title", metavar="TEXT", help="above the picture; the name of a single run, else none")
    parser.add_argument("--names", nargs="+", default=[], metavar="NAME", help="of the runs, for the legend")
    text = "epochs that training curves are averaged over; 0: as logged (a fiftieth of the longest run)"
    parser.add_argument("--smooth", type=width, metavar="EPOCHS", help=text)


def width(text: str) -> float:
    """A number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of at least 0, got '{text}'")
    return value


def run(args: argparse.Namespace) -> None:
    """Writes the picture and says what is in it."""
    from paddlevideo.tasks.plot import figure, read_log

    places = [Path(log) for log in args.logs]
    beside = places[0] if places[0].is_dir() else places[0].parent
    out = beside / "curves.png" if args.out is None else Path(args.out)
    figure.check(out, len(places))
    runs = read_log.read_all(places, args.names)
    title = args.title
    if title is None:
        title = runs[0].name if len(runs) == 1 else ""
    smooth = figure.longest(runs) / 50 if args.smooth is None else args.smooth
    figure.write(out, runs, title, smooth)
    for one in runs:
        print(one.summary())
    print(f"written: {out}")
