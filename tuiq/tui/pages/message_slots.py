"""Recipients as rows: the columns, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_text import domain_of
from tuiq.tui.grid.model import Align, Cell, Column
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_columns import ID_TAIL
from tuiq.tui.pages.message_facts import recipient_sign, recipient_word
from tuiq.tui.pages.message_rows import NEVER, RESTING, ahead, coarse

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView, State

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
        id="id",
        title="MESSAGE",
        width=ID_TAIL,
        priority=7,
        sortable=True,
        gloss="the end of the queue id",
    ),
    Column(
        id="age",
        title="AGE",
        width=6,
        priority=10,
        sortable=True,
        hidden=True,
        gloss="since the message was submitted",
    ),
    *_TIMES,
    Column(
        id="sender",
        title="SENDER",
        width=16,
        flex=2,
        priority=9,
        sortable=True,
        gloss="the envelope sender",
    ),
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
