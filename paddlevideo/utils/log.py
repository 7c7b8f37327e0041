"""The logger: lines `[MM/DD HH:MM:SS] text` on the console of rank 0 and in `<output_dir>/<name>.log`."""

from __future__ import annotations

import contextlib
import logging
import sys
from pathlib import Path

from tqdm import tqdm

from paddlevideo.utils.errors import UserError

logger = logging.getLogger("paddlevideo")
FORMAT = logging.Formatter("[%(asctime)s] %(message)s", datefmt="%m/%d %H:%M:%S")


class _Console(logging.Handler):
    """Writes to stdout without tearing a progress bar that may be on the terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stdout)
        sys.stdout.flush()


def setup(file: Path | None = None, rank: int = 0) -> None:
    """Starts logging; calling it again replaces the file. Ranks above 0 write to a file of their own only.

    Raises:
        UserError: the file cannot be written.
    """
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if rank == 0:
        _add(_Console())
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            name = file if rank == 0 else f"{file}.rank{rank}"
            _add(logging.FileHandler(name, encoding="utf-8", errors="backslashreplace"))
        except OSError as error:
            raise UserError(f"{file.parent}: cannot be written ({error.strerror}); change output_dir") from None


def _add(handler: logging.Handler) -> None:
    handler.setFormatter(FORMAT)
    logger.addHandler(handler)


def tell_console(text: str) -> None:
    """Shows a text of a process above rank 0 where paddle.distributed.launch shows those of rank 0.

    Where a process fails the others do, and the launcher may show another one's last words. All write into files of one
    folder, of which it shows workerlog.0.
    """
    with contextlib.suppress(OSError):  # no /proc, or not so launched: then the process's own log has to do
        own = Path("/proc/self/fd/2").readlink()
        if own.name.startswith("workerlog."):
            with own.with_name("workerlog.0").open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"{text}\n")


def on_terminal() -> bool:
    """Whether progress bars make sense: somebody looks at a terminal. Otherwise plain lines are better."""
    return sys.stdout.isatty() and sys.stderr.isatty()


def file_only(text: str) -> None:
    """A line for the log file that the console shows in another form (a progress bar)."""
    record = logger.makeRecord(logger.name, logging.INFO, "", 0, text, (), None)
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.emit(record)
