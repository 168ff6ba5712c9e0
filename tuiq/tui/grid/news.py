"""What a grid tells the page around it; also known as ``Grid.Moved`` and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from tuiq.tui.grid.canvas import Canvas
    from tuiq.tui.grid.model import Key


class GridMessage(Message, namespace="grid"):
    """Comes from a grid."""

    def __init__(self, grid: Canvas) -> None:
        """Come from *grid*."""
        super().__init__()
        self.grid = grid

    @property
    def control(self) -> Canvas:
        """Return the grid, for ``@on`` with a selector."""
        return self.grid


class Moved(GridMessage, namespace="grid"):
    """The cursor is on another row."""

    def __init__(self, grid: Canvas, key: Key | None) -> None:
        """Tell of *key*; None: there are no rows."""
        super().__init__(grid)
        self.key = key


class Opened(GridMessage, namespace="grid"):
    """Enter, or a double click on a row."""

    def __init__(self, grid: Canvas, key: Key) -> None:
        """Tell of *key*."""
        super().__init__(grid)
        self.key = key


class SortWanted(GridMessage, namespace="grid"):
    """The rows are to be ordered by a column: the page orders its model."""

    def __init__(self, grid: Canvas, column: str, *, reverse: bool) -> None:
        """Ask for *column*."""
        super().__init__(grid)
        self.column = column
        self.reverse = reverse


class MarksChanged(GridMessage, namespace="grid"):
    """Something was marked or unmarked by a command."""
