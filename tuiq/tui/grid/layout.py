"""Where each column of a grid stands: chosen, narrowed to the width, scrolled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tuiq.tui.grid.model import Column

if TYPE_CHECKING:
    from tuiq.tui.choices import GridChoice

MARGIN = 2
"""The mark and the space after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A column with the cells that it got."""

    column: Column
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Columns from left to right."""

    shown: tuple[str, ...]
    """Ids of the columns that take part, those scrolled out on the left too."""
    drawn: tuple[Placed, ...]
    gap: int
    """Spaces between two columns."""
    width: int
    """Cells of a line, what is left over included."""

    @property
    def ids(self) -> list[str]:
        """Return the ids of the columns that are drawn."""
        return [placed.column.id for placed in self.drawn]


def chosen(columns: Sequence[Column], choice: GridChoice) -> list[Column]:
    """Return the columns that the user wants, in his order, with his widths."""
    by_id = {column.id: column for column in columns}
    wanted = [by_id[id] for id in choice.columns if id in by_id]
    if not wanted:
        wanted = [column for column in columns if not column.hidden]
    return [_resized(column, choice.widths.get(column.id, 0)) for column in wanted]


def _resized(column: Column, width: int) -> Column:
    """Return a column with the width that the user gave it."""
    return replace(column, width=width, flex=0) if width > 0 else column


def arrange(columns: Sequence[Column], width: int, focused: str) -> Layout:
    """Return the layout of *columns* in *width* cells; the focused one never leaves."""
    room = width - MARGIN
    staying = _narrowed(columns, room, focused)
    shown = tuple(column.id for column in staying)
    staying = _within(_scrolled(staying, room, focused), room)
    spare = room - _needed(staying, 1)
    gap = 2 if spare >= len(staying) else 1
    widths = _shares(staying, room - _needed(staying, gap))
    drawn = tuple(
        Placed(column=column, width=cells)
        for column, cells in zip(staying, widths, strict=True)
    )
    if spare < 0 and drawn:  # even the last one does not fit whole
        last = drawn[-1]
        cut = Placed(column=last.column, width=max(last.width + spare, 1))
        drawn = (*drawn[:-1], cut)
    return Layout(shown=shown, drawn=drawn, gap=gap, width=width)


def _needed(columns: Sequence[Column], gap: int) -> int:
    """Return the least cells for *columns*."""
    return sum(column.width for column in columns) + gap * max(len(columns) - 1, 0)


def _narrowed(columns: Sequence[Column], room: int, focused: str) -> list[Column]:
    """Return what is left once those that may leave have left, as far as needed."""
    staying = list(columns)
    leaving = [c for c in columns if c.priority > 0 and c.id != focused]
    leaving.sort(key=lambda column: column.priority)  # of equals the rightmost first
    while leaving and _needed(staying, 1) > room:
        staying.remove(leaving.pop())
    return staying


def _scrolled(columns: Sequence[Column], room: int, focused: str) -> Sequence[Column]:
    """Return the columns without as many on the left as hide the focused one."""
    end = 1 + next((n for n, c in enumerate(columns) if c.id == focused), 0)
    start = 0
    while start < end - 1 and (
        _needed(columns[start:end], 1) > room
        or len(_within(columns[start:], room)) < end - start
    ):
        start += 1
    return columns[start:]


def _within(columns: Sequence[Column], room: int) -> list[Column]:
    """Return the columns that begin within *room*, the first in any case."""
    used, kept = 0, list(columns[:1])
    for before, column in pairwise(columns):
        used += before.width + 1
        if used + 3 > room:  # less than three cells say nothing
            break
        kept.append(column)
    return kept


def _shares(columns: Sequence[Column], spare: int) -> list[int]:
    """Return the columns' widths, the spare cells dealt out by their shares."""
    total = sum(column.flex for column in columns)
    if not total or spare <= 0:
        return [column.width for column in columns]
    widths, given, passed = [], 0, 0
    for column in columns:
        passed += column.flex
        due = spare * passed // total - given  # rounds so that the sum is right
        given += due
        widths.append(column.width + due)
    return widths
