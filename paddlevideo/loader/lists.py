"""Lists of videos with their classes, as text, CSV or JSON lines: `read_list` reads them all."""

from __future__ import annotations

from pathlib import Path

from paddlevideo.loader.list_columns import Form, Record
from paddlevideo.loader.list_layouts import Line, WrongColumns, layout_of
from paddlevideo.utils.errors import UserError
from paddlevideo.utils.log import logger

SHOWN = 5  # broken lines that are printed in full
LONGEST = 200  # characters of a broken line, and of what is wrong with it, that are printed


def read_lines(file_path: str, what: str = "the list of videos") -> list[Line]:
    """The lines of a UTF-8 text, without blank ones and those that begin with #.

    Raises:
        UserError: it cannot be read, is a folder, or is no text.
    """
    try:
        text = Path(file_path).read_text(encoding="utf-8-sig")
        reason = "it is no text (it holds zero bytes)" if "\0" in text else ""
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8 text (byte {error.start})"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        raise UserError(f"{file_path}: {what} cannot be read: {reason}")
    lines = [Line(number, line.strip()) for number, line in enumerate(text.split("\n"), start=1)]
    return [line for line in lines if line.text and not line.text.startswith("#")]


def read_list(file_path: str, form: Form) -> list[Record]:
    """The records of a list, in its order.

    How it is laid out is found from its lines, see `layout_of`. Columns with unknown names are left out, which is said.

    Raises:
        UserError: the list cannot be read, is empty, or has broken lines, of which the first are shown.
    """
    lines = read_lines(file_path)
    words = form.words
    if not lines:
        raise UserError(f"{file_path}: the list holds no videos; expected lines '{words}'")
    try:
        layout, header = layout_of(lines, form)
    except ValueError as error:
        raise UserError(fault(file_path, lines[0], words, str(error))) from None
    records, broken = [], []
    for line in lines[1:] if header else lines:
        try:
            records.append(form.record(layout.cells(line.text), line.number))
        except WrongColumns:
            broken.append(fault(file_path, line, layout.expected))
        except ValueError as error:
            broken.append(fault(file_path, line, layout.expected, str(error)))
    if broken:
        more = [f"... {len(broken)} broken lines in all"] if len(broken) > SHOWN else []
        raise UserError("\n".join(broken[:SHOWN] + more))
    if not records:
        raise UserError(f"{file_path}: the list holds no videos, only a header; expected lines '{layout.expected}'")
    if layout.unknown:
        logger.info(f"{file_path}: columns that are not used: {', '.join(layout.unknown)}")
    return records


def fault(file_path: str, line: Line, expected: str, reason: str = "") -> str:
    """`list:2: 'text'; expected 'path label' (reason)`, on one line whatever the text holds."""
    text = f"{file_path}:{line.number}: '{_shown(line.text)}'; expected '{_shown(expected)}'"
    return f"{text} ({_shown(reason)})" if reason else text


def _shown(text: str) -> str:
    """Text as it can be printed: on one line, and not too long."""
    plain = "".join(char if char.isprintable() else " " for char in text[: LONGEST + 1])
    return plain if len(plain) <= LONGEST else f"{plain[:LONGEST]}..."
