"""Makes the lists for training on one's own videos, which lie in one folder a class.

    python data/make_lists.py FOLDER --out data/mine --valid 0.2

FOLDER/<class name>/*.mp4 (avi, mkv, mov, webm ...; deeper folders too) becomes OUT/train.list and OUT/val.list, lines
`path label` with absolute paths, so that a config needs no data_prefix, and OUT/labels.txt, lines `id name`, ids in the
order of the names. The split is by file: where several files show one scene, see that they end up in one list.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

SUFFIXES = (".mp4", ".m4v", ".avi", ".mkv", ".mov", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp")


def find_videos(folder: Path) -> dict[str, list[Path]]:
    """Class name -> its videos, both sorted. Raises ValueError where `folder` does not hold a folder a class."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    classes = sorted(entry for entry in folder.resolve().iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if len(classes) < 2:
        raise ValueError(f"{folder} holds {len(classes)} folders; put the videos of each class in a folder of its name")
    videos = {}
    for entry in classes:
        files = (path for path in entry.rglob("*") if path.is_file() and not path.name.startswith("."))
        videos[entry.name] = sorted(path for path in files if path.suffix.lower() in SUFFIXES)
        if not videos[entry.name]:
            raise ValueError(f"{entry} holds no videos ({' '.join(SUFFIXES)}); add some, or remove the folder")
    broken = [path for paths in videos.values() for path in paths if len(str(path).splitlines()) > 1]
    if broken:
        raise ValueError(f"{str(broken[0])!r}: a list has a path a line, so a name cannot hold a line break")
    return videos


def split(videos: list[Path], share: float, rng: random.Random) -> tuple[list[Path], list[Path]]:
    """(training, held-out) videos of one class, at random: of two or more, each side gets at least one."""
    count = min(max(round(len(videos) * share), 1), len(videos) - 1)
    held_out = set(rng.sample(videos, count))
    return [path for path in videos if path not in held_out], [path for path in videos if path in held_out]


def make_lists(folder: Path, out: Path, share: float, seed: int) -> str:
    """Writes the three files, all or none, and says how many clips each class has. Raises ValueError."""
    videos = find_videos(folder)
    lines: dict[str, list[str]] = {"train.list": [], "val.list": [], "labels.txt": []}
    counts = []
    for label, (name, paths) in enumerate(videos.items()):
        train, held_out = split(paths, share, random.Random(f"{seed} {name}"))
        lines["train.list"] += [f"{path} {label}" for path in train]
        lines["val.list"] += [f"{path} {label}" for path in held_out]
        lines["labels.txt"].append(f"{label} {name}")
        counts.append(f"  {name}: {len(train)} to train, {len(held_out)} held out")
    if not lines["val.list"]:
        raise ValueError(
            f"{folder}: every class has a single video; at least one needs two, one of them to validate with"
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".make_lists.", dir=out) as scratch:
        for file, content in lines.items():
            (Path(scratch) / file).write_text("\n".join(content) + "\n", encoding="utf-8")
        for file in lines:
            (Path(scratch) / file).replace(out / file)
    return "\n".join([*counts, f"Wrote {', '.join(lines)} to {out}; MODEL.head.num_classes is {len(videos)}"])


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds a folder of videos for each class")
    parser.add_argument("--out", type=Path, default=Path("data/mine"), help="where to write (default: %(default)s)")
    parser.add_argument("--valid", type=float, default=0.2, help="share of each class held out (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed holds out other clips (default: %(default)s)")
    args = parser.parse_args()
    if not 0 < args.valid < 1:
        parser.error(f"--valid {args.valid}: must lie between 0 and 1")
    try:
        print(make_lists(args.folder, args.out, args.valid, args.seed))
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
