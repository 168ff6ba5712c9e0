"""The commands about the runner: start, drain, and other limits for now."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from tuiq.actions.limiting import VERB, limits_now, set_limits
from tuiq.errors import TuiqError
from tuiq.log import printable
from tuiq.spool.answers import Result
from tuiq.spool.limits import HIGHEST, Limits
from tuiq.tui.dialog import Dialog
from tuiq.tui.operate.confirm import Confirm
from tuiq.tui.operate.keys import key_of

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from tuiq.tui.operate.job import Job, Then
    from tuiq.tui.page import Page
    from tuiq.tui.shell import Shell

_HARD = [
    ("Now", "it drains: attempts that run are brought to their end, none starts"),
    ("A hard stop", "ends it and its workers at once, in the middle of transactions"),
    ("In doubt", "mail whose final dot is out may then be sent a second time"),
    ("Instead", "wait: draining ends by itself after runner.drain_timeout"),
]


class LimitsDialog(Dialog[Limits]):
    """Asks for other limits of the runner that is at work."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(self, limits: Limits) -> None:
        """Begin with those in force."""
        self._limits = limits
        hints = [("enter", "changes them"), ("tab", "next"), ("escape", "leaves")]
        super().__init__("Limits of the running runner", hints=hints)

    def body(self) -> ComposeResult:
        """Show both numbers."""
        now = self._limits
        yield Static("Connections to one destination, at most:", markup=False)
        yield _number(now.concurrency, "most")
        yield Static("At first, until answers are good:", markup=False)
        yield _number(now.initial_concurrency, "first")
        yield Static(
            "\nUntil the runner restarts; tuiq.toml stays as it is. Routes with a "
            "concurrency of their own keep it.",
            markup=False,
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Answer, if these can be limits."""
        event.stop()
        most, first = (
            int(self.query_one(f"#{name}", Input).value or 0)
            for name in ("most", "first")
        )
        if not (1 <= most <= HIGHEST and 1 <= first <= HIGHEST):
            self.complain(f"Both are numbers from 1 to {HIGHEST:,}.")
        elif first > most:
            self.complain("There cannot be more at first than at most.")
        else:
            self.dismiss(Limits(concurrency=most, initial_concurrency=first))


def _number(value: int, name: str) -> Input:
    return Input(str(value), restrict=r"[0-9]*", max_length=5, id=name)


class Running:
    """Starts, drains and stops the runner of this UI; sets limits of any."""

    commands = frozenset({"runner-start", "runner-drain", "runner-limit"})

    def __init__(self, shell: Shell, then: Then) -> None:
        """Act through *shell*; *then* is called in a job's thread."""
        self._shell = shell
        self._then = then

    def why_not(self, command: str, _page: Page) -> str:
        """Return why there is nothing to do; empty: there is."""
        runner = self._shell.world.runner
        other = self._other()
        if command == "runner-start":
            if runner.pid is not None:
                return f"pid {runner.pid} is {runner.word} already"
            return f"pid {other} runs already: watching it" if other else ""
        if command == "runner-drain" and runner.pid is None:
            if not other:
                return "no runner is alive"
            return f"pid {other} was started elsewhere; end it there: kill {other}"
        if command == "runner-limit" and runner.pid is None and not other:
            return "no runner is alive"
        return ""

    def _other(self) -> int:
        """Return the pid of a runner that is not ours, as the last look saw it."""
        ours = self._shell.world.runner.pid
        alive = self._shell.world.lookout.sight.around.alive
        pids = (s.pid for s in alive if s.name == "supervisor" and s.pid != ours)
        return next(pids, 0)

    def perform(self, command: str, _page: Page) -> None:
        """Do it, asking first where that is due."""
        runner = self._shell.world.runner
        if command == "runner-start":
            self._shell.world.jobs.errand(self._start, threading.Event())
        elif command == "runner-limit":
            limits = limits_now(self._shell.world.spool)
            self._shell.ask(LimitsDialog(limits), self._limit)
        elif runner.word == "draining":
            dialog = Confirm(
                "Stop the runner hard", _HARD, does="stops it now", danger=True
            )
            self._shell.ask(dialog, lambda yes: runner.kill() if yes else None)
        else:
            runner.drain()
            told = "the runner drains: what runs is ended, nothing starts"
            key = key_of(self._shell.world, command)
            self._shell.tell(f"{told} · {key} again stops it hard")

    def _start(self) -> None:
        runner = self._shell.world.runner
        try:
            runner.start()
        except TuiqError as error:
            self._shell.call_later(self._shell.tell, printable(str(error)), bad=True)
            return
        told = f"started a runner (pid {runner.pid}) · it drains when this UI ends"
        self._shell.call_later(self._shell.tell, told)

    def _limit(self, limits: Limits | None) -> None:
        if limits is None:
            return
        world = self._shell.world

        def work(job: Job) -> None:
            job.action = set_limits(world.spool, limits, actor=world.actor)
            job.done = 1
            job.counts[Result.ACTED] += 1
            job.note = (
                f"limits: {limits.concurrency} connections to one destination, "
                f"{limits.initial_concurrency} at first, until the runner restarts"
            )

        world.jobs.in_turn(VERB, "runner", work, then=self._then)
