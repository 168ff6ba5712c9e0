"""The recipients of one message as the rows of a grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from tuiq.tui.grid.model import Cell, Column, Key
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_facts import recipient_word
from tuiq.tui.pages.message_slots import SLOT_COLUMNS, Slot

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import RecipientView
    from tuiq.tui.pages.message_facts import Facts

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

    def __init__(self, around: Callable[[], Circumstances]) -> None:
        """Show nothing until ``take``; *around* is the latest look at locks."""
        self._around = around
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
        return slot.version if slot else 0

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
        around = self._around()
        return Slot(
            entry=facts.entry,
            state=around.state(facts.entry),
            view=view,
            reply=facts.reasons.get(key, b""),
            around=around,
            now=self.now,
        )
