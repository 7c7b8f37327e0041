"""`metrics.jsonl`: the figures of a run as JSON lines, beside its log, for programs to read (`paddlevideo plot`)."""

from __future__ import annotations

import datetime
import json
import math
from io import FileIO
from pathlib import Path
from typing import Any

from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

NAME = "metrics.jsonl"


class MetricsLog:
    """Appends lines to a file; each is with the system when `add` returns, so a killed run loses none.

    What an earlier run wrote stays; a line that a kill cut short goes. Without a path (ranks above 0) it does nothing.

    Raises:
        UserError: the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: FileIO | None = None
        if path is not None:
            self._file = _opened(path)

    def add(self, kind: str, **values: Any) -> None:
        """Writes one line: kind, time, then `values`; null for numbers that are not finite, which JSON has not."""
        if self._file is None or self._path is None:
            return
        row = {"kind": kind, "time": datetime.datetime.now().isoformat(timespec="milliseconds"), **values}
        plain = {
            key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
        }
        line = json.dumps(plain, ensure_ascii=False, allow_nan=False).encode() + b"\n"
        files.append(self._file, self._path, line)

    def rewind(self, iteration: int, epochs: int = 0) -> None:
        """Takes the run back: removes every line whose `iteration` is beyond this one; 0 leaves those that have none.

        Lines of epochs beyond `epochs`, those that are ended, go too, but for those of steps; and those of SWA's mean,
        which is made when a run ends, after its last checkpoint. The file is replaced as a whole, so a kill leaves the
        old one or the new one.
        """
        if self._file is None or self._path is None:
            return
        lines = self._path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if _stays(line, iteration, epochs)]
        if kept == lines:
            return
        self._file.close()
        with files.atomic(self._path) as scratch:
            scratch.write_bytes(b"".join(kept))
        self._file = _opened(self._path)

    def close(self) -> None:
        """Closes the file; nothing can be added after that."""
        if self._file is not None:
            self._file.close()


def _opened(path: Path) -> FileIO:
    """The file, open for appending at the end of its last whole line."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+b", buffering=0)
        file.seek(0)
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if _row(data[whole:]) is not None:  # only its line feed is missing
            file.write(b"\n")
        else:
            file.truncate(whole)
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); change output_dir") from None
    return file


def _row(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None where there is none."""
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _stays(line: bytes, iteration: int, epochs: int) -> bool:
    """Whether a line is of so many batches and ended epochs at most; what is no line of ours goes."""
    row = _row(line)
    if row is None or row.get("kind") == "val_swa":
        return False
    done, epoch = (value if isinstance(value := row.get(key), int) else 0 for key in ("iteration", "epoch"))
    return done <= iteration and (row.get("kind") == "step" or epoch <= epochs)
