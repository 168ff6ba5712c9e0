"""Which rows are in sight, and which one is under the cursor: by key, never by place.

A place is where a row stands on the grid: its position in the model, except that a
row that has just gone still takes the place it had, for one change.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.tui.grid.model import GridModel, Key


class Viewport:
    """The window on a model; pure, so that it can be tested without a screen."""

    def __init__(self, model: GridModel) -> None:
        """Look at the top of *model*."""
        self.model = model
        self.height = 0
        self.top = 0
        self.cursor: Key | None = None
        self.place = 0
        """Where the cursor is."""
        self.gone = False
        """Whether the cursor's row has just gone."""
        self.following = False
        self.asked = True
        """Whether the next change is one that the operator asked for."""
        self._touched = False
        self._line = 0
        """The line on which the cursor was last."""
        self._seen: tuple[Key | None, ...] = ()
        self.settle()

    @property
    def total(self) -> int:
        """Return the number of rows, with the one that has just gone."""
        return self.model.count + self.gone

    def row(self, place: int) -> Key | None:
        """Return the row at a place; None below the last."""
        if self.gone:
            if place == self.place:
                return self.cursor
            place -= place > self.place
        return self.model.key_at(place) if place >= 0 else None

    def rows(self) -> Iterator[Key | None]:
        """Return what is in sight, line by line."""
        return map(self.row, range(self.top, self.top + self.height))

    def in_sight(self, place: int) -> bool:
        """Return whether a place is on the screen."""
        return self.top <= place < self.top + self.height

    def resize(self, height: int) -> None:
        """Take another number of lines; what was under the cursor stays in sight."""
        was = self.height == 0 or self.in_sight(self.place)
        self.height = max(height, 0)
        self._show(self.place if was else self.top)

    def settle(self, *, tick: bool = True) -> None:
        """Find everything again after the model changed.

        The cursor stays on its row; what is in sight stays on its lines, unless the
        cursor's row is to be followed, or the operator asked for another order.
        A row that has just gone leaves with the next *tick*.
        """
        seen = self.in_sight(self.place)
        position = None if self.cursor is None else self.model.position_of(self.cursor)
        lost = position is None
        leaving = self.gone and tick
        self.gone = lost and not (leaving or self.asked or self.cursor is None)
        drift = self._drift(closing=self.gone or (lost and seen))
        if position is None:
            place = 0 if self.asked else self.place + drift
            position = max(min(place, self.total - 1), 0)
        self.place = position
        if lost and not self.gone:
            self.cursor = self.model.key_at(position)
        self._keep_in_sight(drift, seen)

    def _keep_in_sight(self, drift: int, seen: bool) -> None:
        """Move the window along with what it showed."""
        wanted = self.following or self.asked
        if not self._touched:  # whoever only looks, looks at the top
            self.top = 0
        elif wanted and seen:
            self.top = self.place - self._line
        else:
            self.top += drift
        if wanted or (seen and not self._touched):
            self._show(self.place)
        self.asked = False
        self._remember()

    def to(self, place: int) -> None:
        """Put the cursor on a place, or the nearest, and bring it in sight."""
        self._touched = True
        if self.gone:
            place -= place > self.place
            self.gone = False
        self.place = max(min(place, self.model.count - 1), 0)
        self.cursor = self.model.key_at(self.place)
        self._show(self.place)

    def page(self, direction: int) -> None:
        """Go a screen up or down; the cursor keeps its line."""
        by = direction * max(self.height, 1)
        self.top += by
        self.to(self.place + by)

    def scroll(self, lines: int) -> None:
        """Move what is in sight, and leave the cursor where it is."""
        self._touched = True
        self.top += lines
        self._remember()

    def _show(self, place: int) -> None:
        """Move as little as it takes to see a place."""
        self.top = max(min(self.top, place), place - max(self.height, 1) + 1)
        self._remember()

    def _remember(self) -> None:
        """Keep within the rows, and note what is where."""
        self.top = max(min(self.top, self.total - self.height), 0)
        self._line = self.place - self.top
        self._seen = tuple(self.rows())

    def _drift(self, *, closing: bool) -> int:
        """Return by how much the rows in sight have moved together.

        That of the cursor's row, unless it moved by itself; then its neighbours'.
        *closing*: those below the cursor stand, or stood, one lower for its sake.
        """
        middle = (
            self._line if 0 <= self._line < len(self._seen) else len(self._seen) // 2
        )
        found = {}
        for line in (middle, middle - 1, middle + 1, middle - 2, middle + 2):
            position = self._position_at(line)
            if position is not None:
                found[line] = position + (closing and line > self._line)
        for line, position in found.items():
            if self._in_company(line, found):
                return position - self.top - line
        return 0

    def _position_at(self, line: int) -> int | None:
        """Return where what was on a line stands now."""
        key = self._seen[line] if 0 <= line < len(self._seen) else None
        if key is None:
            return None
        if self.model.key_at(self.top + line) == key:  # as a rule nothing moved
            return self.top + line
        return self.model.position_of(key)

    def _in_company(self, line: int, found: dict[int, int]) -> bool:
        """Return whether most of the neighbours are still on their side, and near."""
        position = found[line]
        near = sum(
            0 < (other - position) * (1 if at > line else -1) <= self.height
            for at, other in found.items()
            if at != line
        )
        return 2 * near > len(found) - 1 or len(found) == 1
