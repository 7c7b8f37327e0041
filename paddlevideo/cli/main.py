"""The console command `paddlevideo`: one subcommand a file, Paddle imported only where one needs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from paddlevideo import __version__
from paddlevideo.cli import (
    average,
    benchmark,
    browse,
    check,
    convert,
    doctor,
    eval,
    export,
    launch,
    models,
    plan,
    plot,
    predict,
    prepare,
    repro,
    summary,
    test,
    train,
)

COMMANDS = {
    "train": train,
    "test": test,
    "eval": eval,
    "plot": plot,
    "repro": repro,
    "export": export,
    "predict": predict,
    "prepare": prepare,
    "check": check,
    "doctor": doctor,
    "browse": browse,
    "plan": plan,
    "convert": convert,
    "average": average,
    "summary": summary,
    "models": models,
    "benchmark": benchmark,
}


def parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    top = argparse.ArgumentParser(prog="paddlevideo", description="Video classification on PaddlePaddle.")
    top.add_argument("--version", action="version", version=f"paddlevideo {__version__}")
    below = top.add_subparsers(metavar="COMMAND", required=True)
    for name, module in COMMANDS.items():
        text = (module.__doc__ or "").strip()
        sub = below.add_parser(name, help=text.splitlines()[0], description=text, formatter_class=launch.HelpFormatter)
        module.add_arguments(sub)
        launch.common_flags(sub)
        sub.set_defaults(command=module)
    return top


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point."""
    sys.exit(launch.run(parser().parse_args(argv), restart=argv is None))


if __name__ == "__main__":
    main()
