"""Columns as they are being arranged, pure: shown or not, in order, with widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tuiq.tui.choices import GridChoice

if TYPE_CHECKING:
    from tuiq.tui.grid.model import Column

NARROWEST, WIDEST = 3, 200


class Arrangement:
    """All columns in order; those that are shown come first when it is made."""

    def __init__(
        self,
        columns: Sequence[Column],
        choice: GridChoice,
        drawn: Mapping[str, int] | None = None,
    ) -> None:
        """Begin with what *choice* says; *drawn* are the widths on the screen now."""
        self._columns = {column.id: column for column in columns}
        known = [id for id in dict.fromkeys(choice.columns) if id in self._columns]
        shown = known or self._usual()
        self.order = [*shown, *(id for id in self._columns if id not in shown)]
        self._shown = set(shown)
        self._drawn = drawn or {}
        self._widths = {
            id: width for id, width in choice.widths.items() if id in self._columns
        }

    def _usual(self) -> list[str]:
        return [id for id, column in self._columns.items() if not column.hidden]

    def column(self, at: int) -> Column:
        """Return the column at a place."""
        return self._columns[self.order[at]]

    def is_shown(self, at: int) -> bool:
        """Return whether the column at a place is shown."""
        return self.order[at] in self._shown

    def width(self, at: int) -> int | None:
        """Return the width that was chosen; None: as it comes."""
        return self._widths.get(self.order[at]) or None

    def toggle(self, at: int) -> str:
        """Show the column or hide it; return the complaint if it cannot go."""
        if self._shown == {self.order[at]}:
            return "One column must stay."
        self._shown ^= {self.order[at]}
        return ""

    def move(self, at: int, by: int) -> int:
        """Move the column; return its new place."""
        to = max(min(at + by, len(self.order) - 1), 0)
        self.order.insert(to, self.order.pop(at))
        return to

    def widen(self, at: int, by: int) -> None:
        """Make the column wider or narrower than it is."""
        column = self.column(at)
        width = self.width(at) or self._drawn.get(column.id, column.width)
        self._widths[column.id] = max(min(width + by, WIDEST), NARROWEST)

    def unwiden(self, at: int) -> None:
        """Let the column be as wide as it comes."""
        self._widths.pop(self.order[at], None)

    def reset(self) -> None:
        """Take every choice back."""
        self.order = list(self._columns)
        self._shown = set(self._usual())
        self._widths = {}

    @property
    def columns(self) -> list[str]:
        """Return what ``GridChoice.columns`` wants; empty: as they come."""
        shown = [id for id in self.order if id in self._shown]
        return [] if shown == self._usual() else shown

    @property
    def widths(self) -> dict[str, int]:
        """Return what ``GridChoice.widths`` wants."""
        return dict(self._widths)
