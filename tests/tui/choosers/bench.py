"""A small application around a grid of figures, for trying choosers in it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from textual.app import App, ComposeResult

from tuiq.tui.choices import Choices
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.grid.model import Cell, Column, Key
from tuiq.tui.look import themes
from tuiq.tui.look.appearance import Appearance
from tuiq.tui.look.colours import MILLIONS
from tuiq.tui.look.fittings import APP_CSS
from tuiq.tui.look.roles import Role
from tuiq.tui.troubles import Troubles

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.filter import LineFilter
    from textual.pilot import Pilot
    from textual.screen import ModalScreen

COLUMNS = (
    Column(id="id", title="ID", width=8, sortable=True, gloss="the queue id"),
    Column(id="age", title="AGE", width=6, sortable=True, gloss="since it came"),
    Column(id="size", title="SIZE", width=6, priority=1, gloss="of the data"),
    Column(id="sender", title="SENDER", width=10, flex=1, priority=2, gloss="from"),
    Column(id="queue", title="QUEUE", width=6, hidden=True, gloss="the directory"),
)


class Figures:
    """Rows of figures."""

    columns = COLUMNS
    count = 30
    sorted_by = ("age", True)

    def key_at(self, position: int) -> Key | None:
        return position if 0 <= position < self.count else None

    def position_of(self, key: Key) -> int | None:
        return key if isinstance(key, int) and key < self.count else None

    def version(self, key: Key) -> int:
        return 0

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        return [(f"{column}{key}", Role.TEXT) for column in columns]


class Bench(App[None]):
    """A grid, and what choosers ask of the shell."""

    CSS = APP_CSS

    def __init__(
        self, path: Path | None = None, *, depth: int = MILLIONS, ascii: bool = False
    ) -> None:
        super().__init__(ansi_color=True if depth <= 16 else None)
        self.choices = Choices(path=path)
        self.world: Any = SimpleNamespace(choices=self.choices)
        self.appearance = Appearance(
            collection=themes.shipped(), depth=depth, ascii=ascii
        )
        self.palette_now = self.appearance.palette("")
        self.troubles = Troubles(None)
        self.told: list[str] = []
        self.sorts: list[tuple[str, bool]] = []
        self.grid = Grid(
            Figures(),
            palette=lambda: self.palette_now,
            choice=self.choices.grid("figures"),
        )

    def get_line_filters(self) -> Sequence[LineFilter]:
        own = self.appearance.filters(self.palette_now.name)
        return [*own, *super().get_line_filters()]

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.appearance.register_all(self)
        self.wear("")

    def wear(self, name: str) -> None:
        self.palette_now = self.appearance.apply(self, name)
        self.grid.changed()

    def tell(self, text: str, *, bad: bool = False) -> None:
        self.told.append(text)

    def ask(
        self, dialog: ModalScreen[Any], then: Callable[[Any], None] | None = None
    ) -> None:
        self.push_screen(dialog, then)

    def go(self, page: str, *, filter: str | None = None, focus: Any = None) -> None:
        raise NotImplementedError

    def perform(self, command: str) -> None:
        raise NotImplementedError

    def hold_keys(self) -> None:
        """Have no keys."""

    def let_keys_go(self) -> None:
        """Have no keys."""

    def refresh_bars(self) -> None:
        raise NotImplementedError

    def on_grid_sort_wanted(self, event: news.SortWanted) -> None:
        self.sorts.append((event.column, event.reverse))

    @property
    def headings(self) -> list[str]:
        return self.grid.shown_columns


def shown(pilot: Pilot[None]) -> str:
    """Return what the terminal shows."""
    strips = pilot.app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip).rstrip() for strip in strips)
