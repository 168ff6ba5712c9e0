"""Leaving while something is at work: the only question that tuiq asks then."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuiq.actions.words import plural
from tuiq.tui.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from tuiq.tui.operate.jobs import Job
    from tuiq.tui.operate.runner import RunnerControl


class Way(Enum):
    """How to leave."""

    DRAIN = "drain"
    """Jobs stop between two messages; the embedded runner drains."""
    LEAVE_RUNNING = "leave running"
    """Jobs stop; the embedded runner lives on."""


class Leave(Dialog[Way]):
    """Says what is at work, and asks what becomes of it; Enter does nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d", "take('drain')", show=False),
        Binding("l", "take('leave running')", show=False),
    ]

    def __init__(self, jobs: Sequence[Job], runner: RunnerControl) -> None:
        """Speak of what is at work now."""
        self._jobs = tuple(jobs)
        self._runs = runner.pid is not None
        self._pid = runner.pid
        hints = [
            ("d", "drain the runner and leave" if self._runs else "stop and leave")
        ]
        if self._runs:
            hints.append(("l", "leave it running"))
        super().__init__("Leave tuiq", hints=(*hints, ("escape", "stay")))

    def body(self) -> ComposeResult:
        """Yield a paragraph for each thing."""
        lines = [
            f"{job.verb.capitalize()} is at work: {job.done:,} of "
            f"{plural(job.of, 'message')} done. Leaving stops it between two messages; "
            "what was done stays done and can be undone."
            for job in self._jobs
        ]
        if self._runs:
            lines.append(
                f"The runner that was started here (pid {self._pid}) is delivering. "
                "Drained, it ends the attempts that run, starts none, and exits. Left "
                "running, it goes on without tuiq."
            )
        yield Static("\n\n".join(lines), markup=False)

    def action_take(self, way: str) -> None:
        """Leave in a way."""
        chosen = Way(way)
        if chosen is Way.LEAVE_RUNNING and not self._runs:
            return
        self.dismiss(chosen)
