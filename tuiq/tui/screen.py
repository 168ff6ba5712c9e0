"""The one screen: bars around the pages, every key, and what narrow terminals show."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen

from tuiq.tui.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual import events
    from textual.widget import Widget

    from tuiq.tui.shell import Shell

BARE = (60, 15)
"""Below that there is room for the page alone, and for one toast."""
_TINY = (40, 8)
"""Below that there is room for one line of totals."""
_ROOMY = 30
"""Lines from which on rules part the bars from the page."""


class MainScreen(Screen[None], inherit_bindings=False):
    """Bars and pages; keys that no widget takes become commands."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            command.keys,
            f"app.command('{command.id}')",
            command.label,
            show=False,
            id=command.id,
        )
        for command in COMMANDS.values()
    ]
    DEFAULT_CSS = """
    MainScreen { layers: default popup; overflow: hidden; }
    MainScreen > #pages { height: 1fr; }
    MainScreen > #pages > * { height: 1fr; }
    MainScreen.-bare > Bar, MainScreen.-bare > .bar { display: none; }
    MainScreen.-bare > .bar.-editing { display: block; }
    MainScreen > #tour {
        height: auto; padding: 0 1; background: $panel; color: $accent;
    }
    MainScreen ToastRack { margin-bottom: 3; }
    MainScreen.-touring ToastRack { margin-bottom: 5; }
    MainScreen.-bare ToastRack { margin-bottom: 0; max-height: 40vh; }
    MainScreen.-tiny > #pages { display: none; }
    MainScreen.-tiny > #title { display: block; }
    MainScreen Rule { display: none; }
    MainScreen.-roomy Rule { display: block; }
    """

    def __init__(
        self, above: Iterable[Widget], first: Widget, below: Iterable[Widget]
    ) -> None:
        """Put the pages, of which *first* is shown, between *above* and *below*."""
        super().__init__()
        self._above = tuple(above)
        self._below = tuple(below)
        self.pages = Container(first, id="pages")

    def compose(self) -> Iterable[Widget]:
        """Put everything where it belongs."""
        yield from self._above
        yield self.pages
        yield from self._below

    def on_resize(self, event: events.Resize) -> None:
        """Leave out what there is no room for."""
        width, height = event.size
        self.set_class(width < BARE[0] or height < BARE[1], "-bare")
        self.set_class(width < _TINY[0] or height < _TINY[1], "-tiny")
        self.set_class(height >= _ROOMY, "-roomy")
        self.call_after_refresh(cast("Shell", self.app).refresh_bars)
