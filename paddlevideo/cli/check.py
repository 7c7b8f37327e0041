"""Check configs: print every fault, or the resolved config.

paddlevideo check configs/recognition/tsm/tsm_k400_videos.yaml -o MODEL.head.num_classes=5
"""

from __future__ import annotations

import argparse
import sys

from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of check."""
    parser.add_argument("configs", nargs="+", metavar="CONFIG", help="config files (YAML)")
    parser.add_argument("-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE")
    parser.add_argument("-q", "--quiet", action="store_true", help="print faults only")


def run(args: argparse.Namespace) -> int:
    """Checks each config. Exit code 2 when any has a fault."""
    import yaml

    from paddlevideo.tasks import run as tasks
    from paddlevideo.tasks import schema

    wrong = 0
    for path in args.configs:
        try:
            resolved = schema.load(path, args.override)
            tasks.check_all_fit(resolved.root)
        except UserError as error:
            print(error, file=sys.stderr)
            wrong += 1
            continue
        if not args.quiet:
            schema.announce(resolved, lambda line: print(f"# {line}"))
            print(f"# {path}: no fault")
            print(yaml.safe_dump(resolved.data, sort_keys=False, allow_unicode=True))
    if wrong:
        print(f"error: {wrong} of {len(args.configs)} configs have faults", file=sys.stderr)
    return 2 if wrong else 0
