"""The jobs of this UI: how far they are, how they went, and stopping one."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Static

from tuiq.log import printable
from tuiq.tui.dialog import Dialog
from tuiq.tui.operate.confirm import Confirm
from tuiq.tui.operate.elsewhere import elsewhere
from tuiq.tui.operate.facts import clock_time, progress, report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import ComposeResult

    from tuiq.tui.operate.job import Job
    from tuiq.tui.operate.jobs import Jobs

BAR = 20
"""Cells of a progress bar."""
_SHOWN = 6


class JobsDialog(Dialog[None]):
    """Lists the jobs; they go on whether it is open or not."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "by(1)", show=False),
        Binding("up,k", "by(-1)", show=False),
        Binding("x", "stop", show=False),
        Binding("J,q", "leave", show=False),
    ]

    def __init__(self, jobs: Jobs) -> None:
        """Show *jobs*."""
        self._jobs = jobs
        self._at = 0
        self._shown = ""
        hints = [("up", "which"), ("x", "stops it"), ("escape", "leaves")]
        super().__init__("Jobs", hints=hints, classes="-wide")

    def body(self) -> ComposeResult:
        """Show the list."""
        self._shown = "\n".join(self._lines())
        yield Static(self._shown, markup=False, id="jobs")

    def on_mount(self) -> None:
        """Keep the list up to date."""
        self.set_interval(0.5, self._show)

    @property
    def _chosen(self) -> Job | None:
        jobs = self._jobs.all
        return jobs[self._at] if self._at < len(jobs) else None

    def action_by(self, by: int) -> None:
        """Go to another job."""
        self._at = max(0, min(self._at + by, len(self._jobs.all) - 1))
        self._show()

    def action_stop(self) -> None:
        """Ask whether to stop the chosen job."""
        job = self._chosen
        if job is None or job.is_over:
            self.complain("That job is over.")
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._jobs.stop(job)
                self._show()

        pairs = [
            ("Job", f"{job.number}: {progress(job)}"),
            ("Scope", job.scope),
            ("Then", "what was done stays done; no further message is taken"),
        ]
        self.app.push_screen(Confirm("Stop a job", pairs, does="stops it"), answered)

    def _show(self) -> None:
        text = "\n".join(self._lines())
        if text != self._shown:
            self._shown = text
            self.query_one("#jobs", Static).update(text)

    def _lines(self) -> Iterator[str]:
        jobs = self._jobs.all
        first = max(0, min(self._at - _SHOWN + 1, len(jobs) - _SHOWN))
        if not jobs:
            yield "Nothing was done here yet. Activity lists what others did."
        for number, job in enumerate(jobs[first : first + _SHOWN], first):
            yield from self._job(job, is_chosen=number == self._at)
        if len(jobs) > _SHOWN:
            yield f"{first + 1}–{min(first + _SHOWN, len(jobs))} of {len(jobs)}"
        yield from elsewhere(self.shell.world)

    def _job(self, job: Job, *, is_chosen: bool) -> Iterator[str]:
        mark = "▸" if is_chosen else " "
        at = clock_time(job.started) if job.started else "waiting "
        yield f"{mark} {job.number:>3}  {at}  {job.verb}: {job.scope}"
        if job.is_over:
            yield f"       {report(job)}"
        else:
            yield f"       {bar(job)}  {progress(job)}"
        for answer in job.reasons if is_chosen else ():
            text = printable(answer.text)
            yield f"       {answer.target.queue_id}  {answer.result}: {text}"
        if is_chosen and job.action:
            yield f"       action {job.action}"


def bar(job: Job) -> str:
    """Return how far a job is as a bar of text."""
    done, of = job.done, job.of
    if job.outcome is not None:
        done, of = job.outcome.of - job.outcome.waiting, job.outcome.of
    full = min(BAR, BAR * done // of) if of else 0
    return "█" * full + "░" * (BAR - full)
