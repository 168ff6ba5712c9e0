"""One of a few: lines with numbers and a cursor that is a sign, not a colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuiq.tui.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

MOST = 9
"""Lines that have a number."""


def numbered(labels: Sequence[str], at: int) -> str:
    """Return *labels* as lines with numbers, the one *at* pointed at."""
    lines = []
    for place, label in enumerate(labels):
        key = str(place + 1) if place < MOST else " "
        lines.append(f"{'▸' if place == at else ' '} {key} {label}")
    return "\n".join(lines)


class Choose(Dialog[int]):
    """Answers which of the lines was chosen, counted from 0; for what does no harm."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "by(1)", show=False),
        Binding("up,k", "by(-1)", show=False),
        Binding("enter", "take", show=False),
        *(Binding(str(n + 1), f"go({n})", show=False) for n in range(MOST)),
    ]

    def __init__(self, title: str, lines: Sequence[str], *, about: str = "") -> None:
        """Offer *lines*, above what they are *about*; all of it clean."""
        self._lines = lines
        self._about = about
        self._at = 0
        hints = [("down", "goes on"), ("enter", "takes it"), ("escape", "leaves")]
        super().__init__(title, hints=hints, classes="-wide")

    def body(self) -> ComposeResult:
        """Show the lines."""
        yield Static(numbered(self._lines, self._at), markup=False, id="lines")
        if self._about:
            yield Static(f"\n{self._about}", markup=False)

    def action_by(self, by: int) -> None:
        """Go to another line."""
        self.action_go((self._at + by) % len(self._lines))

    def action_go(self, at: int) -> None:
        """Go to the line *at*."""
        if at < len(self._lines):
            self._at = at
            self.query_one("#lines", Static).update(numbered(self._lines, at))
            self.query_one("#body").scroll_to(y=at, animate=False)

    def action_take(self) -> None:
        """Answer."""
        self.dismiss(self._at)
