"""What the live pages share: grids of which one has the keys, and their commands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on

from tuiq.tui.commands import COMMANDS, Group
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.operate.keys import key_of
from tuiq.tui.page import Page
from tuiq.tui.pages.table import Table

if TYPE_CHECKING:
    from textual import events

    from tuiq.tui.grid.model import Key
    from tuiq.tui.look.palette import Palette

GRID = frozenset(c for c in Grid.COMMANDS if COMMANDS[c].group is not Group.MARK)
"""What a grid does on these pages: nothing is marked, the focused row counts."""


class Board(Page):
    """A page of one or more grids of ``Table``s."""

    takes: ClassVar[frozenset[str]] = GRID

    def __init__(self) -> None:
        """Begin without a row."""
        super().__init__()
        self.last_focused = 0

    def palette(self) -> Palette:
        """Return the styles in force."""
        return self.shell.palette_now

    def key(self, command: str) -> str:
        """Return the key of a command as people read it."""
        return key_of(self.world, command)

    @property
    def grids(self) -> Sequence[Grid]:
        """Return the grids, the first one first."""
        return list(self.query(Grid))

    @property
    def active(self) -> Grid:
        """Return the grid that has the keys, or had them last."""
        return self.grids[self.last_focused]

    def make_grid(
        self, table: Table[Any], id: str, empty: Callable[[], str] | None = None
    ) -> Grid:
        """Return a grid of *table* that remembers how it was set up."""
        choice = self.world.choices.grid(id)
        if choice.sort in {c.id for c in table.columns if c.sortable}:
            table.sort(choice.sort, reverse=choice.reverse)
        return Grid(
            table,
            palette=self.palette,
            choice=choice,
            empty=empty or self.empty_text,
            id=id,
        )

    def shown(self) -> None:
        """Give the keys to the grid that had them."""
        if self.grids:
            self.active.focus()
            self.tick(self.world.clock.now())

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Remember which grid has the keys."""
        for number, grid in enumerate(self.grids):
            if grid is event.widget:
                self.last_focused = number

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        if command in GRID and self.grids:
            return self.active.why_not(command)
        return ""

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""
        if command in GRID:
            self.active.perform(command)

    @on(news.SortWanted)
    def _sort(self, event: news.SortWanted) -> None:
        table = event.grid.model
        if isinstance(table, Table):
            table.sort(event.column, reverse=event.reverse)
            choice = event.grid.choice
            choice.sort, choice.reverse = event.column, event.reverse
            event.grid.changed(asked=True)
            if complaint := self.world.choices.save():
                self.shell.tell(complaint, bad=True)

    @on(news.Opened)
    def _opened(self, event: news.Opened) -> None:
        if isinstance(event.grid, Grid):
            self.opened(event.grid, event.key)

    def opened(self, grid: Grid, key: Key) -> None:
        """Open a row."""

    def focus_on(self, key: object) -> None:
        """Move the cursor to a row."""
        for grid in self.grids:
            if grid.go_to(key):
                grid.focus()
                return
