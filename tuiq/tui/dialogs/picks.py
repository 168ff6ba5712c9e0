"""A short list of entries with a cursor, drawn line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.bars.parts import Span, Spans, cut, two_sides, width_of
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import fit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from tuiq.tui.dialogs.findings import Entry
    from tuiq.tui.shell import Shell

_LABEL = 24
"""Cells of the first column."""


class Picks(Widget):
    """Entries; the chosen one is always in sight."""

    DEFAULT_CSS = "Picks { height: 14; max-height: 50vh; }"

    class Picked(Message):
        """An entry was clicked."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__()
        self._entries: Sequence[Entry] = ()
        self._at = 0
        self._top = 0

    def show(self, entries: Sequence[Entry]) -> None:
        """List *entries*; the first one is chosen."""
        self._entries = entries
        self._at = self._top = 0
        self.refresh()

    @property
    def chosen(self) -> Entry | None:
        """Return the entry under the cursor."""
        return self._entries[self._at] if self._entries else None

    def move(self, by: int) -> None:
        """Choose another entry; the ends are not passed."""
        self._at = max(0, min(len(self._entries) - 1, self._at + by))
        height = max(1, self.size.height)
        self._top = max(self._at - height + 1, min(self._top, self._at))
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Choose what was clicked."""
        number = self._top + event.y
        if number < len(self._entries):
            self._at = number
            self.post_message(self.Picked())

    def render_line(self, y: int) -> Strip:
        """Draw one entry."""
        palette = cast("Shell", self.app).palette_now
        number, width = self._top + y, self.size.width
        on = number == self._at and bool(self._entries)
        base = palette[Role.CURSOR if on else Role.TEXT]
        spans: Spans = ()
        if number < len(self._entries):
            spans = self._line(self._entries[number], width, on=on)
        elif not self._entries and y == 0:
            spans = ((" nothing fits", Role.DIM),)
        segments = [
            Segment(text, base if on else base + palette[cast("Role", role)])
            for text, role in cut(spans, width)
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def _line(self, entry: Entry, width: int, *, on: bool) -> Spans:
        mark = "> " if on else "  "
        role = Role.DIM if entry.why else Role.STRONG
        label: Span = (mark + entry.label, role)
        gap = " " * max(1, _LABEL - width_of([label]))
        said = f"{entry.gloss} ({entry.why})" if entry.why else entry.gloss
        key: Spans = ((f" {entry.key} ", Role.KEY_OFF if entry.why else Role.KEY),)
        spare = width - width_of([label]) - len(gap) - width_of(key)
        gloss: Span = (
            fit(said, spare) if 0 < spare < width_of([(said, role)]) else said,
            Role.DIM,
        )
        return two_sides((label, (gap, Role.DIM), gloss), key, width)
