"""A program for a terminal of its own: every role, a dialog above them, a toast.

``python -m tests.tui.look.wearer CHOSEN [ASKED]``: the theme that the user chose once,
and one asked for on the command line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tuiq.tui.look import colours

CHOSEN, ASKED = [*sys.argv[1:], "", ""][:2]
DECIDED = colours.decide(os.environ, theme=ASKED)
colours.prepare(os.environ, DECIDED)
assert "textual" not in sys.modules

from rich.segment import Segment  # noqa: E402
from textual.app import App, ComposeResult  # noqa: E402
from textual.filter import LineFilter  # noqa: E402
from textual.strip import Strip  # noqa: E402
from textual.widget import Widget  # noqa: E402
from textual.widgets import Input, OptionList, Static  # noqa: E402

from tuiq.tui.dialog import Dialog  # noqa: E402
from tuiq.tui.look import themes  # noqa: E402
from tuiq.tui.look.appearance import Appearance  # noqa: E402
from tuiq.tui.look.fittings import APP_CSS  # noqa: E402
from tuiq.tui.look.roles import Role  # noqa: E402


class Roles(Widget):
    """One line for each role."""

    def render_line(self, y: int) -> Strip:
        """Return the name of a role in its style."""
        assert isinstance(self.app, Wearer)
        palette = self.app.palette_now
        role = dict(enumerate(Role)).get(y, Role.TEXT)
        style = palette[Role.TEXT] + palette[role]
        return Strip([Segment(role.ljust(self.size.width), style)])


class Everything(Dialog[None]):
    """A dialog with what dialogs have."""

    def body(self) -> ComposeResult:
        """Yield one of each."""
        yield Static("plain words", markup=False)
        yield Input("typed")
        yield Input(placeholder="a place")
        yield OptionList(*(f"number {n}" for n in range(40)))

    def on_mount(self) -> None:
        """Put the cursor into the list."""
        self.query_one(OptionList).focus()
        self.complain("that did not work")


class Wearer(App[None]):
    """Wears a theme."""

    CSS = APP_CSS

    def __init__(self) -> None:
        """Choose it."""
        super().__init__(ansi_color=DECIDED.ansi_color)
        self.appearance = Appearance(
            collection=themes.shipped(), depth=DECIDED.depth, ascii=DECIDED.ascii
        )
        self.palette_now = self.appearance.palette(ASKED or CHOSEN)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what the application's own does."""
        own = self.appearance.filters(self.palette_now.name)
        return [*own, *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        """Yield the roles."""
        yield Roles()

    def on_mount(self) -> None:
        """Put the theme on, and ask."""
        self.appearance.register_all(self)
        self.palette_now = self.appearance.apply(self, ASKED or CHOSEN)
        self.set_timer(0.1, lambda: self.push_screen(Everything("A question")))
        self.set_timer(0.2, lambda: self.notify("a toast", markup=False, timeout=60))


if __name__ == "__main__":
    Wearer().run(mouse=False)
