"""The page Recipients: one row per recipient of each message that matches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tuiq.actions.filter import parse
from tuiq.actions.filter_match import RECIPIENT_FIELDS
from tuiq.actions.filter_tree import terms
from tuiq.actions.words import plural
from tuiq.tui.index.recipients import Recipients
from tuiq.tui.page import run_in
from tuiq.tui.pages.message_facts import HEAD_BYTES, read_facts
from tuiq.tui.pages.message_list import ListPage
from tuiq.tui.pages.message_terms import term_of_slot
from tuiq.tui.pages.recipient_rows import RecipientRows

if TYPE_CHECKING:
    from tuiq.spool.entry import QueueEntry
    from tuiq.tui.grid.model import Key
    from tuiq.tui.index.messages import Row
    from tuiq.tui.pages.message_facts import Facts

_MORE = 200
"""Messages that are read at a time to learn which of their slots fit."""
_OF_MANY = frozenset({"mark-all", "mark-range", "mark-invert"})
_OF_ONE = frozenset({"mark", "mark-down", "mark-up"})
_OF_CELL = frozenset({"filter-cell", "filter-not-cell"})
Fits = Callable[["QueueEntry"], "tuple[int, ...] | None"]


class RecipientsPage(ListPage):
    """All recipients, or those that match."""

    page_name = "recipients"
    page_title = "Recipients"
    noun = "recipient"
    model: RecipientRows

    def make_model(self) -> RecipientRows:
        """Return the recipients of the view."""
        self.recipients = Recipients(self.world.messages, self.view)
        self._reading = False
        return RecipientRows(
            self.world.messages,
            self.recipients,
            lambda: self.around,
            now=self.ages,
        )

    def meant(self, key: Key | None) -> tuple[str, int | None]:
        """Return message and slot of a row."""
        match key:
            case (str(queue_id), int(slot)):
                return queue_id, slot if slot >= 0 else None
        return "", None

    def count_ages_from(self, now: float) -> None:
        """Say times as of *now* from here on."""
        self.model.now = now

    def order_of(self, column: str) -> str:
        """Return the order of messages that a column stands for."""
        return self.model.order_of(column)

    @property
    def listing(self) -> Recipients:
        """Return the order that the rows are in."""
        return self.recipients

    # Reading what is in sight, and which slots fit.

    def catch_up(self) -> None:
        """Follow the view, and have read what is in sight."""
        self.recipients.bring()
        if not self._reading and self._wanted():
            self._reading = True
            run_in(self, self._read, group="sight", exclusive=False)

    def on_grid_moved(self) -> None:
        """Have read what came in sight."""
        super().on_grid_moved()
        self.catch_up()

    def _wanted(self) -> list[Row]:
        """Return the messages that have to be read next."""
        rows = self.model.unread(self.grid.first_in_sight, self.grid.last_in_sight)
        if rows:
            return rows
        found = map(self.world.messages.row, self.recipients.unknown(_MORE))
        return [row for row in found if row is not None]

    async def _read(self) -> None:
        """Read until nothing is wanted, unless another page is shown."""
        try:
            while self.is_shown and (rows := self._wanted()):
                read = await asyncio.to_thread(self._read_all, rows, self._fits())
                self._take(rows, read)
        finally:
            self._reading = False

    def _take(
        self, rows: list[Row], read: list[tuple[Facts | None, tuple[int, ...] | None]]
    ) -> None:
        for row, (facts, slots) in zip(rows, read, strict=True):
            if facts is not None:
                self.model.take([(row.stamp, facts)])
            if slots is not None:
                self.recipients.fit(row.queue_id, row.stamp, slots)
        self.recipients.bring()
        queue_id, slot = self.meant(self.grid.cursor)
        if slot is None and queue_id in {row.queue_id for row in rows}:
            self.go_to_message(queue_id)  # the cursor stood on what was not read
        self.grid.changed()

    def _fits(self) -> Fits:
        """Return what tells the slots of a message that fit the filter."""
        spool = self.world.spool
        chosen = parse(self.view.filter)
        around = self.world.lookout.sight.around
        context = around.context(lambda entry: spool.read_data(entry, HEAD_BYTES))
        return lambda entry: chosen.recipients(entry, context)

    def _read_all(
        self, rows: list[Row], fits: Fits
    ) -> list[tuple[Facts | None, tuple[int, ...] | None]]:
        """Read messages in a thread; what is gone has no slots."""
        read: list[tuple[Facts | None, tuple[int, ...] | None]] = []
        for row in rows:
            facts = read_facts(self.world.spool, row.queue_id, row.directory, limit=0)
            read.append((facts, fits(facts.entry) if facts else ()))
        return read

    # Filter.

    def filter_changed(self) -> None:
        """List only the slots that fit, where the filter speaks of recipients."""
        found = terms(parse(self.view.filter).expression)
        self.recipients.narrow(any(term.field in RECIPIENT_FIELDS for term in found))

    def matched(self) -> str:
        """Return how many recipients of how many messages."""
        recipients = plural(self.model.count, "recipient")
        said = f"{recipients} of {plural(self.view.count, 'message')}"
        left = self.recipients.to_read()
        return f"{said}  ⌕ {left:,} to read" if left else said

    def term(self, column: str, row: Row) -> str:
        """Return the filter text for a cell of the focused recipient."""
        slot = self.model.slot(self.grid.cursor)
        found = term_of_slot(column, slot) if slot else ""
        return found or super().term(column, row)

    # Actions.

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now: no row is marked before it is known."""
        if command in _OF_MANY and not self.message.is_open:
            left = self.recipients.to_read()
            if left:
                return f"{plural(left, 'message')} must be read first, for the filter"
        if command in _OF_ONE and not self.message.is_open and not self._is_known:
            return "the row is still being read"
        if command in _OF_CELL and not self.model.slot(self.grid.cursor):
            return "the row is still being read"
        return super().why_not(command)

    @property
    def _is_known(self) -> bool:
        """Say whether it is known which recipient the cursor is on."""
        queue_id, slot = self.meant(self.grid.cursor)
        return slot is not None and self.recipients.knows(queue_id)

    def scope(self, count: int) -> str:
        """Return ``3 marked recipients``, or the address and the message's id."""
        if count:
            return f"{count:,} marked recipients"
        cursor = self.grid.cursor
        slot, queue_id = self.model.slot(cursor), self.meant(cursor)[0]
        return f"{slot.cell('address')[0]} of {queue_id}" if slot else queue_id

    def go_to_message(self, queue_id: str) -> bool:
        """Focus the first recipient of a message that is shown."""
        place = self.view.position_of(queue_id)
        key = None if place is None else self.recipients.first_of(place)
        return key is not None and self.grid.go_to(key)

    def focus_on(self, key: object) -> None:
        """Move the cursor to a recipient: (queue id, slot)."""
        if isinstance(key, tuple):
            self.grid.go_to(key)
        elif isinstance(key, str):
            self.go_to_message(key)
