"""The grid: rows by the hundred thousand; commands move, mark and order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from tuiq.tui.grid import news
from tuiq.tui.grid.canvas import Canvas
from tuiq.tui.grid.layout import MARGIN, chosen
from tuiq.tui.grid.marks import all_keys, between

if TYPE_CHECKING:
    from textual import events

    from tuiq.tui.grid.model import Column

_WHEEL = 3
"""Lines that one notch of the mouse wheel scrolls."""
_ON_A_ROW = frozenset({"open", "mark", "mark-range", "mark-down", "mark-up"})


class Grid(Canvas):
    """Rows with a cursor and marks; commands come in by ``perform``."""

    Moved: TypeAlias = news.Moved
    Opened: TypeAlias = news.Opened
    SortWanted: TypeAlias = news.SortWanted
    MarksChanged: TypeAlias = news.MarksChanged

    def moved(self) -> None:
        """Tell the page of the row that the cursor is on."""
        self.post_message(self.Moved(self, self.cursor))

    # Commands

    def perform(self, command: str) -> None:
        """Do one of ``COMMANDS``; nothing happens where ``why_not`` says why."""
        if not self.why_not(command):
            self._settle(tick=False)  # a frozen page does not tell of changes
            self._DO[command](self)
            self._paint()

    def why_not(self, command: str) -> str:
        """Return why a command cannot work now; empty: it can."""
        if command == "sort":
            column = self._by_id(self.focused_column)
            return "" if column.sortable else f"not sortable by {column.title}"
        if command == "unmark-all":
            return "" if self.marks else "nothing is marked"
        if command in ("column-left", "column-right", "follow"):
            return ""
        if command in _ON_A_ROW and self._view.gone:
            return "the row has just gone"
        return "" if self.model.count else "no rows"

    def _step(self, by: int) -> None:
        self._to(self._view.place + by)

    def _page(self, direction: int) -> None:
        before = self._view.cursor
        self._view.page(direction)
        self._tell(before)

    def _side(self, by: int) -> None:
        """Focus another column, also one that had left the screen."""
        ids = [column.id for column in chosen(self.model.columns, self.choice)]
        at = ids.index(self.focused_column) + by
        self._column = ids[max(min(at, len(ids) - 1), 0)]

    def _follow(self) -> None:
        self._view.following = not self._view.following
        if self._view.following:
            self._to(self._view.place)

    def _open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def _sort(self) -> None:
        column = self.focused_column
        order, reverse = self.model.sorted_by
        self._view.asked = True
        reverse = column == order and not reverse
        self.post_message(self.SortWanted(self, column, reverse=reverse))

    # Marks

    def _mark(self, by: int = 0) -> None:
        """Turn the mark round; or mark, and go a row on."""
        if self.cursor is None:
            return
        if by:
            self.marks.add(self.cursor)
            self._step(by)
        else:
            self.marks.toggle(self.cursor)
        self._marked()

    def _mark_range(self) -> None:
        """Begin a range at the cursor, or mark from its beginning to the cursor."""
        if self.range_from is None:
            self.range_from = self.cursor
            return
        ends = self._range()
        self.marks.update(between(self.model, ends[0], ends[-1]))
        self.range_from = None
        self._marked()

    def _mark_all(self) -> None:
        self.marks.update(all_keys(self.model))
        self._marked()

    def _invert(self) -> None:
        self.marks.flip(all_keys(self.model))
        self._marked()

    def _unmark_all(self) -> None:
        self.marks.clear()
        self.range_from = None
        self._marked()

    def _marked(self) -> None:
        self.post_message(self.MarksChanged(self))

    _DO: ClassVar[dict[str, Callable[[Grid], None]]] = {
        "down": lambda grid: grid._step(1),
        "up": lambda grid: grid._step(-1),
        "page-down": lambda grid: grid._page(1),
        "page-up": lambda grid: grid._page(-1),
        "first": lambda grid: grid._to(0),
        "last": lambda grid: grid._to(grid.model.count),
        "column-left": lambda grid: grid._side(-1),
        "column-right": lambda grid: grid._side(1),
        "follow": _follow,
        "open": _open,
        "sort": _sort,
        "mark": _mark,
        "mark-range": _mark_range,
        "mark-down": lambda grid: grid._mark(1),
        "mark-up": lambda grid: grid._mark(-1),
        "mark-all": _mark_all,
        "mark-invert": _invert,
        "unmark-all": _unmark_all,
    }
    COMMANDS: ClassVar[frozenset[str]] = frozenset(_DO)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll; the cursor stays on its row."""
        self._scroll(event, _WHEEL)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back."""
        self._scroll(event, -_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Go to the row; a second click opens it; on the heading: sort."""
        if event.y == 0:
            self._click_heading(event.x)
            return
        key = self._view.row(self._view.top + event.y - 1)
        if key is not None and self.go_to(key) and event.chain == 2:
            self._open()

    def _click_heading(self, x: int) -> None:
        """Focus the column at *x*; sort by the one that had the focus already."""
        layout, end = self._laid_out(), MARGIN
        for placed in layout.drawn:
            end += placed.width + layout.gap
            if x < end:
                break
        else:
            return
        if placed.column.id == self.focused_column:
            self.perform("sort")
        else:
            self.focused_column = placed.column.id

    def _scroll(self, event: events.MouseEvent, lines: int) -> None:
        event.stop()
        self._view.scroll(lines)
        self._paint()

    def _by_id(self, id: str) -> Column:
        return next(column for column in self.model.columns if column.id == id)
