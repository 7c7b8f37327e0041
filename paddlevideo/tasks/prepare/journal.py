"""What a long run has finished so far, on disk, so that the same command goes on where it was killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from paddlevideo.utils import files
from paddlevideo.utils.errors import UserError

try:
    import fcntl
except ImportError:  # Windows: two runs at once are not noticed there
    fcntl = None  # type: ignore[assignment]


class Journal:
    """A file of JSON lines: what the run was asked for, then one row for each finished piece of work.

    One run at a time may hold it. A line that a kill has cut short is dropped; its work is then done again.

    Attributes:
        rows: path -> the last row with this `path`.
    Raises:
        UserError: it was begun with other settings, another run holds it, or it cannot be written.
    """

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise UserError(f"{path}: cannot be written ({error.strerror})") from None
        try:
            self._hold()
            self.rows = self._read(json.loads(json.dumps(settings)))
        except BaseException:
            self._file.close()
            raise

    def _hold(self) -> None:
        if fcntl is not None:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{self.path.parent}: another run is writing here; wait for its end") from None
            except OSError:  # a file system without locks
                pass

    def _read(self, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
        self._file.seek(0)
        data = self._file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._file.fileno(), whole)
        if not whole:
            self._append(settings)
            return {}
        begun, *rows = [self._parse(line) for line in data[:whole].splitlines()]
        if begun != settings and not rows:  # nothing was made in the old way
            os.ftruncate(self._file.fileno(), 0)
            self._append(settings)
            return {}
        for key in sorted({*settings, *begun}, key=lambda key: (key != "what", key)):
            if begun.get(key) != settings.get(key):
                raise UserError(
                    f"{self.path.parent}: was begun with {key} {begun.get(key)}, now it is {settings.get(key)}; "
                    f"go on with the old value or choose another place"
                )
        return {row["path"]: row for row in rows if isinstance(row.get("path"), str)}

    @staticmethod
    def _parse(line: bytes) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError:
            return {}
        return row if isinstance(row, dict) else {}

    def add(self, row: dict[str, Any]) -> None:
        """A piece of work is finished."""
        self._append(row)
        self.rows[row["path"]] = row

    def _append(self, row: dict[str, Any]) -> None:
        files.append(self._file, self.path, json.dumps(row).encode() + b"\n")

    def remove(self) -> None:
        """The run is complete and needs it no more."""
        self.path.unlink()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
