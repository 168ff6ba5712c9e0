"""The two grids that ``bench_ui_grid`` compares, each a program on a terminal.

``python -m tests.benchmarks.grids own|table --rows N``.  Both have eight columns of
the same texts.  Keys besides those of moving: ``G`` last row, ``s`` sort by age the
other way round, ``x`` change a cell in each of the first 100 rows.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.widgets import DataTable

from tuiq.tui.driver import TerminalDriver
from tuiq.tui.grid.grid import Grid
from tuiq.tui.grid.model import Align, Cell, Column, Key
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS = tuple(
    Column(id=id, title=id.upper(), width=width, align=align, sortable=True)
    for id, width, align in (
        ("id", 10, Align.LEFT), ("age", 6, Align.LEFT), ("size", 7, Align.RIGHT),
        ("try", 3, Align.RIGHT), ("sender", 24, Align.LEFT),
        ("recipient", 24, Align.LEFT), ("reply", 20, Align.LEFT),
        ("state", 8, Align.LEFT),
    )
)  # fmt: skip
_STATES = (
    ("deferred", Role.DEFERRED), ("held", Role.HELD), ("active", Role.ACTIVE),
    ("deferred", Role.DEFERRED),
)  # fmt: skip
PALETTE = Palette(
    name="bench",
    styles={
        Role.DEFERRED: Style(color="yellow"),
        Role.HELD: Style(color="magenta"),
        Role.ACTIVE: Style(color="green"),
        Role.CURSOR: Style(color="black", bgcolor="cyan"),
        Role.HEADER: Style(color="white", bgcolor="blue"),
    },
)


def texts(number: int, changed: int) -> list[str]:
    """Return the cells of a row."""
    return [
        f"{0x6731A000 + number:X}", f"{changed or number % 59}m{number % 60:02}",
        f"{number % 997 / 10:.1f}K", str(number % 31),
        f"billing{number % 100}@shop{number % 37}.example",
        f"user{number % 1000}@example{number % 13}.com",
        ("451 greylisted", "452 mailbox full")[number % 2],
        _STATES[number % 4][0],
    ]  # fmt: skip


class Numbers:
    """Rows that are numbers in an array."""

    def __init__(self, count: int) -> None:
        self.columns = COLUMNS
        self.sorted_by = ("age", True)
        self.ages = (np.arange(count, dtype=np.uint32) * 2_654_435_761) % 100_003
        self.changes: dict[Key, int] = {}
        self.sort()

    @property
    def count(self) -> int:
        return len(self.rows)

    def sort(self) -> None:
        """Order by age the other way round."""
        self.sorted_by = ("age", not self.sorted_by[1])
        rows: NDArray[np.intp] = np.argsort(self.ages, kind="stable")
        self.rows = rows[::-1] if self.sorted_by[1] else rows
        self.places = np.empty_like(rows)
        self.places[self.rows] = np.arange(len(rows))

    def key_at(self, position: int) -> Key | None:
        return int(self.rows[position]) if 0 <= position < self.count else None

    def position_of(self, key: Key) -> int | None:
        assert isinstance(key, int)
        return int(self.places[key])

    def version(self, key: Key) -> int:
        return self.changes.get(key, 0)

    def cells(self, key: Key, columns: Sequence[str]) -> Sequence[Cell]:
        assert isinstance(key, int)
        said = dict(
            zip((c.id for c in COLUMNS), texts(key, self.version(key)), strict=True)
        )
        state = _STATES[key % 4][1]
        return [(said[id], state if id == "state" else Role.TEXT) for id in columns]


class Own(App[None]):
    """tuiq's grid."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.numbers = Numbers(count)
        self.grid = Grid(self.numbers, palette=lambda: PALETTE)
        for key, command in (
            ("down", "down"), ("up", "up"), ("pagedown", "page-down"), ("G", "last"),
            ("ctrl+home", "first"),
        ):  # fmt: skip
            self.bind(key, f"do('{command}')")
        self.bind("s", "sort")
        self.bind("x", "change")

    def compose(self) -> ComposeResult:
        yield self.grid

    def on_mount(self) -> None:
        self.grid.focus()

    def action_do(self, command: str) -> None:
        self.grid.perform(command)

    def action_sort(self) -> None:
        self.numbers.sort()
        self.grid.changed(asked=True)

    def action_change(self) -> None:
        changes = self.numbers.changes
        for row in self.numbers.rows[:100].tolist():
            changes[row] = changes.get(row, 0) + 1
        self.grid.changed()


class Table(App[None]):
    """Textual's DataTable."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.numbers = Numbers(count)
        self.table: DataTable[str | Text] = DataTable(cursor_type="row")
        self.bind("G", "last")
        self.bind("s", "sort")
        self.bind("x", "change")

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        for column in COLUMNS:
            self.table.add_column(column.title, key=column.id, width=column.width)
        for number in self.numbers.rows.tolist():
            *others, state = texts(number, 0)
            style = PALETTE[_STATES[number % 4][1]]
            self.table.add_row(*others, Text(state, style), key=str(number))
        self.table.focus()

    def action_last(self) -> None:
        self.table.move_cursor(row=self.table.row_count - 1)

    def action_sort(self) -> None:
        self.numbers.sort()
        places = self.numbers.places
        self.table.sort("id", key=lambda id: places[int(str(id), 16) - 0x6731A000])

    def action_change(self) -> None:
        changes = self.numbers.changes
        for row in self.numbers.rows[:100].tolist():
            changes[row] = changes.get(row, 0) + 1
            self.table.update_cell(str(row), "age", texts(row, changes[row])[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=["own", "table"])
    parser.add_argument("--rows", type=int, required=True)
    options = parser.parse_args()
    app = Own(options.rows) if options.which == "own" else Table(options.rows)
    app.driver_class = TerminalDriver
    app.run(mouse=False)


if __name__ == "__main__":
    main()
