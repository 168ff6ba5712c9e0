"""The sort menu: every column that rows can be ordered by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from tuiq.tui.choosers.menu import Menu
from tuiq.tui.dialog import Dialog
from tuiq.tui.grid.grid import Grid
from tuiq.tui.look.text import fit

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.tui.grid.model import Column
    from tuiq.tui.shell import Shell


def choose_sort(shell: Shell, grid: Grid) -> None:
    """Have the order of *grid* chosen; it posts ``Grid.SortWanted`` then."""

    def then(order: tuple[str, bool] | None) -> None:
        if order is not None:
            column, reverse = order
            grid.post_message(Grid.SortWanted(grid, column, reverse=reverse))

    columns = [column for column in grid.model.columns if column.sortable]
    if columns:
        shell.ask(SortMenu(columns, grid.model.sorted_by), then)
    else:
        shell.tell("Sort by: there is nothing here to sort by", bad=True)


class SortMenu(Dialog[tuple[str, bool]]):
    """Answers the column's id, and whether downwards."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "turn", show=False)]

    def __init__(self, columns: Sequence[Column], now: tuple[str, bool]) -> None:
        """Choose among *columns*; *now* is the order in force."""
        hints = (
            ("enter", "sort"),
            ("r", "the other way round"),
            ("escape", "leave"),
        )
        super().__init__("Sort by", hints=hints)
        self._columns = columns
        self._reversed = {column.id: False for column in columns}
        self._now = now[0]
        if now[0] in self._reversed:
            self._reversed[now[0]] = now[1]

    def body(self) -> ComposeResult:
        """Yield the list."""
        yield Menu()

    def on_mount(self) -> None:
        """Begin at the column in force."""
        ids = list(self._reversed)
        at = ids.index(self._now) if self._now in ids else 0
        self.query_one(Menu).show(self._lines(), at)

    def on_option_list_option_selected(self, event: Menu.OptionSelected) -> None:
        """Sort by it."""
        column = self._columns[event.option_index].id
        self.dismiss((column, self._reversed[column]))

    def action_turn(self) -> None:
        """Turn the order of the column round."""
        menu = self.query_one(Menu)
        at = menu.highlighted or 0
        column = self._columns[at].id
        self._reversed[column] = not self._reversed[column]
        menu.show(self._lines(), at)

    def _lines(self) -> list[str]:
        return [self._line(column) for column in self._columns]

    def _line(self, column: Column) -> str:
        ascii_only = self.shell.palette_now.ascii
        up, down = ("^", "v") if ascii_only else ("▲", "▼")
        sign = down if self._reversed[column.id] else up
        now = "now" if column.id == self._now else ""
        return f"{sign} {fit(column.title, 14)} {fit(now, 4)} {column.gloss}".rstrip()
