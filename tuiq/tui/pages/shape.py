"""Where the queue hurts: domains by age, reasons, and what is going to happen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import Vertical

from tuiq.actions.filter import FilterError, parse
from tuiq.tui.grid import news
from tuiq.tui.grid.grid import Grid
from tuiq.tui.pages import shape_rows as rows
from tuiq.tui.pages.board import GRID, Board
from tuiq.tui.pages.lines import Line, Lines
from tuiq.tui.pages.shape_forecast import outlook
from tuiq.tui.pages.shape_meaning import code_term, meaning
from tuiq.tui.pages.shape_rows import HeatRow, ReasonRow
from tuiq.tui.pages.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual import events
    from textual.app import ComposeResult

    from tuiq.tui.grid.model import Key
    from tuiq.tui.index.messages import MessagesView
    from tuiq.tui.page import Subject

EVERY = 5.0
"""Seconds between two counts at least."""
SOON = 0.5
"""The same while nothing was found: the queue may just be read for the first time."""
_SHARE = 20.0
"""How many times as long as a count took nothing is counted."""
_FRESH = 2.0
"""Seconds for which a sample of what an action would be applied to is good."""
_SAMPLE = 200
TOTAL = ""
"""Key of the line of sums; the others go by their filters."""


class ShapePage(Board):
    """The table of domains by age, and the reasons below it."""

    page_name = "shape"
    page_title = "Shape"
    footer: ClassVar[tuple[str, ...]] = (
        "open",
        "group",
        "pane",
        "hold",
        "flush",
        "canary",
        "pause",
        "filter",
        "sort",
    )
    takes: ClassVar[frozenset[str]] = GRID | {"group", "pane"}
    DEFAULT_CSS = """
    ShapePage #shape { height: 3fr; }
    ShapePage #reasons { height: 2fr; min-height: 2; }
    ShapePage.-low #reasons { height: 2; }
    ShapePage.-low #reasons:focus { height: 3fr; }
    """

    def __init__(self) -> None:
        """Begin with recipient domains, and without a filter."""
        super().__init__()
        self.by = rows.BY[0]
        self._filter = ""
        self._view: MessagesView | None = None
        self._next_count = float("-inf")
        # What is still to be counted in this turn, and how long that took so far.
        self._parts: list[Callable[[float], None]] = []
        self._took = 0.0
        # Whether other rows were asked for, so that none of them counts as gone.
        self._asked = False
        # What is going to happen, as it was worked out last.
        self._forecast: list[Line] = []
        # Some of what an action would be applied to: for which focus, until when.
        self._sampled: tuple[object, float, Subject | None] | None = None

    def compose(self) -> ComposeResult:
        """Make both grids and the forecast."""
        self.heat: Table[HeatRow] = Table(
            rows.COLUMNS, rows.cell, rows.rank, sort=("total", True), first=TOTAL
        )
        self.groups: Table[ReasonRow] = Table(
            rows.REASON_COLUMNS,
            rows.reason_cell,
            rows.reason_rank,
            sort=("count", True),
        )
        self.heat_grid = self.make_grid(self.heat, "shape")
        self.reason_grid = self.make_grid(self.groups, "reasons")
        self.detail = Lines(self.palette, least=3, most=5, id="shape-forecast")
        yield Vertical(self.heat_grid, self.detail, self.reason_grid)

    def on_resize(self, event: events.Resize) -> None:
        """Give both parts their lines, or most to the one that has the keys."""
        self.set_class(event.size.height < 20, "-low")
        self.detail.fit(event.size.height)

    # -- what is shown -----------------------------------------------------------

    def tick(self, now: float) -> None:
        """Count a part again when it is time; the next tick counts the next."""
        if not self.is_mounted:
            return
        began = time.monotonic()
        if not self._parts and began >= self._next_count:
            self._parts = [self._count_shape, self._count_reasons, self._look_ahead]
            self._took = 0.0
        if self._parts:
            self._parts.pop(0)(now)
            ended = time.monotonic()
            self._took += ended - began
            pause = EVERY if self.groups.count else SOON
            self._next_count = ended + max(pause, _SHARE * self._took)
        self._tell()

    def _count_shape(self, now: float) -> None:
        shape = self.world.messages.shape(self.by, now=now, filter=self._filter)
        whole = shape[0].total if shape else 0
        self.heat.show({row.filter: HeatRow(row=row, whole=whole) for row in shape})
        self.heat_grid.changed(asked=self._asked)

    def _count_reasons(self, now: float) -> None:
        groups = self.world.messages.reasons(self._narrowed())
        self.groups.show({g.label: ReasonRow(group=g, now=now) for g in groups})
        self.reason_grid.changed(asked=self._asked)
        self._asked = False

    def _look_ahead(self, now: float) -> None:
        self._forecast = outlook(self.world, now)

    def _tell(self) -> None:
        """Say what is focused, and what is going to happen."""
        grid = self.active
        line: Line = []
        if grid is self.reason_grid:
            group = self.groups.value(grid.cursor)
            line = rows.about_group(group.group) if group else []
        elif value := self.heat.value(grid.cursor):
            line = rows.about(value, rows.bucket_of(grid.focused_column))
        self.detail.say([line, *self._forecast])

    def on_grid_moved(self, _event: news.Moved) -> None:
        """Tell about the row that is focused now."""
        self._tell()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Tell about the part that has the keys now."""
        super().on_descendant_focus(event)
        self._tell()

    def again(self) -> None:
        """Count at once: something else is asked for."""
        self._next_count = float("-inf")
        self._parts.clear()
        self._asked = True
        self.tick(self.world.clock.now())

    def hidden(self) -> None:
        """Follow no changes while nobody looks."""
        if self._view is not None:
            self._view.close()
            self._view = None

    def empty_text(self) -> str:
        """Return what stands where rows would be."""
        if self._filter:
            key = self.key("filter-toggle")
            return f"Nothing waits that matches; {key} drops the filter."
        return "Nothing waits in the queue."

    def status(self) -> str:
        """Return what is counted and what the focused cell is."""
        grid = self.active
        order = grid.model.sorted_by[0]
        return f"by {rows.WORDS[self.by]}   sort {order}"

    # -- the filter ----------------------------------------------------------------

    @property
    def filter_text(self) -> str | None:
        """Return the filter in force."""
        return self._filter

    def set_filter(self, text: str) -> str:
        """Count only what matches; return the complaint, empty when taken."""
        try:
            self._filter = str(parse(text))
            self._narrowed()
        except FilterError as error:
            return f"{error.caret}\n{error.reason}"
        self.again()
        return ""

    def _narrowed(self) -> MessagesView | None:
        """Return what the filter selects; None without one."""
        if not self._filter:
            self.hidden()
            return None
        if self._view is None:
            self._view = self.world.messages.view()
        if self._view.filter != self._filter:
            self._view.narrow(self._filter)
        return self._view

    # -- cells ---------------------------------------------------------------------

    def _cell(self) -> tuple[str, str]:
        """Return the filter of what is focused, and what follows ``3 messages``."""
        grid = self.active
        key = grid.cursor
        if grid is self.reason_grid:
            group = self.groups.value(key)
            if group is None:
                return "", ""
            said = f" {rows.TO['reason']} {group.group.label}"
            return self._joined(group.group.filter), said
        value = self.heat.value(key)
        if value is None:
            return "", ""
        number = rows.bucket_of(grid.focused_column)
        ages = "" if number is None else rows.bounds(number)
        named = "" if value.is_total else f" {rows.TO[self.by]} {value.row.name}"
        old = "" if number is None else f", {rows.ages(number)}"
        return self._joined(value.row.filter, ages), named + old

    def _joined(self, *terms: str) -> str:
        """Return one filter: that of the page, and *terms*."""
        own = f"({self._filter})" if " | " in self._filter else self._filter
        return " ".join(filter(None, (own, *terms)))

    def opened(self, grid: Grid, key: Key) -> None:
        """Show the messages of the cell."""
        self.shell.go("messages", filter=self._cell()[0])

    def subject(self) -> Subject | None:
        """Return what the focused cell or group counts, as of now."""
        return self._meaning(None)

    def sample(self) -> Subject | None:
        """Return a few of them, for a while the same."""
        grid = self.active
        focus = (grid.id, grid.cursor, grid.focused_column, self._filter, self.by)
        now = time.monotonic()
        if self._sampled is None or self._sampled[0] != focus or now > self._sampled[1]:
            subject = self._meaning(_SAMPLE)
            took = time.monotonic() - now
            self._sampled = focus, now + max(_FRESH, _SHARE * took), subject
        return self._sampled[2]

    def _meaning(self, most: int | None) -> Subject | None:
        if self.active.cursor is None:
            return None
        text, words = self._cell()
        who = ""
        if self.active is self.reason_grid:
            who = code_term(str(self.active.cursor))
        return meaning(self.world.messages, text, words, who=who, most=most)

    def pausable(self) -> list[list[str]]:
        """Return the focused domain or route, then the whole spool."""
        value = self.heat.value(self.heat_grid.cursor)
        is_place = self.by in ("domain", "route") and self.active is self.heat_grid
        if value is None or value.is_total or not is_place:
            return [["spool"]]
        return [["destination", value.row.name], ["spool"]]

    # -- commands --------------------------------------------------------------------

    def perform(self, command: str) -> None:
        """Do one of the commands in ``takes``."""
        do: dict[str, Any] = {
            "group": self._next_grouping,
            "pane": self._other_part,
        }
        if command in do:
            do[command]()
        else:
            super().perform(command)
            self._tell()

    def _next_grouping(self) -> None:
        at = rows.BY.index(self.by)
        self.by = rows.BY[(at + 1) % len(rows.BY)]
        self.again()

    def _other_part(self) -> None:
        other = self.heat_grid
        if self.active is self.heat_grid:
            other = self.reason_grid
        other.focus()
