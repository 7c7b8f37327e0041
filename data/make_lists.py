"""Makes the lists for training on one's own videos, which lie in one folder a class: `paddlevideo prepare split`.

    python data/make_lists.py FOLDER --out data/mine --valid 0.2

FOLDER/<class name>/*.mp4 (avi, mkv, mov, webm ...; deeper folders too) becomes OUT/train.list and OUT/val.list, lines
`path label` with absolute paths, so that a config needs no data_prefix, and OUT/labels.txt, lines `id name`, ids in the
order of the names. Where several files show one scene, --group says so: they stay in one list.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from paddlevideo.tasks.prepare.split import Rule, split
from paddlevideo.utils.errors import UserError


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder of videos for each class")
    parser.add_argument("--out", type=Path, default=Path("data/mine"), help="where to write (default: %(default)s)")
    parser.add_argument("--valid", type=float, default=0.2, help="share of each class held out (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed holds out other clips (default: %(default)s)")
    parser.add_argument("--group", help="regular expression for what must stay in one list, such as 'person(\\d+)'")
    args = parser.parse_args()
    if not 0 < args.valid < 1:
        parser.error(f"--valid {args.valid}: must lie between 0 and 1")
    try:
        if not args.folder.is_dir():
            raise UserError(f"{args.folder} is not a folder")
        print(split(args.folder, args.out, Rule(args.valid, seed=args.seed, group=args.group), content="videos"))
    except (OSError, UserError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
