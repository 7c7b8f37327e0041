"""Convert weights of other projects, or from one container to another; PyTorch is not needed.

paddlevideo convert tsm_r50_1x1x8_50e_kinetics400_rgb.pth tsm.pdparams --to CONFIG
"""

from __future__ import annotations

import argparse
from pathlib import Path

from paddlevideo.utils.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of convert."""
    parser.add_argument(
        "source",
        metavar="IN",
        help="weights of mmaction2, mit-han-lab TSM, facebookresearch or Hugging Face TimeSformer, torchvision, timm "
        "or PaddleVideo; recognised by what is inside",
    )
    parser.add_argument("target", metavar="OUT", help="file to write, .pdparams or .safetensors")
    parser.add_argument("--to", metavar="CONFIG", help="write only what fits the model of this config")
    parser.add_argument(
        "-o", "--override", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="values of that config"
    )
    parser.add_argument("--labels-from", metavar="FILE", help="the classes in the file's order, one a line")
    parser.add_argument("--labels-to", metavar="FILE", help="the same classes, or some of them, in the order wanted")
    parser.add_argument("--report", metavar="FILE", help="where all arrays are listed (OUT.report.txt)")


def run(args: argparse.Namespace) -> None:
    """Converts."""
    from paddlevideo.tasks import session
    from paddlevideo.tasks.convert import convert

    if (args.labels_from is None) != (args.labels_to is None):
        raise UserError("--labels-from and --labels-to go together: the order there is and the order wanted")
    if args.override and not args.to:
        raise UserError("-o changes the config that --to names; give that too")
    session.start_quietly(use_gpu=False)
    labels = (Path(args.labels_from), Path(args.labels_to)) if args.labels_from else None
    report = Path(args.report) if args.report else None
    convert(Path(args.source), Path(args.target), args.to, args.override, labels, report)
