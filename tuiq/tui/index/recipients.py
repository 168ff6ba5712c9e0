"""The recipients of a view's messages as one list: how many, and which is where.

Messages are told apart by arrays; which slots of a message fit a filter on recipients
is only known once somebody has read the message, and takes one row until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.messages import Messages
    from tuiq.tui.index.view import MessagesView

Recipient = tuple[str, int]
"""Queue id and slot; slot -1 while it is not known."""


def gone(messages: Messages, queue_ids: Sequence[str]) -> list[str]:
    """Return those of *queue_ids* that are messages no more."""
    rows = messages.table.find(*ids.parse("".join(queue_ids).encode()))
    return [queue_ids[place] for place in np.flatnonzero(rows < 0).tolist()]


class Recipients:
    """Follows a view; only the UI thread calls it, and ``bring`` before the rest."""

    def __init__(self, messages: Messages, view: MessagesView) -> None:
        """List the recipients of *view*."""
        self._messages = messages
        self._table = messages.table
        self.view = view
        self.version = 0
        """Grows when rows came, went or changed places."""
        self.is_narrow = False
        """Whether only the slots that fit the filter are listed."""
        # Queue id -> the stamp of what was read, and the slots that fit.
        self._fits: dict[str, tuple[int, tuple[int, ...]]] = {}
        self._rows: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._ends: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._basis: object = None
        self._news = 0

    def narrow(self, is_narrow: bool) -> None:
        """List only slots that fit from now on, or all; what is known is forgotten."""
        self.is_narrow = is_narrow
        self._fits.clear()
        self._news += 1

    def fit(self, queue_id: str, stamp: int, slots: Sequence[int]) -> None:
        """Take in which slots of a message fit, as of its row's *stamp*."""
        self._fits[queue_id] = stamp, tuple(slots)
        self._news += 1

    def knows(self, queue_id: str) -> bool:
        """Say whether it is known which slots of a message are listed.

        Of an only recipient it is: the message would not be in the view without it.
        """
        if not self.is_narrow or queue_id in self._fits:
            return True
        row = self._messages.row_number(queue_id)
        return row is not None and self._is_only(row)

    def _is_only(self, row: int) -> bool:
        return int(self._table["count"][row]) == 1

    def bring(self) -> bool:
        """Catch up with the view; return whether rows came, went or moved."""
        basis = (self.view.version, self._table.generation, self._news)
        if basis == self._basis:
            return False
        self._basis = basis
        rows = self.view.rows
        ends = np.cumsum(self._counts(rows), dtype=np.int64)
        same = np.array_equal(ends, self._ends) and np.array_equal(rows, self._rows)
        self._rows, self._ends = rows, ends
        if not same or self.is_narrow:
            self.version += 1
        return not same

    def _counts(self, rows: NDArray[np.int32]) -> NDArray[Any]:
        """Return how many lines each message takes."""
        if not self.is_narrow:
            all_of_it: NDArray[Any] = np.maximum(self._table["count"][rows], 1)
            return all_of_it
        known = self._known()
        counts: NDArray[Any] = known[rows]
        counts[counts < 0] = 1
        return counts

    def _known(self) -> NDArray[np.int32]:
        """Return by row how many slots fit, -1 where that is not known (any more)."""
        known = np.full(self._table.capacity, -1, dtype=np.int32)
        if not self._fits:
            return known
        names = list(self._fits)
        where = self._table.find(*ids.parse("".join(names).encode()))
        told = np.array([v for v, _ in self._fits.values()], dtype=np.int64)
        sizes = np.array([len(s) for _, s in self._fits.values()], dtype=np.int32)
        current = (where >= 0) & (self._table["ctime"][where] == told)
        known[where[current]] = sizes[current]
        for place in np.flatnonzero(~current).tolist():
            del self._fits[names[place]]
        return known

    @property
    def count(self) -> int:
        """Return the number of lines."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def at(self, position: int) -> Recipient | None:
        """Return the recipient at *position*; None outside."""
        if not 0 <= position < self.count:
            return None
        place = int(np.searchsorted(self._ends, position, side="right"))
        before = int(self._ends[place - 1]) if place else 0
        queue_id = self._table.spell(self._rows[place : place + 1])[0]
        return queue_id, self._slot(queue_id, int(self._rows[place]), position - before)

    def _slot(self, queue_id: str, row: int, number: int) -> int:
        """Return which slot the line *number* of a message shows."""
        if not self.is_narrow:
            return number
        found = self._fits.get(queue_id)
        if found is not None:
            return found[1][number] if number < len(found[1]) else -1
        return 0 if self._is_only(row) else -1

    def position_of(self, queue_id: str, slot: int) -> int | None:
        """Return where a recipient stands; None when it is not shown."""
        place = self.view.position_of(queue_id)
        if place is None or place >= len(self._ends):
            return None
        before = int(self._ends[place - 1]) if place else 0
        lines = range(int(self._ends[place]) - before)
        if not self.is_narrow:
            return before + slot if slot in lines else None
        if not self.knows(queue_id):
            return before  # one line stands for all slots until they are known
        row = int(self._rows[place])
        for number in lines:
            if self._slot(queue_id, row, number) == slot:
                return before + number
        return None

    def first_of(self, place: int) -> Recipient | None:
        """Return the first recipient of the message at *place* of the view."""
        return self.at(int(self._ends[place - 1]) if place else 0)

    def keys(self) -> list[Recipient]:
        """Return all recipients in order."""
        counts = np.diff(self._ends, prepend=0).tolist()
        names = self._table.spell(self._rows)
        if not self.is_narrow:
            return [
                (queue_id, number)
                for queue_id, count in zip(names, counts, strict=True)
                for number in range(count)
            ]
        rows = self._rows.tolist()
        return [
            (queue_id, self._slot(queue_id, row, number))
            for queue_id, row, count in zip(names, rows, counts, strict=True)
            for number in range(count)
        ]

    def unknown(self, limit: int) -> list[str]:
        """Return messages of which it has to be read which slots fit, in order."""
        return self._table.spell(self._undecided()[:limit])

    def to_read(self) -> int:
        """Return of how many messages it is not known which slots fit."""
        return len(self._undecided())

    def _undecided(self) -> NDArray[np.int32]:
        if not self.is_narrow:
            return np.zeros(0, dtype=np.int32)
        rows: NDArray[np.int32] = self._rows[self._table["count"][self._rows] != 1]
        left: NDArray[np.int32] = rows[self._known()[rows] < 0]
        return left
