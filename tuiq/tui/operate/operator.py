"""The operator: what the keys of the groups Act and Runner do, on every screen."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar

from tuiq.actions.verbs import CARDS, VERY_MANY
from tuiq.actions.words import age, plural, span
from tuiq.spool.answers import Verb
from tuiq.spool.reading import read_entry
from tuiq.tui.commands import COMMANDS, Group
from tuiq.tui.operate.acting import Acting
from tuiq.tui.operate.confirm import Confirm
from tuiq.tui.operate.dimming import why_not
from tuiq.tui.operate.facts import progress, report
from tuiq.tui.operate.offers import Offers, Undoable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.tui.index.messages import Row
    from tuiq.tui.operate.jobs import Job
    from tuiq.tui.pages.page import Page, Subject
    from tuiq.tui.shell import Shell

READ_ONLY = "read-only: started with --read-only"
_ACCESS_FOR = 5.0
"""Seconds for which it is believed whether a directory may be written."""


class Operator:
    """Acts on what a page shows; one for the application."""

    handles: ClassVar[frozenset[str]] = frozenset(
        command.id
        for command in COMMANDS.values()
        if command.group in (Group.ACT, Group.RUNNER)
    )

    def __init__(self, shell: Shell) -> None:
        """Act through *shell*."""
        self._shell = shell
        self._acting = Acting(shell, self._ended)
        self._offers = Offers()
        self._access: dict[str, tuple[float, bool]] = {}

    @property
    def last_undo(self) -> Undoable | None:
        """Return what ``u`` takes back; None: nothing that was done here."""
        return self._offers.last

    def line(self, now: float) -> str:
        """Return one line on jobs in progress and the undo on offer; clean."""
        jobs = [progress(job) for job in reversed(self._shell.world.jobs.running)]
        return "  ".join(filter(None, (*jobs, self._offers.line(now))))

    # -- what can be done ------------------------------------------------------

    def why_not(self, command: str, page: Page) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        if self._shell.world.options.read_only:
            return READ_ONLY
        if command == "undo":
            return self._why_no_undo(page)
        if command in _VERBS:
            return self._why_not_verb(_VERBS[command], page.subject())
        return ""

    def _why_no_undo(self, page: Page) -> str:
        done = page.done()
        if done is not None:
            return done.why_not
        if self.last_undo is not None:
            return ""
        return "nothing was done here yet; Activity lists what was done before"

    def _why_not_verb(self, verb: Verb, subject: Subject | None) -> str:
        if subject is None or not subject.picks:
            return "nothing is focused or marked"
        if self._acting.is_freezing:
            return "what the last key meant is still being read"
        messages = self._shell.world.messages
        rows = (messages.row(queue_id) for queue_id, _ in subject.picks)
        return self._why_not_directory(subject) or why_not(
            verb, rows, is_held=self._has_held_recipients
        )

    def _has_held_recipients(self, row: Row) -> bool:
        directory = self._shell.world.spool.directory(row.directory)
        entry = read_entry(directory, row.queue_id)
        return entry is not None and b"H" in entry.requests

    def _why_not_directory(self, subject: Subject) -> str:
        row = self._shell.world.messages.row(subject.picks[0][0])
        if row is None or self._may_write(row.directory):
            return ""
        return f"uid {os.geteuid()} may not write {row.directory}"

    def _may_write(self, name: str) -> bool:
        now = time.monotonic()
        known = self._access.get(name)
        if known is None or now - known[0] > _ACCESS_FOR:
            fd = self._shell.world.spool.directory(name).qf_fd
            may = os.access(".", os.W_OK, dir_fd=fd, effective_ids=True)
            known = self._access[name] = now, may
        return known[1]

    # -- doing it --------------------------------------------------------------

    def perform(self, command: str, page: Page) -> None:
        """Do a command on what *page* has focused or marked."""
        reason = self.why_not(command, page)
        if reason:
            self._shell.tell(f"{COMMANDS[command].label}: {reason}", bad=True)
            return
        if command in _VERBS:
            subject = page.subject()
            assert subject is not None
            self._acting.act(_VERBS[command], subject)
            return
        do: dict[str, Callable[[Page], None]] = {"undo": self._undo}
        if command in do:
            do[command](page)

    def undo(self, action: str, *, count: int = 0) -> None:
        """Take back any action of the audit log, of about *count* messages."""
        self._shell.world.jobs.undo(action, of=count, then=self._acting.ended_soon)

    def _undo(self, page: Page) -> None:
        """Take back the action that *page* has focused, else the last one."""
        done, last = page.done(), self.last_undo
        offer = done or last
        assert offer is not None
        now = self._shell.world.clock.now()
        is_last = last is not None and last.action == offer.action

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._offers.forget(offer.action)
                self.undo(offer.action, count=offer.count)

        if is_last and self._offers.is_fresh(now) and offer.count <= VERY_MANY:
            answered(True)
            return
        pairs = [
            ("Takes back", f"{offer.verb} of {plural(offer.count, 'message')}"),
            ("Done", f"{age(now - offer.at)} ago"),
            ("Action", offer.action),
        ]
        self._shell.ask(Confirm("Undo", pairs, does="takes it back"), answered)

    def _ended(self, job: Job) -> None:
        """Tell how a job went, and offer to take it back."""
        undo = self._promise(job) if self._offers.note(job) else ""
        self._shell.tell(report(job, undo=undo), bad=bool(job.error))
        self._shell.refresh_bars()

    def _promise(self, job: Job) -> str:
        keep = self._shell.world.config.spool.trash_keep
        if job.verb == Verb.DELETE.value:
            return f"u undoes ({span(keep)} left)"
        return "u undoes"


_VERBS = {verb.value: verb for verb in CARDS if verb is not Verb.UNDO}
"""By command id."""
