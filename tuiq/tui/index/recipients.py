"""The recipients of a view's messages as one list: how many, and which is where.

Messages are told apart by arrays; which slots of a message fit a filter on recipients
is only known once somebody has read the message, and takes one row until then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids
from tuiq.tui.index.lines import Picks, Slots, coded, rows_of, slots_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.messages import Messages
    from tuiq.tui.index.view import MessagesView

Recipient = tuple[str, int]
"""Queue id and slot; slot -1 while it is not known."""


class Recipients:
    """Follows a view; only the UI thread calls it, and ``bring`` before the rest."""

    is_of_recipients = True

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
        # The recipients of each message, and 1 for one without.
        self._sizes: NDArray[Any] = np.zeros(0, dtype=np.int64)
        self._codes: NDArray[np.int64] | None = None
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
        held = self.view.is_held
        basis = (self.view.version, held or self._table.generation, self._news)
        if basis == self._basis:
            return False
        self._basis, self._codes = basis, None
        rows = self.view.rows
        if not held or rows is not self._rows:  # else some belong to others by now
            self._sizes = np.maximum(self._table["count"][rows], 1)
        ends = np.cumsum(self._counts(rows), dtype=np.int64)
        same = np.array_equal(ends, self._ends) and np.array_equal(rows, self._rows)
        self._rows, self._ends = rows, ends
        if not same or self.is_narrow:
            self.version += 1
        return not same

    def _counts(self, rows: NDArray[np.int32]) -> NDArray[Any]:
        """Return how many lines each message takes."""
        if not self.is_narrow:
            return self._sizes
        counts: NDArray[Any] = self._known()[rows]
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
        queue_id = self._id(place)
        return queue_id, self._slot(queue_id, int(self._rows[place]), position - before)

    def _id(self, place: int) -> str:
        held = self.view.id_at(place) if self.view.is_held else None
        return held or self._table.spell_one(self._rows.item(place))

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

    # -- many at once ------------------------------------------------------------

    def codes(self, first: int, last: int) -> NDArray[np.int64]:
        """See ``lines.Listing``."""
        codes = self._all()[max(first, 0) : last + 1]
        return codes[codes >= 0]

    def _all(self) -> NDArray[np.int64]:
        """Return every line, -1 for those that are not known or gone."""
        if self._codes is None:
            counts = np.diff(self._ends, prepend=0)
            starts = np.repeat(self._ends - counts, counts)
            slots = np.arange(self.count) - starts
            codes = coded(np.repeat(self._rows, counts), slots)
            if self.is_narrow:
                self._put_fitting(codes, counts)
            lost = np.repeat(self.view.where()[self._rows] < 0, counts)
            codes[lost] = -1
            self._codes = codes
        return self._codes

    def _put_fitting(self, codes: NDArray[np.int64], counts: NDArray[Any]) -> None:
        """Say which slots lines are about, where some of a message do not fit."""
        several = np.flatnonzero(self._sizes != 1)
        for place in several.tolist():
            _, slots = self._fits.get(self._id(place), (0, ()))
            row, end = self._rows[place : place + 1], int(self._ends[place])
            lines = slice(end - int(counts[place]), end)
            codes[lines] = coded(row, np.array(slots)) if slots else -1

    def places(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """See ``lines.Listing``."""
        if self.is_narrow:
            return self._places_among(self._all(), codes)
        where, slots = self.view.where()[rows_of(codes)], slots_of(codes)
        found = np.full(len(codes), -1, dtype=np.int64)
        there = np.flatnonzero(where >= 0)
        there = there[slots[there] < self._sizes[where[there]]]
        place = where[there]
        found[there] = self._ends[place] - self._sizes[place] + slots[there]
        return found

    @staticmethod
    def _places_among(
        lines: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        if not len(lines):
            return np.full(len(codes), -1, dtype=np.int64)
        order = np.argsort(lines, kind="stable")
        at = np.minimum(np.searchsorted(lines, codes, sorter=order), len(lines) - 1)
        found: NDArray[np.int64] = np.where(lines[order[at]] == codes, order[at], -1)
        return found

    def picks(self, codes: NDArray[np.int64]) -> Picks:
        """See ``lines.Listing``; each message once.

        Not those of which it is not known yet whether the filter means them.
        """
        if self.is_narrow and len(codes):
            known = self._known()[rows_of(codes)] >= 0
            codes = codes[known | (self._table["count"][rows_of(codes)] == 1)]
        rows = rows_of(codes)
        ends = np.append(np.flatnonzero(np.diff(rows)) + 1, len(rows))[: len(rows)]
        starts = np.append(0, ends[:-1])[: len(ends)]
        return Picks(self._table, rows[starts], Slots(slots_of(codes), starts, ends))

    # -- what is still to be read ------------------------------------------------

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
