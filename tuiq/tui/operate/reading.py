"""Reading what a key meant: in a thread, shown where it takes long, and left by Esc.

What is typed meanwhile waits, or goes to the dialog that shows it, so that it answers
no question that was not seen, and is no command where an answer was meant.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuiq.errors import TuiqError
from tuiq.log import printable
from tuiq.tui.dialog import Dialog
from tuiq.tui.operate.freezing import Freezing, Frozen, GaveUp

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import ComposeResult

    from tuiq.tui.page import Subject
    from tuiq.tui.shell import Shell

SHOWN_FROM = 500
"""Messages from which reading them is shown at once, and can be left."""
SHOWN_AFTER = 0.5
"""Seconds after which the reading of fewer is shown, too."""


class FreezingDialog(Dialog[Frozen]):
    """How far the reading of a large set is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "nothing", "nothing", show=False)
    ]

    def __init__(self, freezing: Freezing) -> None:
        """Show *freezing*; leaving it gives up."""
        self._freezing = freezing
        super().__init__("Reading what is meant", hints=[("escape", "gives up")])

    def body(self) -> ComposeResult:
        """Show the numbers."""
        yield Static(self._text(), markup=False, id="progress")

    def on_mount(self) -> None:
        """Keep the numbers up to date."""
        self.set_interval(0.25, self._show)

    def _show(self) -> None:
        self.query_one("#progress", Static).update(self._text())

    def _text(self) -> str:
        return f"freezing {self._freezing.done:,} of {self._freezing.of:,}"

    def action_nothing(self) -> None:
        """Do nothing."""

    def action_leave(self) -> None:
        """Give up."""
        self._freezing.halt.set()
        self.dismiss(None)


class Reading:
    """One freeze from the key to what is done with the frozen set."""

    def __init__(
        self, shell: Shell, subject: Subject, then: Callable[[Frozen], None]
    ) -> None:
        """Freeze *subject*; *then* gets the set in the UI thread unless it is empty."""
        self._shell = shell
        self._then = then
        self._freezing = Freezing(shell.world.spool, subject)
        self._dialog: FreezingDialog | None = None
        self.is_over = False

    def begin(self) -> None:
        """Read; returns at once."""
        if self._freezing.of > SHOWN_FROM:
            self._show()
        else:
            self._shell.hold_keys()
            asyncio.get_running_loop().call_later(SHOWN_AFTER, self._show_if_slow)
        self._shell.world.jobs.errand(self._read, self._freezing.halt)

    def _show(self) -> None:
        self._dialog = FreezingDialog(self._freezing)
        self._shell.ask(self._dialog, self._left)

    def _show_if_slow(self) -> None:
        if not self.is_over:
            self._show()
            self._shell.let_keys_go()

    def _read(self) -> None:
        try:
            frozen = self._freezing.run()
        except GaveUp:
            return
        except (TuiqError, OSError) as error:
            self._shell.call_later(self._fail, printable(str(error)))
        except Exception as error:  # noqa: BLE001 - the keys would wait for ever
            told = f"a mistake of tuiq, please report it: {type(error).__name__}: "
            self._shell.call_later(self._fail, printable(f"{told}{error}"))
        else:
            self._shell.call_later(self._deliver, frozen)

    def _deliver(self, frozen: Frozen) -> None:
        if self._freezing.halt.is_set():
            return  # left a moment ago, and told so
        if self._dialog is not None:
            self._dialog.dismiss(frozen)
        else:
            self._arrived(frozen)

    def _fail(self, reason: str) -> None:
        self.is_over = True
        if self._dialog is not None and not self._freezing.halt.is_set():
            self._freezing.halt.set()
            self._dialog.dismiss(None)
        self._shell.tell(f"nothing was done: {reason}", bad=True)
        self._shell.let_keys_go()

    def _left(self, frozen: Frozen | None) -> None:
        """Go on after the dialog."""
        if frozen is not None:
            self._arrived(frozen)
        elif not self.is_over:
            self.is_over = True
            self._shell.tell("given up; nothing was done")

    def _arrived(self, frozen: Frozen) -> None:
        self.is_over = True
        if frozen.selection.count:
            self._then(frozen)
        else:
            gone = "nothing was done: what was meant is gone since"
            self._shell.tell(gone, bad=True)
        self._shell.let_keys_go()
