"""`paddlevideo prepare k400 | ucf101 | sthv1 | sthv2 | split`: lists of known data sets, and splits of one's own."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddlevideo.cli import launch
from paddlevideo.utils.errors import UserError


def add(below: argparse._SubParsersAction) -> None:
    """A subcommand for each data set, and split."""
    text = "lists of Kinetics-400, from train.csv, val.csv and, if it has labels, test.csv"
    _set(below, "k400", text, prepare_k400, ["videos", "frames"])
    text = "lists of UCF101, all three splits, from classInd.txt, trainlist0N.txt and testlist0N.txt"
    _set(below, "ucf101", text, prepare_ucf101, ["videos", "frames"])
    text = "lists of Something-Something V1, from something-something-v1-{labels,train,validation}.csv"
    parser = _set(below, "sthv1", text, prepare_sthv1, ["frames"])
    parser.add_argument(
        "--label_order",
        choices=["csv", "sorted"],
        default="csv",
        help="class ids in the order of labels.csv (mmaction2, the configs here), or of the alphabet (mit-han-lab TSM)",
    )
    text = "lists of Something-Something V2, from something-something-v2-{labels,train,validation}.json"
    _set(below, "sthv2", text, prepare_sthv2, ["videos", "frames"])
    _split(below)


def _set(
    below: argparse._SubParsersAction,
    name: str,
    text: str,
    prepare: Callable[[argparse.Namespace], None],
    kinds: list[str],
) -> argparse.ArgumentParser:
    """The flags that all data sets have."""
    parser = below.add_parser(name, help=text, description=text, formatter_class=launch.HelpFormatter)
    parser.add_argument(
        "folder", nargs="?", type=Path, default=Path("data", name), metavar="FOLDER", help="where those files are"
    )
    if "videos" in kinds:
        parser.add_argument("--videos", type=Path, metavar="DIR", help="where the videos are (FOLDER/videos)")
    words = "where the folders of frames are, one a clip (FOLDER/rawframes)"
    parser.add_argument("--frames", type=Path, metavar="DIR", help=words)
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write the lists (FOLDER)")
    parser.add_argument("--no_check", action="store_true", help="do not open every file and decode its first frame")
    launch.workers_flag(parser)
    parser.set_defaults(prepare=prepare, videos=None)
    return parser


def prepare_k400(args: argparse.Namespace) -> None:
    """Kinetics-400."""
    from paddlevideo.tasks.prepare import k400, lists

    print(lists.prepare(k400.SET, k400.read(args.folder), **_given(args)))


def prepare_ucf101(args: argparse.Namespace) -> None:
    """UCF101."""
    from paddlevideo.tasks.prepare import lists, ucf101

    print(lists.prepare(ucf101.SET, ucf101.read(args.folder), **_given(args)))


def prepare_sthv1(args: argparse.Namespace) -> None:
    """Something-Something V1."""
    from paddlevideo.tasks.prepare import lists, something

    print(lists.prepare(something.V1, something.read_v1(args.folder, args.label_order), **_given(args)))


def prepare_sthv2(args: argparse.Namespace) -> None:
    """Something-Something V2."""
    from paddlevideo.tasks.prepare import lists, something

    print(lists.prepare(something.V2, something.read_v2(args.folder), **_given(args)))


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """The flags that all data sets have, as `tasks.prepare.lists.prepare` calls them."""
    from paddlevideo.utils import log

    log.setup()
    names = ("folder", "videos", "frames", "out", "workers")
    return {name: getattr(args, name) for name in names} | {"decode": not args.no_check}


def _split(below: argparse._SubParsersAction) -> None:
    text = "parts a list, or a folder that holds a folder a class, into lists to train and to validate"
    parser = below.add_parser("split", help=text, description=text, formatter_class=launch.HelpFormatter)
    parser.add_argument("source", type=Path, metavar="LIST_OR_FOLDER", help="a list of any form that configs read")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write the lists")
    parser.add_argument("--valid", type=float, default=0.2, metavar="SHARE", help="of each class, to validate")
    parser.add_argument("--test", type=float, default=0.0, metavar="SHARE", help="of each class, to test; 0: no list")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another one holds out other clips")
    parser.add_argument(
        "--group",
        default="auto",
        metavar="REGEX",
        help="finds in a path what must stay in one list, such as person(\\d+); auto: recordings named as in UCF101",
    )
    parser.add_argument(
        "--by_class", action="store_true", help="a group is one within its class only: person1 of two classes are two"
    )
    parser.add_argument("--labels", type=Path, metavar="FILE", help="class names (labels.txt beside the list)")
    parser.add_argument("--content", choices=["auto", "videos", "frames"], default="auto", help="what a folder holds")
    parser.set_defaults(prepare=prepare_split)


def prepare_split(args: argparse.Namespace) -> None:
    """A split of one's own."""
    from paddlevideo.tasks.prepare import split
    from paddlevideo.utils import log

    log.setup()
    if not 0 < args.valid < 1 or not 0 <= args.test < 1 or args.valid + args.test >= 1:
        raise UserError(f"--valid {args.valid:g} --test {args.test:g}: shares between 0 and 1 that leave some to train")
    pattern = None if args.group == "auto" else args.group
    rule = split.Rule(args.valid, args.test, args.seed, pattern, args.by_class)
    print(split.split(args.source, args.out, rule, args.labels, args.content))
