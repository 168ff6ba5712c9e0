"""The screens behind the digits, what comes in and what servers take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Part, Spans, joined, part, shrunk, two_sides, width_of
from tuiq.tui.look.plot import sparkline
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual import events

    from tuiq.tui.world import World

_SHORTEST, _LONGEST = 8, 24
"""Cells of a sparkline."""
_HINTED = 70
"""Columns from which on there is room to say that there are other screens."""
_BACK = 120
"""Seconds that the sparklines look back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One screen."""

    name: str
    key: str
    """As people read it."""
    title: str


class Tabs(Bar):
    """The second line: the screens, the current one in brackets, and the rates."""

    base = Role.TAB

    def __init__(
        self, world: World, tabs: Sequence[Tab], *, id: str | None = None
    ) -> None:
        """Offer *tabs*."""
        super().__init__(id=id)
        self._world = world
        self.tabs = tuple(tabs)
        self.current = ""
        self.is_up = False
        """Whether there are rates to show."""
        self._places: list[tuple[int, int, str]] = []

    def spans(self, width: int) -> Spans:
        """Return all tabs, or the current one, and the rates."""
        full = self._all()
        rates = joined(shrunk(self._rates(width - width_of(full)), width // 2))
        if width_of(full) + width_of(rates) + 2 > width:
            full = self._one(width)
            spare = width - width_of(full) - 2
            rates = joined(shrunk(self._rates(spare), spare))
        return two_sides(full, (*rates, (" ", Role.DIM)) if rates else (), width)

    def _all(self) -> Spans:
        line: list[tuple[str, Role]] = []
        self._places = []
        at = 0
        for number, tab in enumerate(self.tabs):
            if number:
                line.append(("│", Role.DIM))
                at += 1
            said, role = self._said(tab)
            line.append((said, role))
            taken = width_of([(said, role)])
            self._places.append((at, at + taken, tab.name))
            at += taken
        return tuple(line)

    def _said(self, tab: Tab) -> tuple[str, Role]:
        if tab.name == self.current:
            return f"[{tab.key} {tab.title}]", Role.TAB_ON
        return f" {tab.key} {tab.title} ", Role.TAB

    def _one(self, width: int) -> Spans:
        self._places = []
        said = [self._said(tab) for tab in self.tabs if tab.name == self.current]
        line: Spans = ((" ", Role.DIM), *said)
        if width >= _HINTED:
            keys = f" {self.tabs[0].key}-{self.tabs[-1].key} screens"
            line = (*line, (keys, Role.DIM))
        return line

    def _rates(self, spare: int) -> list[Part]:
        if not self.is_up:
            return []
        length = max(_SHORTEST, min(_LONGEST, spare // 2 - 14))
        return [
            self._rate("in", "in", length, Role.PLOT_IN),
            self._rate("sent", "delivered", length, Role.PLOT_OUT),
        ]

    def _rate(self, word: str, name: str, length: int, role: Role) -> Part:
        rate = self._world.lookout.sight.rates.get(name, 0.0)
        said = f"{rate:,.0f}/s" if rate >= 10 or not rate else f"{rate:.1f}/s"
        number = ((f"{word} ", Role.DIM), (said, role))
        if self._world.options.low_bandwidth:
            return part(number, None)
        values = self._world.lookout.history(name, _BACK)
        plot = sparkline(values, length)
        return part((*number, (f" {plot}", role)), number, None)

    @property
    def places(self) -> list[tuple[int, str]]:
        """Return where each tab begins, as far as tabs are shown."""
        return [(start, name) for start, _, name in self._places]

    def on_click(self, event: events.Click) -> None:
        """Go to the screen that was clicked."""
        for start, end, name in self._places:
            if start <= event.x < end:
                self.shell.go(name)
