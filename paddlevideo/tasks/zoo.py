"""The table of models in text and in markdown."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import PurePosixPath

from paddlevideo.tasks.models import Row

HEADER = ("config", "model", "parameters", "GMACs", "one view", "views", "classes", "top-1")
NUMBERS = (2, 3, 5)  # columns set to the right

INTRODUCTION = """# Models

Every config of `configs/`, counted from the code. This page is generated: `paddlevideo models --write {page}`.

- **parameters**: trained ones, in millions; batch norm statistics are not counted.
- **GMACs**: multiply-adds of one view, in 10^9: convolutions, matrix products (those of attention too), and two for
  each normalised value, as mmaction2 counts. A video costs this times its views.
- **one view**: frames x height x width that the model sees at once, as `PIPELINE.test` gives them.
- **views**: clips in time x crops in space that a video is tested on.
- **top-1**: in percent, and who reports it; it belongs to their weights and their data. "us": measured by us. "-": no
  figure is known for this very config.
"""


def cells(row: Row, name: str) -> list[str]:
    """A row as texts in the order of `HEADER`."""
    height, width = row.size
    return [
        name,
        row.model,
        f"{row.parameters / 1e6:.2f} M",
        f"{row.macs / 1e9:.{1 if row.macs > 1e9 else 3}f}",
        f"{row.frames}x{height}x{width}",
        f"{row.clips}x{row.crops}",
        f"{row.classes} ({row.data})",
        "-" if row.top1 is None else f"{row.top1} ({row.reported_by})",
    ]


def text(rows: Sequence[Row]) -> Iterator[str]:
    """Lines of a table for a terminal."""
    table = [list(HEADER), *(cells(row, row.config) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADER))]
    for line in table:
        yield "  ".join(f"{cell:{'>' if i in NUMBERS else '<'}{widths[i]}}" for i, cell in enumerate(line)).rstrip()


def page(rows: Sequence[Row], path: str) -> str:
    """The markdown page that is to stand at `path`: a table for each folder of configs, each name a link."""
    lines = [INTRODUCTION.format(page=path)]
    rule = "|".join("---:" if i in NUMBERS else "---" for i in range(len(HEADER)))
    folders = [PurePosixPath(row.config).parent for row in rows]
    above = os.path.commonpath(folders) if len(set(folders)) > 1 else folders[0].parent
    for folder, group in groupby(rows, key=lambda row: PurePosixPath(row.config).parent):
        lines += [f"## {folder.relative_to(above)}", "", f"| {' | '.join(HEADER)} |", f"|{rule}|"]
        for row in group:
            link = PurePosixPath(os.path.relpath(row.config, PurePosixPath(path).parent)).as_posix()
            lines.append(f"| {' | '.join(cells(row, f'[{PurePosixPath(row.config).name}]({link})'))} |")
        lines.append("")
    return "\n".join(lines)
