"""What hangs below the filter while it is written: the fault in it, and what fits."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, cast

from rich.cells import cell_len
from textual.widget import Widget

from tuiq.tui.bars.bar import painted
from tuiq.tui.bars.parts import Spans, cut, width_of
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from textual.strip import Strip

    from tuiq.tui.bars.completion import Completion
    from tuiq.tui.shell import Shell

_LINES = 8
_WIDEST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a filter cannot be understood."""

    reason: str
    x: int
    """The column of the screen at which it goes wrong."""


class FilterHints(Widget):
    """A small popup over the first lines of the page."""

    DEFAULT_CSS = """
    FilterHints { layer: popup; display: none; width: auto; height: auto; }
    """

    def __init__(self) -> None:
        """Begin hidden."""
        super().__init__(id="filter-hints")
        self._lines: list[Spans] = []

    def hide(self) -> None:
        """Get out of the way."""
        self.display = False

    def tell(self, y: int, fault: Fault | None, completion: Completion, x: int) -> None:
        """Show the fault below its place, and what may be completed from *x* on."""
        lines = _offers(completion)
        room = self.screen.size.width
        if fault is not None:
            said = wrap(clean(fault.reason), room - 3)
            widest = max(map(cell_len, said))
            x = max(0, min(fault.x - 1, room - 3 - widest))
            caret: Spans = ((" " * (fault.x - x) + "^ ", Role.BAD),)
            told: list[Spans] = [((f"{line} ", Role.BAD),) for line in said]
            if fault.x - x == 1:
                told[0] = (*caret, *told[0])
            else:
                told.insert(0, caret)
            lines[:0] = told
        self._lines = lines
        self.display = bool(lines)
        if lines:
            x = max(0, min(x - (fault is None), room - max(map(width_of, lines))))
            self.styles.offset = (x, y)
            self.refresh(layout=True)

    @property
    def text(self) -> str:
        """Return what it says."""
        return "\n".join("".join(t for t, _r in line) for line in self._lines)

    def get_content_width(self, *_sizes: object) -> int:
        """Be as wide as the longest line."""
        widest = max(map(width_of, self._lines), default=0)
        return min(widest, self.screen.size.width)

    def get_content_height(self, *_sizes: object) -> int:
        """Be as high as there are lines."""
        return len(self._lines)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        spans = self._lines[y] if y < len(self._lines) else ()
        palette = cast("Shell", self.app).palette_now
        return painted(spans, palette, Role.HEADER, self.size.width)


def _offers(completion: Completion) -> list[Spans]:
    shown = completion.offers
    first = max(0, min(completion.chosen - _LINES + 1, len(shown) - _LINES))
    shown = shown[first : first + _LINES]
    width = max((width_of([(o.insert, Role.DIM)]) for o in shown), default=0)
    lines: list[Spans] = []
    for number, offer in enumerate(shown, first):
        role = Role.ACCENT if number == completion.chosen else Role.STRONG
        mark = ">" if number == completion.chosen else " "
        pad = " " * (width - width_of([(offer.insert, role)]))
        text: Spans = ((f"{mark}{offer.insert}{pad} ", role),)
        if offer.gloss:
            text = (*text, (f" {offer.gloss} ", Role.DIM))
        lines.append(cut(text, _WIDEST))
    if rest := len(completion.offers) - first - len(shown):
        lines.append(((f" and {rest} more: Tab ", Role.DIM),))
    return lines
