"""What a grid shows: columns, keys, and the cells of the rows that are visible.

A row is known by its key (queue id, name …), never by its position: the cursor and
the marks are keys, and positions are asked for anew after every change.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from tuiq.tui.look.roles import Role

Key = Hashable
"""Identity of a row; equal keys are the same thing, whatever its position."""

Cell = tuple[str, Role]
"""Text that was made safe (``text.clean``), and the role that it is coloured by."""


class Align(Enum):
    """To which side a column's text is pushed."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column that a grid may show."""

    id: str
    """For settings and sorting; stable across versions."""
    title: str
    width: int
    """Cells it needs at least; a flexible column gets more when there is more."""
    flex: int = 0
    """Share of the spare width; 0 = fixed."""
    align: Align = Align.LEFT
    priority: int = 0
    """Columns with the highest number leave first where the terminal is narrow;
    0 never leaves."""
    sortable: bool = False
    hidden: bool = False
    """Whether it is off until the column chooser turns it on."""
    gloss: str = ""
    """What it says, for the chooser and the help."""


def left(
    id: str, title: str, width: int, priority: int, gloss: str, **options: Any
) -> Column:
    """Return a column of words that can be sorted; *options* are further fields."""
    told: dict[str, Any] = {"sortable": True, **options}
    return Column(
        id=id, title=title, width=width, priority=priority, gloss=gloss, **told
    )


def right(
    id: str, title: str, width: int, priority: int, gloss: str, **options: Any
) -> Column:
    """Return such a column of numbers."""
    return left(id, title, width, priority, gloss, align=Align.RIGHT, **options)


@runtime_checkable
class GridModel(Protocol):
    """Rows in an order.  Only the UI thread calls it."""

    @property
    def columns(self) -> Sequence[Column]:
        """Return every column there is, in the order they stand by default."""

    @property
    def count(self) -> int:
        """Return the number of rows."""

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the id of the column that orders the rows, and whether downwards."""

    def key_at(self, position: int) -> Key | None:
        """Return the row at *position*; None outside."""

    def position_of(self, key: Key) -> int | None:
        """Return where a row is; None when it is not shown."""

    def version(self, key: Key) -> int:
        """Return a number that differs whenever the row's cells differ."""

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        """Return one cell for each of *columns*; called for visible rows only."""


@runtime_checkable
class Listed(Protocol):
    """What a GridModel of many rows does besides, so that nobody asks row by row."""

    def between(self, first: int, last: int) -> Iterable[Key]:
        """Return the keys at *first* to *last*, that included; to be used at once.

        What the marks that the page gives to the grid take in quickly.
        """
