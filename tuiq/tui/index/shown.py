"""What a view shows: its order as it is, or as it was when it was held still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.spool.layout import is_queue_id
from tuiq.tui.index import ids
from tuiq.tui.index.lines import Picks, coded, rows_of
from tuiq.tui.index.order import Order

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.owner import Index
    from tuiq.tui.index.table import Table


class Held:
    """Messages in an order that nothing changes: some may be gone since."""

    def __init__(self, table: Table, rows: NDArray[np.int32]) -> None:
        """Keep who the messages in *rows* are."""
        self._table = table
        self.rows = rows.copy()
        self._hi, self._lo = table["hi"][rows], table["lo"][rows]
        self._born = table["born"][rows]

    @property
    def is_there(self) -> NDArray[np.bool_]:
        """Return of which messages the row is still theirs."""
        there: NDArray[np.bool_] = self._table["born"][self.rows] == self._born
        return there

    def spell(self, part: slice) -> list[str]:
        """Return the ids at some places."""
        return ids.spell(self._hi[part], self._lo[part])

    def position_of(self, queue_id: str) -> int | None:
        """Return where a message stands."""
        if not is_queue_id(queue_id):
            return None
        hi, lo = ids.parse_one(queue_id)
        found = np.flatnonzero((self._hi == np.uint64(hi)) & (self._lo == lo))
        return found.item(0) if len(found) else None


class Shown:
    """Lists messages by position; what moves them is said by ``MessagesView``."""

    is_of_recipients = False

    def __init__(self, messages: Index) -> None:
        """List nothing."""
        self._messages = messages
        self._table = messages.table
        self._order = Order()
        self._version = 0
        self._held: Held | None = None
        self._held_version = 0
        self.is_frozen = False
        """Whether it is to be held still, as soon as what was asked for is there."""

    @property
    def version(self) -> int:
        """Return a number that grows when rows came, went or changed places."""
        return self._version if self._held is None else self._held_version

    @property
    def is_held(self) -> bool:
        """Say whether what is shown may be of the past."""
        return self._held is not None

    @property
    def count(self) -> int:
        """Return the number of messages that match."""
        return len(self.rows)

    @property
    def rows(self) -> NDArray[np.int32]:
        """Return the rows of the table in order; for this package only."""
        return self._order.rows if self._held is None else self._held.rows

    def id_at(self, position: int) -> str | None:
        """Return the queue id at *position*; None outside."""
        rows = self.rows
        if not 0 <= position < len(rows):
            return None
        if self._held is not None:
            return self._held.spell(slice(position, position + 1))[0]
        return self._table.spell_one(rows.item(position))

    def position_of(self, queue_id: str) -> int | None:
        """Return where a message stands; None when it is not shown."""
        if self._held is not None:
            return self._held.position_of(queue_id)
        row = self._messages.row_number(queue_id)
        if row is None:
            return None
        place = int(self._order.where(self._table.capacity)[row])
        return place if place >= 0 else None

    def ids(self) -> list[str]:
        """Return all ids in order."""
        if self._held is not None:
            return self._held.spell(slice(None))
        return self._table.spell(self.rows)

    # -- many at once ------------------------------------------------------------

    def codes(self, first: int, last: int) -> NDArray[np.int64]:
        """See ``lines.Listing``."""
        part = slice(max(first, 0), last + 1)
        rows = self.rows[part]
        return coded(rows if self._held is None else rows[self._held.is_there[part]])

    def places(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """See ``lines.Listing``."""
        places: NDArray[Any] = self.where()[rows_of(codes)]
        return places.astype(np.int64)

    def where(self) -> NDArray[np.int32]:
        """Return by row where it stands, -1 for those that are not listed."""
        capacity = self._table.capacity
        if self._held is None:
            return self._order.where(capacity)
        there = np.flatnonzero(self._held.is_there)
        where = np.full(capacity, -1, dtype=np.int32)
        where[self._held.rows[there]] = there
        return where

    def picks(self, codes: NDArray[np.int64]) -> Picks:
        """See ``lines.Listing``."""
        return Picks(self._table, rows_of(codes))

    # -- holding still -----------------------------------------------------------

    def freeze(self, on: bool) -> None:
        """Hold everything still from now on, or show what has changed meanwhile."""
        self.is_frozen = on
        self._let_go()
        if on:
            self._hold()

    def _hold(self) -> None:
        self._held = Held(self._table, self._order.rows)
        self._held_version = self._version

    def _let_go(self) -> None:
        """Move, as something else is asked for; it is held still once it is there."""
        if self._held is not None:
            self._held = None
            self._version += 1
