"""List every config with its parameters, multiply-adds, views and reported accuracy.

paddlevideo models                      all of them
paddlevideo models tsm                  those with "tsm" in their path
paddlevideo models --write docs/model_zoo.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of models."""
    parser.add_argument("filter", nargs="?", default="", metavar="FILTER", help="part of a config's path")
    parser.add_argument("--configs", type=Path, metavar="DIR", help="folder of configs (./configs)")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--write", metavar="FILE", help="write the table as a markdown page instead")


def run(args: argparse.Namespace) -> int:
    """Prints the table. Exit code 2 when a config has a fault; the others are listed all the same."""
    from dataclasses import asdict

    from paddlevideo.tasks import configs, models, session, zoo
    from paddlevideo.utils import files

    session.start_quietly(use_gpu=False)
    catalogue, rows, wrong = models.Catalogue(), [], 0
    paths = configs.find(args.configs or configs.default_folder(), args.filter)
    for path in paths:
        try:
            rows.append(catalogue.row(path))
        except UserError as error:
            print(error, file=sys.stderr)
            wrong += 1
    if args.write:
        files.write_text(Path(args.write), zoo.page(rows, args.write))
    elif args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print("\n".join(zoo.text(rows)))
    if wrong:
        print(f"error: {wrong} of {len(paths)} configs have faults", file=sys.stderr)
    return 2 if wrong else 0
