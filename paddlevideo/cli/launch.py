"""What every command does around its work: parse, prepare the process, report a user's mistake in one line."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from paddlevideo.utils import environment
from paddlevideo.utils.errors import UserError


def start(command: ModuleType, argv: Sequence[str] | None = None) -> None:
    """Runs one command module as a program of its own and exits with its code."""
    parser = argparse.ArgumentParser(description=command.__doc__, formatter_class=HelpFormatter)
    command.add_arguments(parser)
    common_flags(parser)
    parser.set_defaults(command=command)
    sys.exit(run(parser.parse_args(argv), restart=argv is None))


class HelpFormatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Help with the defaults that say something, and descriptions as they were written."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        silent = action.default in (None, False, "", []) or action.default == argparse.SUPPRESS
        return action.help if silent else super()._get_help_string(action)


def common_flags(parser: argparse.ArgumentParser) -> None:
    """Flags that every command has."""
    parser.add_argument("--debug", action="store_true", help="show the traceback of a user error too")


def config_flags(parser: argparse.ArgumentParser, short: bool = True, required: bool = True) -> None:
    """-c and -o. `short` is False where -o means something else."""
    else_where = "" if required else "; without it, the one in the weight file, if this program wrote that"
    parser.add_argument("-c", "--config", required=required, metavar="FILE", help=f"config file (YAML){else_where}")
    parser.add_argument(
        *(["-o", "--override"] if short else ["--override"]),
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="replace config values, such as MODEL.head.num_classes=5; lists are addressed by index",
    )


def device_flags(parser: argparse.ArgumentParser) -> None:
    """--use_gpu and --cpu_threads."""
    parser.add_argument("--use_gpu", type=boolean, metavar="BOOL", help="run on the GPU (by default where one is)")
    parser.add_argument("--cpu_threads", type=positive, metavar="N", help="threads on the CPU (by default all cores)")


def workers_flag(parser: argparse.ArgumentParser) -> None:
    """--workers, of commands that do the same to many files."""
    cores = environment.cores()
    parser.add_argument("--workers", type=natural, default=cores, metavar="N", help="processes; 0: none beside")


def boolean(text: str) -> bool:
    """true/t/1/yes and false/f/0/no in any case."""
    if text.lower() in ("true", "t", "1", "yes"):
        return True
    if text.lower() in ("false", "f", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, got '{text}'")


def positive(text: str) -> int:
    """An integer of at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got '{text}'")
    return int(text)


def natural(text: str) -> int:
    """An integer of at least 0."""
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, got '{text}'")
    return int(text)


def run(args: argparse.Namespace, restart: bool) -> int:
    """Runs the chosen command. Returns its exit code: 0 done, 2 a user's mistake, 128 + n stopped by signal n.

    Args:
        restart: the process is ours, so it may be started again with better settings.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files that the terminal cannot show
    try:
        legacy = getattr(args, "format", "json") in ("auto", "pdmodel")
        environment.prepare(getattr(args, "cpu_threads", None), legacy, restart)
        if getattr(args.command, "NEEDS_PADDLE", True):
            environment.import_paddle()
        return args.command.run(args) or 0
    except UserError as error:
        if args.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
