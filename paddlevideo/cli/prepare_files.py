"""`paddlevideo prepare frames | transcode | index`: what is done to the files of a data set, one by one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paddlevideo.cli import launch
from paddlevideo.utils.errors import UserError


def add(below: argparse._SubParsersAction) -> None:
    """The subcommands."""
    text = "every frame of every video as an image file, one folder a video, for FrameDataset"
    parser = _command(below, "frames", text, prepare_frames)
    _source_and_out(parser)
    scale = parser.add_mutually_exclusive_group()
    _short_side(scale)
    scale.add_argument("--size", type=size, metavar="WxH", help="this size instead, whatever the shape, as 340x256")
    parser.add_argument("--quality", type=launch.positive, default=95, metavar="Q", help="of JPEG, 1 to 100")
    parser.add_argument("--fps", type=rate, default=0, metavar="N", help="frames a second (every frame once)")
    parser.add_argument("--pattern", default="img_{:05}.jpg", metavar="NAME", help="file name; .jpg or .png")
    parser.add_argument("--keep_suffix", action="store_true", help="call the folder of a.mp4 a.mp4, not a")
    _list_flags(parser)

    text = "videos encoded anew, small and with close keyframes, so that training reads any frame quickly"
    parser = _command(below, "transcode", text, prepare_transcode)
    _source_and_out(parser)
    _short_side(parser)
    parser.add_argument("--keyint", type=launch.positive, default=16, metavar="N", help="frames to the next keyframe")
    parser.add_argument("--crf", type=launch.natural, default=18, metavar="Q", help="0 lossless ... 51 worst")
    parser.add_argument("--preset", default="fast", metavar="NAME", help="of x264, ultrafast ... veryslow")
    _list_flags(parser)

    text = "true frame count, rate, size, decoder, hash and faults of every video, for `index:` of a data set"
    parser = _command(below, "index", text, prepare_index)
    parser.add_argument("source", nargs="+", type=Path, metavar="SOURCE", help="folders of videos, or lists")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the index (index.jsonl in or beside SOURCE)")
    parser.add_argument("--data_prefix", type=Path, metavar="DIR", help="folder the paths in lists are relative to")
    parser.add_argument("--no_hash", action="store_true", help="do not hash contents; copies are then not found")
    _list_form(parser)


def _command(
    below: argparse._SubParsersAction, name: str, text: str, prepare: Callable[[argparse.Namespace], None]
) -> argparse.ArgumentParser:
    parser = below.add_parser(name, help=text, description=text, formatter_class=launch.HelpFormatter)
    parser.set_defaults(prepare=prepare)
    launch.workers_flag(parser)
    return parser


def _source_and_out(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of the videos, whatever lies below it")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the result, with the same folders below it")


def _short_side(parser: Any) -> None:
    words = "pixels of the shorter side; smaller videos are left as they are; 0: all are"
    parser.add_argument("--short_side", type=launch.natural, default=256, metavar="N", help=words)


def _list_flags(parser: argparse.ArgumentParser) -> None:
    words = "only the videos of these lists, which are written anew into OUT"
    parser.add_argument("--list", nargs="+", type=Path, default=[], metavar="FILE", help=words)
    _list_form(parser)


def _list_form(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suffix", default="", metavar=".EXT", help="what the paths in lists lack, as VideoDataset's")
    parser.add_argument("--labels", type=Path, metavar="FILE", help="names of the classes, where lists have names")
    parser.add_argument("--multi_label", action="store_true", help="lists have several labels a line")


def size(text: str) -> tuple[int, int]:
    """340x256: width and height."""
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT as 340x256, got '{text}'")
    return int(width), int(height)


def rate(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1000:
        raise argparse.ArgumentTypeError(f"expected frames a second, above 0, got '{text}'")
    return value


def _options(make: Callable[..., Any], **values: Any) -> Any:
    """A dataclass of options; a value it refuses is a mistake on the command line."""
    try:
        return make(**values)
    except ValueError as error:
        raise UserError(str(error)) from None


def _lists(args: argparse.Namespace, paths: list[Path], folder: Path | None = None) -> list[Any]:
    from paddlevideo.tasks.prepare import videos

    if (args.suffix or args.labels or args.multi_label) and not paths:
        raise UserError("--suffix, --labels and --multi_label say how lists are to be read; there is no list")
    return videos.read_lists(paths, args.suffix, args.labels, args.multi_label, folder)


def _sources(args: argparse.Namespace, lists: list[Any]) -> dict[str, str]:
    """Name of a video -> file, for frames and transcode."""
    from paddlevideo.tasks.prepare import videos

    if args.out.resolve() == args.source.resolve():
        raise UserError(f"{args.out}: OUT must be another folder than SOURCE")
    videos.check_list_names(lists, args.out)
    names = videos.listed(lists) if lists else videos.below(args.source, apart_from=args.out)
    return {name: os.path.abspath(args.source / name) for name in names}  # noqa: PTH100


def prepare_frames(args: argparse.Namespace) -> None:
    """Extracts frames."""
    from functools import partial

    from paddlevideo.tasks.prepare import find, frames, videos
    from paddlevideo.tasks.prepare.produce import produce
    from paddlevideo.utils import log

    log.setup()
    short_side = 0 if args.size else args.short_side
    values = {"size": args.size, "quality": args.quality, "fps": args.fps, "pattern": args.pattern}
    options = _options(frames.FrameOptions, short_side=short_side, **values)
    lists = _lists(args, args.list, args.source)
    videos.check_whole(lists)
    sources = _sources(args, lists)
    folders = {name: name if args.keep_suffix else find.without_suffix(name) for name in sources}
    targets = {name: str(args.out / folder) for name, folder in folders.items()}
    videos.check_targets(targets, "give --keep_suffix, or rename one")
    is_whole = partial(frames.is_whole, options=options)
    outcome = produce("frames", args.out, sources, targets, options, frames.extract, is_whole, args.workers)
    videos.write_lists(lists, args.out, lambda item: videos.frame_lines(item, folders, outcome.frames))


def prepare_transcode(args: argparse.Namespace) -> None:
    """Encodes videos anew."""
    from paddlevideo.tasks.prepare import encode, find, transcode, videos
    from paddlevideo.tasks.prepare.produce import produce
    from paddlevideo.utils import log

    log.setup()
    encode.require_encoder()
    values = {"short_side": args.short_side, "keyint": args.keyint, "crf": args.crf, "preset": args.preset}
    options = _options(transcode.TranscodeOptions, **values)
    lists = _lists(args, args.list, args.source)
    sources = _sources(args, lists)
    targets = {name: str(args.out / f"{find.without_suffix(name)}.mp4") for name in sources}
    videos.check_targets(targets, "rename one")
    outcome = produce(
        "transcode", args.out, sources, targets, options, transcode.transcode, transcode.is_whole, args.workers
    )

    def renamed(path: str) -> str:
        return f"{find.without_suffix(path)}.mp4"

    videos.write_lists(lists, args.out, lambda item: videos.renamed_lines(item, renamed, outcome.frames))


def prepare_index(args: argparse.Namespace) -> None:
    """Writes an index."""
    from paddlevideo.tasks.prepare import index, videos
    from paddlevideo.utils import log

    log.setup()
    folders = [path for path in args.source if path.is_dir()]
    lists = _lists(args, [path for path in args.source if not path.is_dir()])
    paths = [folder / name for folder in folders for name in videos.below(folder)]
    paths += [(args.data_prefix or Path()) / name for name in videos.listed(lists)]
    first = args.source[0]
    out = args.out or (first if first.is_dir() else first.parent) / "index.jsonl"
    facts = index.make_index(map(str, paths), out, not args.no_hash, args.workers)
    for line in index.summary(facts):
        log.logger.info(line)
    log.logger.info(f"{out}: give this file as `index:` of the data set")
    if all(known.reason for known in facts.values()):
        raise UserError(f"{out}: none of {len(facts)} files can be read")
