"""A window on a model as a widget, which sends only lines that differ.

It draws a frame of strips.  The model may change at any time: nothing is drawn anew
before ``changed``, so what is on the screen is always one state of things.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.choices import GridChoice
from tuiq.tui.grid.layout import MARGIN, Layout, arrange, chosen
from tuiq.tui.grid.marks import Marking, Marks
from tuiq.tui.grid.model import GridModel, Key
from tuiq.tui.grid.painter import Painter, Scene
from tuiq.tui.grid.viewport import Viewport

if TYPE_CHECKING:
    from tuiq.tui.look.palette import Palette


class Canvas(Widget, can_focus=True):
    """Rows of a model, a cursor, marks; what a grid is before it takes commands."""

    DEFAULT_CSS = """
    Canvas { width: 1fr; height: 1fr; }
    """
    ALLOW_SELECT = False

    def __init__(  # noqa: PLR0913 - the model, and what any widget takes
        self,
        model: GridModel,
        *,
        palette: Callable[[], Palette],
        choice: GridChoice | None = None,
        marks: Marking | None = None,
        empty: Callable[[], str] | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Show *model*; *empty* says what stands there instead of no rows."""
        super().__init__(id=id, classes=classes)
        self.model = model
        self.marks: Marking = Marks() if marks is None else marks
        self.choice = GridChoice() if choice is None else choice
        self.range_from: Key | None = None
        """Where a range that is being marked began."""
        self._palette = palette
        self._empty = empty
        self._view = Viewport(model)
        self._column = ""
        self._frame: list[Strip] = []
        self._painter = Painter()
        self._layout: tuple[object, Layout] | None = None

    # What it shows

    @property
    def cursor(self) -> Key | None:
        """Return the row under the cursor; it may have just gone."""
        return self._view.cursor

    @property
    def cursor_position(self) -> int | None:
        """Return where in the model the cursor's row is; None when it has gone."""
        view = self._view
        return None if view.gone or view.cursor is None else view.place

    @property
    def following(self) -> bool:
        """Return whether the cursor's row is kept in sight when it moves."""
        return self._view.following

    @property
    def first_in_sight(self) -> int:
        """Return the position of the topmost row that is drawn."""
        return self._view.top

    @property
    def last_in_sight(self) -> int:
        """Return the position of the lowest row that is drawn; -1 without rows."""
        return min(self._view.top + self._view.height, self.model.count) - 1

    @property
    def shown_columns(self) -> list[str]:
        """Return the columns that take part at this width, in order."""
        return list(self._laid_out().shown)

    @property
    def focused_column(self) -> str:
        """Return the column that sort and filter-by-cell are about."""
        ids = [column.id for column in chosen(self.model.columns, self.choice)]
        if self._column in ids:
            return self._column
        ordered = self.model.sorted_by[0]
        return ordered if ordered in ids else ids[0]

    @focused_column.setter
    def focused_column(self, column: str) -> None:
        self._column = column
        self._paint()

    def go_to(self, key: Key) -> bool:
        """Put the cursor on a row and bring it in sight; False: it is not shown."""
        position = self.model.position_of(key)
        if position is not None:
            self._to(position)
            self._paint()
        return position is not None

    def changed(self, *, asked: bool = False) -> None:
        """Take in what changed since; draw the lines that differ.

        *asked*: the operator asked for other rows or another order, so nothing is
        drawn as gone, and the cursor goes to the top when its row is not among them.
        """
        self._view.asked |= asked
        self._settle()
        self._paint()

    # The screen

    def render_line(self, y: int) -> Strip:
        """Return a line of the frame that was drawn last."""
        if y < len(self._frame):
            return self._frame[y]
        return Strip.blank(self.size.width, self.rich_style)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._view.resize(self.size.height - 1)
        self._paint()

    def on_focus(self) -> None:
        """Draw the cursor as the one that counts."""
        self._paint()

    def on_blur(self) -> None:
        """Draw the cursor as one that waits."""
        self._paint()

    def notify_style_update(self) -> None:
        """Draw with the new styles."""
        super().notify_style_update()
        self._paint()

    def _to(self, place: int) -> None:
        """Put the cursor on a place."""
        before = self._view.cursor
        self._view.to(place)
        self._tell(before)

    def _range(self) -> range:
        """Return the positions between the beginning of the range and the cursor."""
        start = self.range_from
        at = None if start is None else self.model.position_of(start)
        if at is None:
            return range(0)
        here = self._view.place
        return range(min(at, here), max(at, here) + 1)

    def _settle(self, *, tick: bool = True) -> None:
        """Find the cursor and the window again in the model."""
        before = self._view.cursor
        self._view.settle(tick=tick)
        start = self.range_from
        if start is not None and self.model.position_of(start) is None:
            self.range_from = None
        self._tell(before)

    def _tell(self, before: Key | None) -> None:
        """Say so if the cursor is on another row than *before*."""
        if self._view.cursor != before and self.is_attached:
            self.moved()

    def moved(self) -> None:
        """Note that the cursor is on another row."""

    def _laid_out(self) -> Layout:
        """Return where the columns stand; the same object while nothing changes."""
        columns = chosen(self.model.columns, self.choice)
        asked = (columns, self.size.width, self.focused_column)
        if self._layout is None or self._layout[0] != asked:
            layout = arrange(columns, self.size.width - 1, asked[2])
            self._layout = (asked, layout)
        return self._layout[1]

    def _paint(self) -> None:
        """Draw a frame, and have the lines sent that differ from the one before."""
        size = self.size
        if size.height < 2 or size.width < MARGIN + 2 or not self.is_attached:
            return
        self._painter.dip(self._palette(), self.rich_style)
        scene = Scene(
            model=self.model,
            view=self._view,
            marks=self.marks,
            ranged=self._range(),
            layout=self._laid_out(),
            column=self.focused_column,
            focused=self.has_focus,
        )
        empty = self._empty() if self._empty and not self.model.count else ""
        before, self._frame = self._frame, self._painter.frame(scene, size, empty)
        lines = [*_differing(before, self._frame)]
        if lines:
            self.refresh(*(Region(0, y, size.width, 1) for y in lines))


def _differing(before: list[Strip], after: list[Strip]) -> Iterator[int]:
    """Return the numbers of the lines that do not look the same."""
    for y, new in enumerate(after):
        old = before[y] if y < len(before) else None
        if old is not new and old != new:
            yield y
