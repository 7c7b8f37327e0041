"""What VisualDL shows of a run, where a log folder was asked for: curves, first clips, the config, the environment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddlevideo.utils.errors import UserError

CLIPS = 4  # of the first batch that are shown
PLACES = ("epoch", "epochs", "step", "iteration", "batches", "eta", "samples", "total")  # of a row; no curves


class Scalars:
    """Writes into a folder that `visualdl --logdir` shows; without a folder it does nothing.

    The file of a run always has the same name and is written anew when the run goes on, from `rows`: so no step is
    in it twice.

    Args:
        name: of the run.
        rows: what `metrics.jsonl` holds of the run so far.
    Raises:
        UserError: VisualDL is not installed.
    """

    def __init__(self, folder: str | None, name: str, rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from visualdl import LogWriter
        except ImportError:
            raise UserError("log_dir needs VisualDL: pip install 'paddlevideo[visualdl]'; or leave it out") from None
        file = f"vdlrecords.{name}.log"
        Path(folder, file).unlink(missing_ok=True)
        self._writer = LogWriter(logdir=folder, file_name=file)
        for row in rows:
            self.add(row)

    @property
    def active(self) -> bool:
        """Whether anything is written."""
        return self._writer is not None

    def add(self, row: Mapping[str, Any]) -> None:
        """Adds one point to each curve `kind/name` of a row of `metrics.jsonl`."""
        if self._writer is None or "iteration" not in row:
            return
        for name, value in row.items():
            if name not in PLACES and isinstance(value, int | float) and not isinstance(value, bool):
                self._writer.add_scalar(tag=f"{row['kind']}/{name}", step=row["iteration"], value=value)

    def about(self, card: Mapping[str, Any]) -> None:
        """Adds the config, and what runs it, as texts."""
        if self._writer is not None:
            for name, value in card.items():
                text = json.dumps(value, indent=1, ensure_ascii=False)
                self._writer.add_text(tag=name, text_string=f"```\n{text}\n```", step=0)

    def clips(self, clips: Sequence[np.ndarray], names: Sequence[str]) -> None:
        """Adds some clips [T, H, W, 3] uint8, each as a row of its frames; `names` says what they are."""
        if self._writer is not None:
            for number, (clip, name) in enumerate(zip(clips[:CLIPS], names)):
                row = np.concatenate(list(clip), axis=1)  # [H, T*W, 3]
                self._writer.add_image(tag=f"first batch/{number} {name}", img=row, step=0)

    def close(self) -> None:
        """Writes out what is pending."""
        if self._writer is not None:
            self._writer.close()
