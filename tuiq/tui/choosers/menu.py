"""A list in a dialog, moved through with the same keys as a grid."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import OptionList


class Menu(OptionList):
    """An option list that knows vi's keys and takes no markup."""

    DEFAULT_CSS = """
    Menu {
        height: auto;
        scrollbar-size-vertical: 1;
        text-wrap: nowrap;
        text-overflow: ellipsis;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "cursor_down", show=False),
        Binding("k", "cursor_up", show=False),
        Binding("g", "first", show=False),
        Binding("G", "last", show=False),
        Binding("ctrl+d", "page_down", show=False),
        Binding("ctrl+b", "page_up", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        """Be an empty list."""
        super().__init__(id=id, markup=False)

    def show(self, lines: list[str], at: int) -> None:
        """Show other lines, the one *at* highlighted."""
        self.clear_options()
        self.add_options(lines)
        self.highlighted = min(at, len(lines) - 1) if lines else None
