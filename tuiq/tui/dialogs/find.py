"""The command palette: anything by its name, and filters as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from tuiq.tui.dialog import Dialog
from tuiq.tui.dialogs.findings import Entry
from tuiq.tui.dialogs.picks import Picks

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.tui.dialogs.findings import Findings

_PAGE = 10


class Find(Dialog[Entry]):
    """Type a part of a name, choose, Enter."""

    KEEPS_EARLY_KEYS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,ctrl+n", "move(1)", show=False),
        Binding("up,ctrl+p", "move(-1)", show=False),
        Binding("pagedown", f"move({_PAGE})", show=False),
        Binding("pageup", f"move(-{_PAGE})", show=False),
    ]

    def __init__(self, findings: Findings) -> None:
        """Search *findings*."""
        hints = (("enter", "do it"), ("escape", "leave"))
        super().__init__("Commands", hints=hints, classes="-wide")
        self._findings = findings
        self._picks = Picks()

    def body(self) -> ComposeResult:
        """Put the line above the list."""
        line = Input(placeholder="a name, a screen, or a filter: messages age>2h")
        line.cursor_blink = False
        yield line
        yield self._picks

    def on_mount(self) -> None:
        """Show everything."""
        self._picks.show(self._findings.match(""))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what fits."""
        self.complain("")
        self._picks.show(self._findings.match(event.value))

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Take what is chosen."""
        self._take()

    def on_picks_picked(self, _event: Picks.Picked) -> None:
        """Take what was clicked."""
        self._take()

    def _take(self) -> None:
        chosen = self._picks.chosen
        if chosen is None:
            return
        if chosen.why:
            self.complain(f"{chosen.label}: {chosen.why}")
        else:
            self.dismiss(chosen)

    def action_move(self, by: int) -> None:
        """Choose another entry."""
        self.complain("")
        self._picks.move(by)
