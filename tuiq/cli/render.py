"""How views put values on a line: tables and JSON.

Pure: no clock, no stream.  Whatever comes from mail passes ``printable`` (text)
or ``json_line`` (JSON) here or in the view before it reaches a terminal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Whether cells are flush right, as numbers are."""


def text(raw: bytes) -> str:
    """Decode bytes for a JSON value; what is not UTF-8 becomes ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def json_line(value: object) -> str:
    """Return *value* as one line of ASCII that no terminal acts upon."""
    return without_delete(json.dumps(value))


def quoted(value: str) -> str:
    """Return *value* as a JSON string; the line it goes into is not done yet.

    See ``without_delete``.
    """
    return encode_basestring_ascii(value)


def without_delete(line: str) -> str:
    """Escape DEL, the one control character that JSON leaves as it is."""
    return line.replace("\x7f", "\\u007f") if "\x7f" in line else line


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the heading and the rows, each column as wide as its widest cell."""
    cells = [[column.title for column in columns], *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ).rstrip()
