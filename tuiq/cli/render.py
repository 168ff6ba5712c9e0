"""How views put values on a line: ages, sizes, instants, tables and JSON.

Pure: no clock, no stream.  Whatever comes from mail passes ``printable`` (text)
or ``json_line`` (JSON) here or in the view before it reaches a terminal.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MINUTE = 60
HOUR = 3600
DAY = 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Whether cells are flush right, as numbers are."""


def age(seconds: float) -> str:
    """Return a duration in the four to six characters that a column has for it."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02}"
    return f"{whole // DAY}d{whole % DAY // HOUR:02}h"


def span(seconds: float) -> str:
    """Return a duration as a sentence has it: ``12 min``, ``2 h 05 min``."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"
    return f"{whole // DAY} d {whole % DAY // HOUR:02} h"


def size(count: float) -> str:
    """Return a number of bytes with one decimal and the unit: ``14.2K``."""
    if count < 1000:
        return str(int(count))
    for unit in "KMGT":
        count /= 1024
        if count < 999.95:
            return f"{count:.1f}{unit}"
    return f"{count:.0f}T"


def instant(epoch: float) -> str:
    """Return a local time that sorts: ``2026-11-19 21:14:03``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def arrival(epoch: float) -> str:
    """Return a local time as mailq prints it: ``Sun Nov 22 02:30:24``."""
    return time.asctime(time.localtime(epoch))[:19]


def plural(count: int, noun: str) -> str:
    """Return ``1 request``, ``2 requests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def text(raw: bytes) -> str:
    """Decode bytes for a JSON value; what is not UTF-8 becomes ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def json_line(value: object) -> str:
    """Return *value* as one line of ASCII that no terminal acts upon."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the heading and the rows, each column as wide as its widest cell."""
    cells = [[column.title for column in columns], *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        yield "  ".join(
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        ).rstrip()
