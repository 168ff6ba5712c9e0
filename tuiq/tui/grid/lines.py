"""The lines of a grid as strips: heading, rows, and what stands where rows would be."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tuiq.tui.grid.model import Align, Cell
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import ELLIPSIS, clean, fit

if TYPE_CHECKING:
    from tuiq.tui.grid.layout import Layout, Placed
    from tuiq.tui.look.palette import Palette

_REVERSE, _STRIKE = Style(reverse=True), Style(strike=True)
_UNDERLINE, _BOLD = Style(underline=True), Style(bold=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What is drawn besides text."""

    mark: str
    range: str
    """Rows that would be marked if the range ended here."""
    up: str
    down: str
    thumb: str
    ellipsis: str


_SIGNS = Signs(mark="●", range="○", up="▲", down="▼", thumb="▐", ellipsis=ELLIPSIS)
_ASCII = Signs(mark="*", range="+", up="^", down="v", thumb="#", ellipsis="~")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How one row is drawn besides its cells; equal looks draw equally."""

    cursor: bool = False
    focused: bool = False
    """Whether keys go to the grid: its cursor is the one that counts."""
    gone: bool = False
    marked: bool = False
    ranged: bool = False
    thumb: bool = False


PLAIN = Look()


@lru_cache(maxsize=256)
def _ground(style: Style) -> tuple[object, ...]:
    """Return what of a style is seen where there is only a space."""
    return style.bgcolor, style.reverse, style.underline, style.strike


class Run:
    """A line in the making; neighbours that look the same become one segment."""

    def __init__(self) -> None:
        """Begin at the left edge."""
        self.cells = 0
        self._segments: list[Segment] = []
        self._texts: list[str] = []
        self._style: Style | None = None

    def add(self, text: str, style: Style, cells: int | None = None) -> None:
        """Put *text* down; *cells*: what it takes, if it is not its length."""
        self.cells += len(text) if cells is None else cells
        if style is not self._style and not self._blends(text, style):
            self._flush()
            self._style = style
        self._texts.append(text)

    def fill(self, width: int, style: Style) -> None:
        """Put spaces down as far as *width*."""
        if self.cells < width:
            self.add(" " * (width - self.cells), style)

    def strip(self) -> Strip:
        """Return the line."""
        self._flush()
        return Strip(self._segments, self.cells)

    def _blends(self, text: str, style: Style) -> bool:
        """Return whether *text* may be drawn in the style of what stands before it."""
        before = self._style
        if before is None:
            return False
        return style == before or (text.isspace() and _ground(style) == _ground(before))

    def _flush(self) -> None:
        if self._texts:
            self._segments.append(Segment("".join(self._texts), self._style))
            self._texts = []


class Pen:
    """Draws strips with one palette on one background."""

    def __init__(self, palette: Palette, base: Style) -> None:
        """Draw with *palette* over *base*."""
        self.palette = palette
        self.base = base
        self.signs = _ASCII if palette.ascii else _SIGNS
        self._cursor = base + (palette[Role.CURSOR] or _REVERSE)
        self._styles: dict[tuple[Role, bool, bool, bool], Style] = {}

    def style(self, role: Role, look: Look) -> Style:
        """Return how a piece of a row is drawn."""
        id = (role, look.cursor, look.focused, look.gone)
        style = self._styles.get(id)
        if style is None:
            style = self._styles[id] = self._mixed(role, look)
        return style

    def _mixed(self, role: Role, look: Look) -> Style:
        if look.gone:
            style = self.base + self.palette[Role.GONE] + _STRIKE
        else:
            style = self.base + self.palette[role]
        if not look.cursor:
            return style
        if not look.focused:  # still to be found, but not taken for the one that counts
            return style + _UNDERLINE
        return style + (self.palette[Role.CURSOR] or _REVERSE)

    def row(
        self, layout: Layout, cells: Sequence[Cell], look: Look, column: str
    ) -> Strip:
        """Return one row; *column* is the focused one."""
        run = Run()
        sign = self._sign(look)
        run.add(sign, self.style(Role.MARK if sign != " " else Role.TEXT, look))
        blank = self.style(Role.TEXT, look)
        gap = " "
        for placed, (text, role) in zip(layout.drawn, cells, strict=True):
            run.add(gap, blank)
            style = self.style(role, look)
            if look.cursor and look.focused and placed.column.id == column:
                style += _UNDERLINE
            right = placed.column.align is Align.RIGHT
            run.add(self._safe(text, placed.width, right=right), style, placed.width)
            gap = " " * layout.gap
        run.fill(layout.width, blank)
        run.add(self.signs.thumb if look.thumb else " ", self.style(Role.DIM, look))
        return run.strip()

    def _sign(self, look: Look) -> str:
        if look.marked:
            return self.signs.mark
        return self.signs.range if look.ranged else " "

    def _safe(self, text: str, width: int, *, right: bool) -> str:
        """Return a cell's text cut to its width, made safe if somebody forgot."""
        if not text.isprintable():
            text = clean(text)
        return fit(text, width, right=right, ellipsis=self.signs.ellipsis)

    def header(
        self, layout: Layout, order: tuple[str, bool], column: str, *, focused: bool
    ) -> Strip:
        """Return the heading: the order's arrow, the focused column underlined."""
        run = Run()
        plain = self.base + (self.palette[Role.HEADER] or _BOLD)
        on = plain + self.palette[Role.ACCENT] + _UNDERLINE
        gap = " "
        run.add(" ", plain)
        for placed in layout.drawn:
            run.add(gap, plain)
            title = self._title(placed, order)
            here = focused and placed.column.id == column
            run.add(title, on if here else plain, placed.width)
            gap = " " * layout.gap
        run.fill(layout.width + 1, plain)
        return run.strip()

    def _title(self, placed: Placed, order: tuple[str, bool]) -> str:
        """Return a column's title with the arrow if it is the one ordered by."""
        right = placed.column.align is Align.RIGHT
        if order[0] != placed.column.id:
            title = fit(placed.column.title, placed.width, ellipsis="", right=right)
        else:
            arrow = self.signs.down if order[1] else self.signs.up
            title = fit(placed.column.title, placed.width - 1, ellipsis="").rstrip()
            title = fit(title + arrow, placed.width, ellipsis="", right=right)
        return title

    def blank(self, width: int) -> Strip:
        """Return an empty line."""
        return Strip([Segment(" " * width, self.base)], width)

    def notice(self, text: str, width: int, height: int) -> list[Strip]:
        """Return *height* lines with *text* in their middle."""
        room = max(width - 4, 1)
        lines = [
            line
            for part in text.splitlines()
            for line in textwrap.wrap(part, room) or [""]
        ][:height]
        above = (height - len(lines)) * 2 // 5  # the middle, to the eye
        style = self.base + self.palette[Role.DIM]
        drawn = [self.blank(width)] * height
        for at, line in enumerate(lines, above):
            cells = min(cell_len(line), width)
            run = Run()
            run.fill((width - cells) // 2, self.base)
            run.add(self._safe(line, cells, right=False), style, cells)
            run.fill(width, self.base)
            drawn[at] = run.strip()
        return drawn
