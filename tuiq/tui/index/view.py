"""``MessagesView``: the messages that match a filter, in an order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.actions import filter as filters
from tuiq.spool.entry import State
from tuiq.tui.index.blocks import STATE_NUMBERS
from tuiq.tui.index.facts import Progress
from tuiq.tui.index.shown import Shown
from tuiq.tui.index.table import FREE, READ
from tuiq.tui.index.terms import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.marked import MarkedLines
    from tuiq.tui.index.owner import Index

_TRASHED = STATE_NUMBERS[State.TRASHED]
AGES_EVERY = 1.0
"""Seconds after which conditions on times are looked at again."""
SORT_AT_ONCE = 50_000
"""Rows that are sorted while the UI waits; more are sorted in another thread."""
MANY = 4_000
"""Changed rows for which everything is looked at instead."""
ASKED_AT_ONCE = 2_048


class MessagesView(Shown):
    """Messages that match a filter, in an order; positions shift, ids do not.

    Made by ``Messages.view``; only the UI thread calls it.  It is brought up to date
    by ``Feed.drain``; ``version`` tells whether rows came, went or changed places.
    """

    def __init__(self, messages: Index) -> None:
        """List every message, the oldest first."""
        super().__init__(messages)
        self._sort = ("id", False)
        self._key = messages.key("id", reverse=False)
        self._marks: MarkedLines | None = None
        self._still = 0.0
        self._late: list[NDArray[Any]] = []
        # Rows that changed while a sort ran elsewhere; None: none runs.
        self._since: list[NDArray[Any]] | None = None
        self._undecided: NDArray[Any] = np.zeros(0, dtype=np.int64)
        self._of = 0
        self._aged = 0.0
        self._take(filters.parse(""))
        self._refilter()

    @property
    def filter(self) -> str:
        """Return the canonical text of the filter in force."""
        return str(self._filter)

    @property
    def among(self) -> int:
        """Return the number of messages that the filter chooses from.

        The trash is among them only where the filter names it.
        """
        messages = self._messages
        return messages.count if self._filter.wants_trash else messages.live_count

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the sort column and whether the greatest comes first."""
        return self._sort

    @property
    def progress(self) -> Progress | None:
        """Return how far reading for the filter is; None when nothing is read."""
        if not len(self._undecided):
            return None
        self._of = max(self._of, len(self._undecided))
        return Progress(done=self._of - len(self._undecided), of=self._of)

    @property
    def is_sorting(self) -> bool:
        """Say whether the order that was asked for is yet to come."""
        return self._since is not None

    # -- what to show ----------------------------------------------------------------

    def narrow(self, text: str) -> None:
        """Show what matches *text*; raise FilterError and keep what was shown."""
        self._take(filters.parse(text))
        self._of = 0
        self._let_go()
        self._refilter()

    def _take(self, chosen: filters.Filter) -> None:
        messages = self._messages
        self._filter = chosen
        self._condition = Condition(
            self._table, chosen, now=messages.now, around=lambda: messages.around
        )
        if self._marks is not None:
            self._condition.marked = self._marks.rows

    def sort(self, column: str, *, reverse: bool) -> None:
        """Order by a column id: id age size tries next last sender recipient domain
        reply state queue left rcpts.

        A long list changes places a moment later, when it was sorted elsewhere.
        """
        self._key = self._messages.key(column, reverse=reverse)
        self._sort = column, reverse
        self._late.clear()
        self._let_go()
        self._resort(self._order.rows)

    def holds_still(self, seconds: float) -> None:
        """Keep the order of what is shown for so long, as a key was pressed.

        Messages that are gone leave at once; others come and move afterwards.
        """
        self._still = time.monotonic() + seconds

    def marked(self, marks: MarkedLines) -> None:
        """Tell what ``is:marked`` means from now on; again when it has changed."""
        self._marks = marks
        if self._condition.asks_marks:
            self._condition.marked = marks.rows
            self._let_go()
            self._refilter()

    def close(self) -> None:
        """Follow no more changes."""
        self._messages.forget(self)

    # -- keeping up --------------------------------------------------------------------

    def changed(self, rows: NDArray[Any], gone: NDArray[Any]) -> None:
        """Take in that *rows* changed; *gone* lost their message."""
        dropped = self._order.drop(gone, self._table.capacity)
        if self._since is not None:
            self._since += [rows, gone]
        elif time.monotonic() < self._still:
            self._late.append(rows)
        else:
            dropped += self._move(rows)
        self._version += dropped > 0

    def _move(self, rows: NDArray[Any]) -> int:
        """Put rows where they belong now; return how many were touched."""
        if len(rows) > MANY and len(rows) * 4 > self._table.count:
            self._refilter()
            return 0
        low, high = self._matches(rows)
        order, table = self._order, self._table
        self._decide(rows, low, high)
        leaving, coming = rows, rows[low]
        if self._key.is_natural:  # a message never changes its place
            shown = order.where(table.capacity)[rows] >= 0
            leaving, coming = rows[shown & ~low], rows[low & ~shown]
        dropped = order.drop(leaving, table.capacity)
        order.put(table, coming, self._key)
        return dropped + len(coming)

    def _matches(self, rows: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        """Return which rows are shown, and which may be."""
        low, high = self._condition.look(rows)
        there = self._table["stage"][rows] != FREE
        if not self._filter.wants_trash:
            there &= self._table["state"][rows] != _TRASHED
        return low & there, high & there

    def _decide(
        self, rows: NDArray[Any], low: NDArray[np.bool_], high: NDArray[np.bool_]
    ) -> None:
        """Note which of *rows* are undecided."""
        if len(self._undecided):
            self._undecided = np.setdiff1d(self._undecided, rows)
        doubtful = rows[high & ~low]
        if len(doubtful):
            self._undecided = np.concatenate((self._undecided, doubtful))

    def _refilter(self) -> None:
        """Look at every message."""
        rows = self._table.rows.astype(np.int64)
        low, high = self._matches(rows)
        self._undecided = rows[high & ~low]
        self._aged = self._messages.now()
        self._late.clear()
        self._show(rows[low])

    def _show(self, rows: NDArray[Any]) -> None:
        """List *rows*, given in the order of their ids."""
        if self._since is not None:  # what is shown is in another order still
            self._resort(rows)
            return
        shown = self._order.where(self._table.capacity)[rows] >= 0
        if len(rows) == len(self._order.rows) and shown.all():
            return
        fresh = rows[~shown]
        if len(fresh) > MANY:
            self._resort(rows)
            return
        keep = np.zeros(self._table.capacity, dtype=bool)
        keep[rows] = True
        self._order.replace(self._order.rows[keep[self._order.rows]])
        self._order.put(self._table, fresh, self._key)
        self._version += 1

    def _resort(self, rows: NDArray[Any]) -> None:
        """List *rows*, sorted anew: here if they are few, else in the other thread."""
        table, key = self._table, self._key
        member = np.zeros(table.capacity, dtype=bool)
        member[rows] = True
        rows = table.rows[member[table.rows]].astype(np.int64)
        if key.is_ready and (len(rows) <= SORT_AT_ONCE or key.is_natural):
            self._since = None
            self._order.replace(key.sorted(rows))
            self._version += 1
            return
        since: list[NDArray[Any]] = []
        self._since = since
        content = {"rows": rows}

        def work() -> None:
            key.prepare()
            content["rows"] = key.sorted(rows)

        def done() -> None:
            if self._since is not since:
                return  # another sort began meanwhile
            self._since = None
            self._order.replace(content["rows"])
            self._version += 1
            if since:
                self._move(np.unique(np.concatenate(since)))

        self._messages.work(work, done)

    def settle(self) -> None:
        """Do what time and new answers ask for; once in every tick."""
        now = self._messages.now()
        if self._late and time.monotonic() >= self._still:
            rows = np.unique(np.concatenate(self._late))
            self._late.clear()
            self._version += bool(self._move(rows))
        if self._condition.is_timed and abs(now - self._aged) >= AGES_EVERY:
            if time.monotonic() >= self._still:
                self._refilter()
        elif len(self._undecided) and self._since is None:
            self._move_decided()
        self._ask()
        if self.is_frozen and self._held is None and self._is_settled:
            self._hold()

    @property
    def _is_settled(self) -> bool:
        """Say whether what was asked for is there."""
        return not self.is_sorting and not len(self._undecided)

    def _move_decided(self) -> None:
        """Show those of the undecided rows that match after all."""
        rows = self._undecided
        low, high = self._matches(rows)
        if not (high & ~low).all():
            self._undecided = rows[high & ~low]
            self._order.drop(rows[low], self._table.capacity)
            self._order.put(self._table, rows[low], self._key)
            self._version += 1

    def _ask(self) -> None:
        """Have what is undecided read, or tested in the other thread."""
        if not len(self._undecided):
            return
        for truth in self._condition.truths:
            if not truth.is_complete:
                self._messages.test(truth)
        read = self._undecided[self._table["stage"][self._undecided] == READ]
        for question in self._condition.questions:
            chosen = question.to_ask(read, ASKED_AT_ONCE)
            if len(chosen):
                self._messages.ask(question, chosen)
