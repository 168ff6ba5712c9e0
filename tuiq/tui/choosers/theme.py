"""The theme picker: what is behind it wears the theme under the cursor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual import on
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Static

from tuiq.tui.choosers.menu import Menu
from tuiq.tui.dialog import Dialog
from tuiq.tui.look.roles import HEAT, Role
from tuiq.tui.look.text import clean, fit

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.timer import Timer

    from tuiq.tui.look.appearance import Appearance
    from tuiq.tui.look.palette import Palette

_PATIENCE = 0.05
"""Seconds that the cursor rests before a theme is put on: repainting is not free."""


class Sample(Widget):
    """A few words in the roles that matter most."""

    DEFAULT_CSS = """
    Sample { height: 4; margin: 1 0 0 0; }
    """
    _LINES: ClassVar[tuple[tuple[Role, ...], ...]] = (
        (Role.ACTIVE, Role.DUE, Role.DEFERRED, Role.HELD, Role.PAUSED),
        (Role.DOUBT, Role.FAILED, Role.TRASHED, Role.DAMAGED),
        (Role.GOOD, Role.WARN, Role.BAD, Role.INFO, Role.DIM, Role.STRONG),
        (*HEAT, Role.CURSOR),
    )

    def __init__(self, palette: Callable[[], Palette]) -> None:
        """Draw with the styles in force."""
        super().__init__()
        self._palette = palette

    def render_line(self, y: int) -> Strip:
        """Return one line of words."""
        palette = self._palette()
        base = palette[Role.TEXT]
        segments = []
        for role in self._LINES[y]:
            style = base + palette[role]
            segments += [Segment(f" {role.value} ", style), Segment(" ", base)]
        strip = Strip(segments)
        return strip.extend_cell_length(self.size.width, base).crop(0, self.size.width)


class ThemePicker(Dialog[str]):
    """Answers the name of the theme; *wear* has put it on already.

    Esc puts on again what was worn before.
    """

    DEFAULT_CSS = """
    ThemePicker { align: right middle; background: transparent; }
    ThemePicker > #frame { width: 60; }
    ThemePicker #note { color: $text-muted; }
    """

    def __init__(
        self, appearance: Appearance, worn: str, wear: Callable[[str], None]
    ) -> None:
        """Choose among the themes that *appearance* can show, now wearing *worn*."""
        hints = (("enter", "wear"), ("escape", "as it was"))
        super().__init__("Theme", hints=hints)
        self._themes = appearance.usable
        self._others = len(appearance.collection.themes) - len(self._themes)
        self._before = worn
        self._worn = worn
        self._wear = wear
        self._soon: Timer | None = None

    def body(self) -> ComposeResult:
        """Yield the list, and words in the theme's roles."""
        yield Menu()
        if self._others:
            verb = "needs" if self._others == 1 else "need"
            note = f"{self._others} more {verb} a terminal with more colours."
            yield Static(note, id="note", markup=False)
        yield Sample(lambda: self.shell.palette_now)

    def on_mount(self) -> None:
        """Begin at the theme that is worn."""
        names = [theme.name for theme in self._themes]
        width = max(map(len, names), default=0)
        lines = [
            clean(f"{fit(theme.name, width)}  {theme.description}")
            for theme in self._themes
        ]
        at = names.index(self._worn) if self._worn in names else 0
        self.query_one(Menu).show(lines, at)

    @on(Menu.OptionHighlighted)
    def _preview(self, event: Menu.OptionHighlighted) -> None:
        if self._soon:
            self._soon.stop()
        name = self._themes[event.option_index].name
        self._soon = self.set_timer(_PATIENCE, lambda: self._put_on(name))

    @on(Menu.OptionSelected)
    def _choose(self, event: Menu.OptionSelected) -> None:
        name = self._themes[event.option_index].name
        self._put_on(name)
        self.dismiss(name)

    def action_leave(self) -> None:
        """Wear what was worn before."""
        self._put_on(self._before)
        self.dismiss(None)

    def _put_on(self, name: str) -> None:
        if self._soon:
            self._soon.stop()
        if name != self._worn:
            self._worn = name
            self._wear(name)
            self.query_one(Sample).refresh()
