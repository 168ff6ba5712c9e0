"""All recipients as the rows of a grid; what is in sight is read in a thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from tuiq.tui.grid.model import Cell, Column, Key
from tuiq.tui.index.facts import Stage
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import ELLIPSIS, clean
from tuiq.tui.pages.message_columns import ID_TAIL
from tuiq.tui.pages.message_rows import Window
from tuiq.tui.pages.message_slots import RECIPIENT_COLUMNS, Slot

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.tui.index.lines import Lines
    from tuiq.tui.index.messages import Messages, Row
    from tuiq.tui.index.recipients import Recipients
    from tuiq.tui.pages.message_facts import Facts

_KEPT = 2000
_KEPT_RECIPIENTS = 200_000
"""Messages, and recipients of them, that are kept in memory."""
_BY_MESSAGE = {"address": "recipient"}
"""Columns that the list of messages orders by another name."""
_BY_COLUMN = {name: column for column, name in _BY_MESSAGE.items()}


class Known:
    """Messages that were read lately, with the stamp of what was read."""

    def __init__(self) -> None:
        """Know none."""
        self._facts: OrderedDict[str, tuple[int, Facts]] = OrderedDict()
        self._recipients = 0

    def get(self, queue_id: str) -> Facts | None:
        """Return what was read of a message."""
        found = self._facts.get(queue_id)
        return found[1] if found else None

    def is_current(self, row: Row) -> bool:
        """Say whether what was read of a message is what it is now."""
        found = self._facts.get(row.queue_id)
        return found is not None and found[0] == row.stamp

    def put(self, stamp: int, facts: Facts) -> None:
        """Keep what was read, and forget what was not needed for longest."""
        queue_id = facts.entry.queue_id
        old = self._facts.pop(queue_id, None)
        self._recipients -= len(old[1].recipients) if old else 0
        self._facts[queue_id] = stamp, facts
        self._recipients += len(facts.recipients)
        while len(self._facts) > 1 and (
            len(self._facts) > _KEPT or self._recipients > _KEPT_RECIPIENTS
        ):
            _, (_, gone) = self._facts.popitem(last=False)
            self._recipients -= len(gone.recipients)


class RecipientRows:
    """The grid model; a key is (queue id, slot), slot -1 where it is not known yet."""

    def __init__(
        self,
        messages: Messages,
        recipients: Recipients,
        around: Callable[[], Circumstances],
        *,
        now: float,
    ) -> None:
        """Show *recipients*; *around* is the latest look at locks and runners."""
        self.window = Window(messages, recipients.view)
        self.recipients = recipients
        self._around = around
        self.known = Known()
        self.now = now
        """What ages are measured from."""

    @property
    def columns(self) -> Sequence[Column]:
        """Return every column there is."""
        return RECIPIENT_COLUMNS

    @property
    def count(self) -> int:
        """Return the number of recipients."""
        return self.recipients.count

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the sort column and whether it goes downwards."""
        column, reverse = self.recipients.view.sorted_by
        return _BY_COLUMN.get(column, column), reverse

    @staticmethod
    def order_of(column: str) -> str:
        """Return how the list of messages calls the order by a column."""
        return _BY_MESSAGE.get(column, column)

    def between(self, first: int, last: int) -> Lines:
        """Return the recipients at *first* to *last* that are known."""
        return self.window.between(self.recipients, first, last)

    def key_at(self, position: int) -> Key | None:
        """Return the recipient at *position*."""
        return self.recipients.at(position)

    def position_of(self, key: Key) -> int | None:
        """Return where a recipient is."""
        match key:
            case (str(queue_id), int(slot)):
                return self.recipients.position_of(queue_id, slot)
        return None

    def unread(self, first: int, last: int) -> list[Row]:
        """Return the messages between two positions that have to be read (again)."""
        keys = (self.recipients.at(place) for place in range(first, last + 1))
        ids = dict.fromkeys(key[0] for key in keys if key is not None)
        rows = (self.window.row(queue_id) for queue_id in ids)
        return [row for row in rows if row and not self.known.is_current(row)]

    def version(self, key: Key) -> int:
        """Return a number that differs whenever a text of the row does."""
        slot = self.slot(key)
        return slot.version if slot else 0

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        """Return the texts of one row; what was not read yet is an ellipsis."""
        slot = self.slot(key)
        if slot is not None:
            return [slot.cell(column) for column in columns]
        return [self._unread(key, column) for column in columns]

    def _unread(self, key: Key, column: str) -> Cell:
        queue_id = key[0] if isinstance(key, tuple) else ""
        row = self.window.row(queue_id)
        if row is None:
            return "", Role.GONE
        if column == "id":
            return queue_id[-ID_TAIL:], Role.TEXT
        if row.damage and column in {"state", "address"}:
            return ("damaged" if column == "state" else "cannot be read"), Role.DAMAGED
        if column == "sender":
            return clean(row.sender), Role.DIM
        return ("" if row.damage else ELLIPSIS), Role.DIM

    def slot(self, key: Key | None) -> Slot | None:
        """Return a recipient; None before its message was read."""
        match key:
            case (str(queue_id), int(number)):
                facts = self.known.get(queue_id)
            case _:
                return None
        if facts is None or not 0 <= number < len(facts.recipients):
            return None
        view, reply = facts.recipients[number], facts.reasons.get(number, b"")
        row, around = self.window.row(queue_id), self._around()
        is_read = row is not None and row.stage is Stage.READ
        return Slot(
            entry=facts.entry,
            state=row.state if row and is_read else around.state(facts.entry),
            view=view,
            reply=reply,
            around=around,
            now=self.now,
        )

    def take(self, read: Iterable[tuple[int, Facts]]) -> None:
        """Keep what was read."""
        for stamp, facts in read:
            self.known.put(stamp, facts)
