"""Recipients as rows: the columns, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_text import domain_of
from tuiq.tui.grid.model import Cell, left, right
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_columns import ID_TAIL
from tuiq.tui.pages.message_facts import recipient_sign, recipient_word
from tuiq.tui.pages.message_rows import NEVER, RESTING, ahead, coarse

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView, State

_STATE = (
    left("sign", "", 1, 0, "✓ delivered, … waits, ✗ failed", sortable=False),
    left(
        "byte", "B", 2, 6, "state and request bytes as they stand in the control file",
        sortable=False,
    ),
    left("state", "STATE", 9, 0, "the state"),
    left("address", "ADDRESS", 22, 0, "the recipient", flex=3),
)  # fmt: skip
_TIMES = (
    right("tries", "TRY", 3, 4, "attempts so far"),
    left("next", "NEXT", 5, 3, "time to the next attempt"),
    left(
        "reply", "LAST REPLY", 18, 5, "what was last said about this recipient", flex=4
    ),
    left("route", "ROUTE", 16, 8, "where its mail goes next", flex=1, sortable=False),
)
SLOT_COLUMNS = (
    right("slot", "N", 5, 7, "the recipient's number, as in ID/N"),
    *_STATE,
    *_TIMES,
)
"""Of the recipients of one message."""
RECIPIENT_COLUMNS = (
    *_STATE,
    left("id", "MESSAGE", ID_TAIL, 7, "the end of the queue id"),
    left("age", "AGE", 6, 10, "since the message was submitted", hidden=True),
    *_TIMES,
    left("sender", "SENDER", 16, 9, "the envelope sender", flex=2),
)
"""Of the recipients of all messages; they are ordered by message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One recipient with what its cells are made of."""

    entry: QueueEntry
    state: State
    """The state of its message."""
    view: RecipientView
    reply: bytes
    around: Circumstances
    now: float

    @property
    def word(self) -> str:
        """Return the recipient's state in words."""
        return recipient_word(self.view, self.state)

    @property
    def version(self) -> int:
        """Return a number that differs whenever a text of the row does."""
        age = coarse(self.now - self.entry.birth)
        return hash((self.view.slot, self.reply, self.next, self.word, age))

    @property
    def _sign(self) -> tuple[str, Role]:
        return recipient_sign(self.view)

    @property
    def next(self) -> str:
        """Return the time to the next attempt; a dash when there will be none."""
        if not self._is_tried:
            return NEVER
        due = max(self.view.next_attempt, self.entry.next_attempt)
        return ahead(due - self.now)

    @property
    def _is_tried(self) -> bool:
        """Say whether time alone brings the next attempt."""
        view = self.view
        if self.state in RESTING or view.request not in (b"-", b""):
            return False
        waits = view.state == b"U" and self.around.in_doubt != "hold"
        return waits or view.state in (b"T", b"A")

    def cell(self, column: str) -> Cell:
        """Return the text of one column."""
        return _CELLS[column](self)


_CELLS: Mapping[str, Callable[[Slot], Cell]] = {
    "slot": lambda s: (str(s.view.index + 1), Role.DIM),
    "sign": lambda s: s._sign,
    "byte": lambda s: (clean(s.view.state + s.view.request), Role.DIM),
    "state": lambda s: (s.word, s._sign[1]),
    "address": lambda s: (clean(s.view.address), Role.TEXT),
    "id": lambda s: (s.entry.queue_id[-ID_TAIL:], Role.TEXT),
    "age": lambda s: (coarse(s.now - s.entry.birth), Role.TEXT),
    "tries": lambda s: (str(s.view.tries), Role.TEXT),
    "next": lambda s: (s.next, Role.TEXT),
    "reply": lambda s: (clean(s.reply), Role.DIM),
    "route": lambda s: (
        clean(s.around.routes.key(s.entry.sender, domain_of(s.view.address)).name),
        Role.DIM,
    ),
    "sender": lambda s: (clean(s.entry.sender) or "<>", Role.DIM),
}
