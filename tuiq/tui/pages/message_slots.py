"""Recipients as rows: what stands in the columns, for one message and for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_text import domain_of
from tuiq.tui.grid.model import Align, Cell, Column, Key
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_columns import ID_TAIL
from tuiq.tui.pages.message_facts import recipient_sign, recipient_word
from tuiq.tui.pages.message_rows import ahead

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.tui.pages.message_facts import Facts

_STATE = (
    Column(id="sign", title="", width=1, gloss="✓ delivered, … waits, ✗ failed"),
    Column(
        id="byte",
        title="B",
        width=2,
        priority=6,
        gloss="state and request bytes as they stand in the control file",
    ),
    Column(id="state", title="STATE", width=9, sortable=True, gloss="the state"),
    Column(
        id="address",
        title="ADDRESS",
        width=22,
        flex=3,
        sortable=True,
        gloss="the recipient",
    ),
)
_TIMES = (
    Column(
        id="tries",
        title="TRY",
        width=3,
        align=Align.RIGHT,
        priority=4,
        sortable=True,
        gloss="attempts so far",
    ),
    Column(
        id="next",
        title="NEXT",
        width=5,
        priority=3,
        sortable=True,
        gloss="time to the next attempt",
    ),
    Column(
        id="reply",
        title="LAST REPLY",
        width=18,
        flex=4,
        priority=5,
        sortable=True,
        gloss="what was last said about this recipient",
    ),
    Column(
        id="route",
        title="ROUTE",
        width=16,
        flex=1,
        priority=8,
        gloss="where its mail goes next",
    ),
)
SLOT_COLUMNS = (
    Column(
        id="slot",
        title="N",
        width=5,
        align=Align.RIGHT,
        priority=7,
        sortable=True,
        gloss="the recipient's number, as in ID/N",
    ),
    *_STATE,
    *_TIMES,
)
"""Of the recipients of one message."""
RECIPIENT_COLUMNS = (
    *_STATE,
    Column(
        id="id", title="MESSAGE", width=ID_TAIL, priority=2, gloss="end of the queue id"
    ),
    *_TIMES,
    Column(
        id="sender",
        title="SENDER",
        width=16,
        flex=2,
        priority=9,
        gloss="the envelope sender",
    ),
)
"""Of the recipients of all messages."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One recipient with what its cells are made of."""

    entry: QueueEntry
    view: RecipientView
    reply: bytes
    around: Circumstances
    now: float
    ascii: bool

    @property
    def _sign(self) -> tuple[str, Role]:
        return recipient_sign(self.view, ascii=self.ascii)

    @property
    def next(self) -> str:
        """Return the time to the next attempt; a dash when there will be none."""
        if self.view.state not in b"TA" or self.view.request not in b"-":
            return "-" if self.ascii else "—"
        due = max(self.view.next_attempt, self.entry.next_attempt)
        return ahead(due - self.now)

    def cell(self, column: str) -> Cell:
        """Return the text of one column."""
        return _CELLS[column](self)


_CELLS: Mapping[str, Callable[[Slot], Cell]] = {
    "slot": lambda s: (str(s.view.index + 1), Role.DIM),
    "sign": lambda s: s._sign,
    "byte": lambda s: (clean(s.view.state + s.view.request), Role.DIM),
    "state": lambda s: (recipient_word(s.view), s._sign[1]),
    "address": lambda s: (clean(s.view.address), Role.TEXT),
    "id": lambda s: (s.entry.queue_id[-ID_TAIL:], Role.TEXT),
    "tries": lambda s: (str(s.view.tries), Role.TEXT),
    "next": lambda s: (s.next, Role.TEXT),
    "reply": lambda s: (clean(s.reply), Role.DIM),
    "route": lambda s: (
        clean(s.around.routes.key(s.entry.sender, domain_of(s.view.address)).name),
        Role.DIM,
    ),
    "sender": lambda s: (clean(s.entry.sender) or "<>", Role.DIM),
}
_ORDERS: Mapping[str, Callable[[Facts, RecipientView], object]] = {
    "slot": lambda _facts, view: view.index,
    "state": lambda _facts, view: recipient_word(view),
    "address": lambda _facts, view: view.address.lower(),
    "tries": lambda _facts, view: view.tries,
    "next": lambda _facts, view: view.next_attempt,
    "reply": lambda facts, view: facts.reasons.get(view.index, b""),
}


class SlotRows:
    """The grid model of one message's recipients; keys are slot numbers."""

    def __init__(
        self,
        around: Callable[[], Circumstances],
        *,
        ascii: Callable[[], bool] = lambda: False,
    ) -> None:
        """Show nothing until ``take``."""
        self._around = around
        self._ascii = ascii
        self._facts: Facts | None = None
        self._order: list[int] = []
        self._places: dict[int, int] = {}
        self._sorted_by = ("slot", False)
        self.now = 0.0

    @property
    def columns(self) -> Sequence[Column]:
        """Return every column there is."""
        return SLOT_COLUMNS

    @property
    def count(self) -> int:
        """Return the number of recipients."""
        return len(self._order)

    @property
    def sorted_by(self) -> tuple[str, bool]:
        """Return the sort column and whether it goes downwards."""
        return self._sorted_by

    @property
    def order(self) -> tuple[str, bool, int]:
        """Return something that differs once rows changed places."""
        return (*self._sorted_by, len(self._order))

    def take(self, facts: Facts | None, now: float) -> None:
        """Show the recipients of *facts*."""
        self._facts = facts
        self.now = now
        self.sort(*self._sorted_by)

    def sort(self, column: str, reverse: bool) -> None:
        """Order the recipients."""
        self._sorted_by = (column, reverse)
        views = self._facts.recipients if self._facts else ()
        key = _ORDERS[column]
        facts = self._facts
        if facts is not None and self._sorted_by != ("slot", False):
            views = sorted(views, key=lambda v: key(facts, v), reverse=reverse)  # type: ignore[arg-type, return-value]
        self._order = [view.index for view in views]
        self._places = {slot: place for place, slot in enumerate(self._order)}

    def keys(self) -> Sequence[Key]:
        """Return every slot in the order of the rows."""
        return self._order

    def key_at(self, position: int) -> Key | None:
        """Return the slot at *position*."""
        if 0 <= position < len(self._order):
            return self._order[position]
        return None

    def position_of(self, key: Key) -> int | None:
        """Return where a slot is shown."""
        return self._places.get(key) if isinstance(key, int) else None

    def version(self, key: Key) -> int:
        """Return a number that differs whenever a text of the row does."""
        slot = self._slot(key)
        return hash((slot.view.slot, slot.reply, slot.next)) if slot else 0

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        """Return the texts of one row."""
        slot = self._slot(key)
        if slot is None:
            return [("", Role.GONE) for _ in columns]
        return [slot.cell(column) for column in columns]

    def address(self, key: Key) -> str:
        """Return the recipient of a row, clean."""
        slot = self._slot(key)
        return clean(slot.view.address) if slot else ""

    def _slot(self, key: Key) -> Slot | None:
        facts = self._facts
        if facts is None or not isinstance(key, int) or key >= len(facts.recipients):
            return None
        view = facts.recipients[key]
        reply = facts.reasons.get(key, b"")
        return Slot(facts.entry, view, reply, self._around(), self.now, self._ascii())
