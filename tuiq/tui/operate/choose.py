"""One of a few: a list with a cursor and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from tuiq.tui.look.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult


class Choose(Dialog[int]):
    """Answers which of the lines was chosen, counted from 0; for what does no harm."""

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        """Offer *lines*, all of them clean."""
        self._lines = lines
        hints = [("enter", "takes it"), ("escape", "leaves")]
        super().__init__(title, hints=hints, classes="-wide")

    def body(self) -> ComposeResult:
        """Show the lines."""
        yield OptionList(*(Option(Content(line)) for line in self._lines))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer."""
        event.stop()
        self.dismiss(event.option_index)
