"""Some lines about what is focused, drawn again only when their text changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.look.roles import Role
from tuiq.tui.look.signs import drawn

if TYPE_CHECKING:
    from tuiq.tui.grid.model import Cell
    from tuiq.tui.look.palette import Palette

Line = Sequence["Cell"]
"""Clean texts, each with its role."""


class Lines(Widget):
    """As many lines as it is high; longer ones are cut."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(
        self, palette: Callable[[], Palette], *, id: str | None = None
    ) -> None:
        """Show nothing yet."""
        super().__init__(id=id)
        self._palette = palette
        self._lines: Sequence[Line] = ()
        self._drawn: Palette | None = None

    def say(self, lines: Sequence[Line]) -> None:
        """Show *lines*; nothing is drawn when they are the same."""
        palette = self._palette()
        if lines != self._lines or palette is not self._drawn:
            self._lines, self._drawn = lines, palette
            self.refresh()

    @property
    def text(self) -> str:
        """Return the lines without their colours."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        palette = self._palette()
        line = self._lines[y] if y < len(self._lines) else ()
        base = self.rich_style
        segments = [
            Segment(drawn(text, ascii=palette.ascii), base + palette[role])
            for text, role in line
            if text
        ]
        strip = Strip(segments)
        width = self.size.width
        if strip.cell_length > width > 1:
            more = "~" if palette.ascii else "…"
            cut = strip.crop(0, width - 1)
            strip = Strip([*cut, Segment(more, base + palette[Role.DIM])])
        return strip.adjust_cell_length(width, base)
