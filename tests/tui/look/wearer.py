"""A program for a terminal of its own: an application in one theme, with a dialog.

``python wearer.py THEME``; it ends when it has been drawn.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from tuiq.tui.look import colours

DECIDED = colours.decide(os.environ, theme=sys.argv[2] if sys.argv[2:] else "")
colours.prepare(os.environ, DECIDED)

if TYPE_CHECKING or __name__ == "__main__":
    from rich.segment import Segment
    from textual.app import App, ComposeResult
    from textual.strip import Strip
    from textual.widget import Widget
    from textual.widgets import Input, OptionList, Static

    from tuiq.tui.look import themes
    from tuiq.tui.look.appearance import Appearance
    from tuiq.tui.look.dialog import Dialog
    from tuiq.tui.look.fittings import APP_CSS
    from tuiq.tui.look.palette import Palette
    from tuiq.tui.look.roles import Role

    class Roles(Widget):
        """One line for each role."""

        def render_line(self, y: int) -> Strip:
            palette: Palette = self.app.palette_now  # type: ignore[attr-defined]
            roles = list(Role)
            if y >= len(roles):
                return Strip([Segment(" " * self.size.width, palette[Role.TEXT])])
            style = palette[Role.TEXT] + palette[roles[y]]
            return Strip([Segment(roles[y].ljust(self.size.width), style)])

    class Everything(Dialog[None]):
        """A dialog with what dialogs have."""

        def body(self) -> ComposeResult:
            yield Static("plain words", markup=False)
            yield Input("typed", placeholder="a place")
            yield Input(placeholder="a place")
            yield OptionList(*(f"number {n}" for n in range(40)))

        def on_mount(self) -> None:
            self.query_one(OptionList).styles.max_height = 8
            self.query_one(OptionList).focus()
            self.complain("that did not work")

    class Wearer(App[None]):
        """Draws all roles, then a dialog above, then ends."""

        CSS = APP_CSS

        def __init__(self) -> None:
            super().__init__(ansi_color=DECIDED.ansi_color)
            self.appearance = Appearance(
                collection=themes.shipped(), depth=DECIDED.depth, ascii=DECIDED.ascii
            )
            self.palette_now = self.appearance.palette(sys.argv[1])

        def compose(self) -> ComposeResult:
            yield Roles()

        def on_mount(self) -> None:
            self.appearance.register_all(self)
            self.palette_now = self.appearance.apply(self, sys.argv[1])
            self.set_timer(0.2, self.ask)

        def ask(self) -> None:
            self.push_screen(Everything("A question"))
            self.notify("a toast", markup=False)
            self.set_timer(0.4, self.exit)

    def main() -> Any:
        """Run it."""
        Wearer().run(mouse=False)

    if __name__ == "__main__":
        main()
