"""Scalars for VisualDL, where a log folder was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddlevideo.utils.errors import UserError


class Scalars:
    """Writes scalars into a folder that `visualdl --logdir` shows; without a folder it does nothing.

    Raises:
        UserError: VisualDL is not installed.
    """

    def __init__(self, folder: str | None) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from visualdl import LogWriter
        except ImportError:
            raise UserError("log_dir needs VisualDL: pip install 'paddlevideo[visualdl]'; or leave it out") from None
        self._writer = LogWriter(logdir=folder)

    def add(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Adds one point to each curve `group/name`."""
        if self._writer is not None:
            for name, value in values.items():
                self._writer.add_scalar(tag=f"{group}/{name}", step=step, value=value)

    def close(self) -> None:
        """Writes out what is pending."""
        if self._writer is not None:
            self._writer.close()
