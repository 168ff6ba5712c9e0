"""A grid model in memory, and a small application around a grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.style import Style
from textual.app import App, ComposeResult

from tuiq.tui.choices import GridChoice
from tuiq.tui.commands import COMMANDS
from tuiq.tui.grid.grid import Grid
from tuiq.tui.grid.model import Align, Cell, Column, Key
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

COLUMNS = (
    Column(id="id", title="ID", width=6, sortable=True),
    Column(id="age", title="AGE", width=5, priority=1, sortable=True),
    Column(id="size", title="SIZE", width=7, align=Align.RIGHT, priority=4),
    Column(id="sender", title="SENDER", width=12, flex=2, priority=3, sortable=True),
    Column(id="recipient", title="RECIPIENT", width=12, flex=2, priority=2),
    Column(id="reply", title="LAST REPLY", width=10, flex=1, priority=5),
    Column(id="route", title="ROUTE", width=8, hidden=True),
    Column(id="state", title="STATE", width=8, sortable=True),
)

PALETTE = Palette(
    name="test",
    styles={
        Role.TEXT: Style(color="white"),
        Role.DIM: Style(color="bright_black"),
        Role.HEADER: Style(color="white", bgcolor="blue"),
        Role.CURSOR: Style(color="black", bgcolor="cyan"),
        Role.MARK: Style(color="yellow"),
        Role.HELD: Style(color="magenta"),
        Role.DEFERRED: Style(color="yellow"),
        Role.ACTIVE: Style(color="green"),
        Role.GONE: Style(color="bright_black"),
    },
)
PLAIN = Palette(name="plain", ascii=True)

_STATES = (("deferred", Role.DEFERRED), ("held", Role.HELD), ("active", Role.ACTIVE))


class Rows:
    """Rows that are what a test says."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self.columns: Sequence[Column] = COLUMNS
        self.order = list(keys)
        self.sorted_by = ("age", True)
        self.versions: dict[Key, int] = {}
        self.texts: dict[tuple[Key, str], str] = {}
        self.asked = 0

    @property
    def count(self) -> int:
        return len(self.order)

    def key_at(self, position: int) -> Key | None:
        return self.order[position] if 0 <= position < len(self.order) else None

    def position_of(self, key: Key) -> int | None:
        try:
            return self.order.index(str(key))
        except ValueError:
            return None

    def version(self, key: Key) -> int:
        return self.versions.get(key, 0)

    def change(self, key: Key, column: str, text: str) -> None:
        self.texts[key, column] = text
        self.versions[key] = self.version(key) + 1

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        self.asked += 1
        return [self._cell(key, column) for column in columns]

    def _cell(self, key: Key, column: str) -> Cell:
        role = Role.TEXT
        text = f"{column} of {key}"
        if column == "id":
            text = str(key)
        elif column == "state":
            text, role = _STATES[sum(map(ord, str(key))) % 3]
        return clean(self.texts.get((key, column), text)), role


class Stand(App[None]):
    """One grid; its commands have the keys that they have in tuiq."""

    CSS = "Screen { layers: base; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(
        self,
        rows: Rows,
        *,
        palette: Palette = PALETTE,
        choice: GridChoice | None = None,
        empty: str = "nothing here",
    ) -> None:
        super().__init__()
        self.palette_now = palette
        self.news: list[object] = []
        self.grid = Grid(
            rows, palette=lambda: self.palette_now, choice=choice, empty=lambda: empty
        )
        for id in sorted(Grid.COMMANDS):
            self.bind(COMMANDS[id].keys, f"do('{id}')", show=False)

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.grid.focus()

    def action_do(self, command: str) -> None:
        self.grid.perform(command)

    def on_grid_moved(self, event: Grid.Moved) -> None:
        self.news.append(event.key)

    def on_grid_opened(self, event: Grid.Opened) -> None:
        self.news.append(("opened", event.key))

    def on_grid_sort_wanted(self, event: Grid.SortWanted) -> None:
        self.news.append(("sort", event.column, event.reverse))

    def on_grid_marks_changed(self, event: Grid.MarksChanged) -> None:
        self.news.append(("marks", len(event.grid.marks)))

    def text(self) -> list[str]:
        """Return the lines of the grid, without spaces at their ends."""
        height = self.grid.size.height
        return [self.grid.render_line(y).text.rstrip() for y in range(height)]
