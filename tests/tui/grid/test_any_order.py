"""Whatever happens to the rows: cursor and marks are keys, the screen is the model."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from rich.style import Style
from textual.geometry import Region, Size

from tests.tui.grid.sample import PALETTE, Rows
from tuiq.tui.grid.grid import Grid

MOVES = ["down", "up", "page-down", "page-up", "first", "last"]
MARKING = ["mark", "mark-range", "mark-down", "mark-up", "mark-all", "mark-invert"]
SIDES = ["column-left", "column-right"]


class Bare(Grid):
    """A grid without an application; keeps what a terminal would show."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows, palette=lambda: PALETTE)
        self.space = Size(60, 8)
        self.screen_lines: list[str] = []
        self.sent = 0
        self.on_resize()

    @property
    def size(self) -> Size:
        return self.space

    @property
    def is_attached(self) -> bool:
        return True

    @property
    def rich_style(self) -> Style:
        return Style()

    def post_message(self, message: object) -> bool:
        return True

    def refresh(self, *regions: Region, **_options: Any) -> Bare:
        self.screen_lines = self.screen_lines[: self.space.height]
        missing = self.space.height - len(self.screen_lines)
        self.screen_lines += [""] * missing
        for region in regions:
            self.sent += 1
            for y in region.line_range:
                self.screen_lines[y] = self.render_line(y).text
        return self


class AnyOrder(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.rows = Rows()
        self.grid = Bare(self.rows)
        self.ever: set[str] = set()
        self.out: list[str] = []

    def fresh(self, count: int) -> list[str]:
        names = [f"k{self.made + n:04}" for n in range(count)]
        self.made += count
        self.ever.update(names)
        return names

    def take_in(self, *, asked: bool = False) -> None:
        """Tell the grid, and see that the cursor stayed on its row."""
        grid, before = self.grid, self.grid.cursor
        was_gone = grid.cursor_position is None and before is not None
        grid.changed(asked=asked)
        if before in self.rows.order:
            assert grid.cursor == before
        elif before is not None and not asked and not was_gone:
            assert grid.cursor == before, "it stays for one tick"
            assert grid.cursor_position is None
        elif self.rows.order:
            assert grid.cursor in self.rows.order
        else:
            assert grid.cursor is None

    @rule(at=st.integers(0, 60), count=st.integers(1, 12))
    def insert(self, at: int, count: int) -> None:
        self.rows.order[at:at] = self.fresh(count)
        self.take_in()

    @rule(seed=st.integers(0, 9), part=st.floats(0, 1))
    def remove(self, seed: int, part: float) -> None:
        chance = random.Random(seed)
        self.rows.order = [k for k in self.rows.order if chance.random() > part]
        self.take_in()

    @rule(seed=st.integers(0, 9))
    def shuffle(self, seed: int) -> None:
        random.Random(seed).shuffle(self.rows.order)
        self.take_in()

    @rule()
    def filter_on(self) -> None:
        self.out += self.rows.order[1::2]
        self.rows.order = self.rows.order[::2]
        self.take_in(asked=True)

    @rule()
    def filter_off(self) -> None:
        self.rows.order += self.out
        self.out = []
        self.take_in(asked=True)

    @rule()
    def sort(self) -> None:
        self.grid.focused_column = "id"
        self.grid.perform("sort")
        self.rows.order.sort(reverse=self.rows.sorted_by == ("id", False))
        self.rows.sorted_by = ("id", self.rows.sorted_by == ("id", False))
        self.take_in()

    @rule(places=st.lists(st.integers(0, 60), max_size=9))
    def change_cells(self, places: list[int]) -> None:
        for place in places:
            if place < len(self.rows.order):
                self.rows.change(self.rows.order[place], "age", f"{self.made}")
        self.take_in()

    @rule(command=st.sampled_from(MOVES + MARKING + SIDES + ["follow", "open"]))
    def command(self, command: str) -> None:
        marks, cursor = set(self.grid.marks), self.grid.cursor
        self.grid.perform(command)
        if command in MOVES and self.rows.order:
            assert self.grid.cursor in self.rows.order
            assert self.cursor_line() is not None or self.grid.space.height < 2
        if command in MOVES + SIDES:
            assert set(self.grid.marks) == marks
        if command in SIDES:
            assert self.grid.cursor == cursor

    @rule(width=st.integers(10, 130), height=st.integers(1, 20))
    def resize(self, width: int, height: int) -> None:
        self.grid.space = Size(width, height)
        self.grid.screen_lines = []
        self.grid.on_resize()
        self.grid.refresh(Size(width, height).region)  # as Textual does

    @precondition(lambda self: self.grid.marks)
    @rule()
    def unmark_all(self) -> None:
        self.grid.perform("unmark-all")
        assert not self.grid.marks

    def cursor_line(self) -> int | None:
        """Return the line on which the cursor's row is drawn."""
        seen = self.in_sight()
        return seen.index(self.grid.cursor) if self.grid.cursor in seen else None

    def in_sight(self) -> list[object]:
        """Return the keys that ought to be drawn, by what the model says."""
        order: list[object] = list(self.rows.order)
        view = self.grid._view
        if view.gone:
            order.insert(view.place, view.cursor)
        return order[view.top : view.top + max(self.grid.space.height - 1, 0)]

    @invariant()
    def marks_are_of_rows_that_were(self) -> None:
        marks = set(self.grid.marks)
        assert marks <= self.ever
        assert len(marks) == len(self.grid.marks)

    @invariant()
    def the_screen_is_what_the_model_says(self) -> None:
        width, height = self.grid.space
        if height < 2 or not self.grid._view.total:
            return
        rows = [line for line in self.grid.screen_lines[1:] if line.strip()]
        expected = self.in_sight()
        assert len(rows) == len(expected)
        for line, key in zip(rows, expected, strict=True):
            marked = self.grid.range_from is None and key in self.grid.marks
            assert line[0] == "●" or not marked
            assert len(line) == width
            if width > 30 and "id" in self.grid._laid_out().ids:
                assert line[2:].startswith((str(key)[:5], "gone"))

    @invariant()
    def the_window_is_within_the_rows(self) -> None:
        view = self.grid._view
        assert 0 <= view.top <= max(view.total - max(view.height, 0), 0)
        if view.following and view.height > 0 and view.total:
            assert view.in_sight(view.place)


TestAnyOrder = AnyOrder.TestCase
