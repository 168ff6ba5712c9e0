"""The operator: what the keys of the groups Act and Runner do, on every screen."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, ClassVar

from tuiq.actions.verbs import CARDS, VERY_MANY
from tuiq.actions.words import span
from tuiq.spool.answers import Result, Verb
from tuiq.spool.entry import State
from tuiq.spool.reading import read_entry
from tuiq.tui.commands import COMMANDS, Group
from tuiq.tui.operate.acting import Acting
from tuiq.tui.operate.canary import Canaries
from tuiq.tui.operate.confirm import Confirm
from tuiq.tui.operate.dimming import why_not, why_not_single
from tuiq.tui.operate.elsewhere import elsewhere
from tuiq.tui.operate.exporting import Exporting
from tuiq.tui.operate.facts import progress, report
from tuiq.tui.operate.jobs_dialog import JobsDialog
from tuiq.tui.operate.keys import key_of
from tuiq.tui.operate.offers import Offers, Undoable
from tuiq.tui.operate.pausing import Pausing
from tuiq.tui.operate.running import Running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.spool.entry import QueueEntry
    from tuiq.tui.index.messages import Row
    from tuiq.tui.operate.job import Job
    from tuiq.tui.page import Page, Subject
    from tuiq.tui.shell import Shell

READ_ONLY = "read-only: started with --read-only"
_CHANGES = frozenset(
    command.id
    for command in COMMANDS.values()
    if command.group in (Group.ACT, Group.RUNNER)
)
"""Commands that change something."""
_ACCESS_FOR = 5.0
"""Seconds for which it is believed whether a directory may be written."""
_KNOWN_FOR = 0.5
"""Seconds for which a message that was read serves to dim keys."""


class Operator:
    """Acts on what a page shows; one for the application."""

    handles: ClassVar[frozenset[str]] = _CHANGES | {"export", "jobs"}

    def __init__(self, shell: Shell) -> None:
        """Act through *shell*."""
        self._shell = shell
        self._acting = Acting(shell, self._ended)
        self._offers = Offers()
        then = self._acting.ended_soon
        self._canaries = Canaries(shell, self._acting)
        self._pausing = Pausing(shell, then)
        self._running = Running(shell, then)
        self._exporting = Exporting(shell, then)
        self._access: dict[str, tuple[float, bool]] = {}
        # When which message was read, and what it was.
        self._known: tuple[float, str, QueueEntry | None] | None = None

    @property
    def last_undo(self) -> Undoable | None:
        """Return what ``u`` takes back; None: nothing that was done here."""
        return self._offers.last

    def line(self, now: float) -> str:
        """Return one line on jobs in progress and the undo on offer; clean."""
        jobs = [progress(job) for job in reversed(self._shell.world.jobs.running)]
        offer = self._offers.line(now, self._key_of_last())
        parts = (*jobs, self._canaries.line, offer, *self._others)
        return "  ".join(filter(None, parts))

    def _key_of_last(self) -> str:
        last = self.last_undo
        command = {"limits": "runner-limit"}.get(last.verb, last.verb) if last else ""
        known = command in COMMANDS
        return key_of(self._shell.world, command) if known else ""

    @property
    def _others(self) -> Iterator[str]:
        return elsewhere(self._shell.world)

    # -- what can be done ------------------------------------------------------

    def why_not(self, command: str, page: Page) -> str:
        """Return why a command cannot work now, as one short phrase; empty: it can."""
        if self._shell.world.options.read_only and command in _CHANGES:
            return READ_ONLY
        if command == "undo":
            return self._why_no_undo(page)
        for part in (self._pausing, self._running):
            if command in part.commands:
                return part.why_not(command, page)
        if command == "jobs":
            return ""
        return self._why_not_subject(command, page.sample())

    def _why_no_undo(self, page: Page) -> str:
        done = page.done()
        if done is not None:
            return done.why_not
        if self.last_undo is not None or self._restores(page):
            return ""
        return "nothing was done here yet; Activity lists what was done before"

    def _why_not_subject(self, command: str, subject: Subject | None) -> str:
        if command == "canary" and self._canaries.is_under_way:
            return "one is under way; see jobs"
        if command == "canary" and self._canaries.has_offer:
            return ""
        if subject is None or not subject.picks:
            return "nothing is focused or marked"
        if command == "export":
            return ""
        return self._why_not_verb(_VERBS[command], subject)

    def _why_not_verb(self, verb: Verb, subject: Subject) -> str:
        if self._acting.is_freezing:
            return "what the last key meant is still being read"
        unwritable = self._why_not_directory(subject)
        if unwritable or subject.is_sample:
            return unwritable  # others may qualify than these
        if subject.picks[0][1] is not None:
            in_doubt = self._shell.world.config.spool.in_doubt
            return why_not_single(verb, self._singled(subject), in_doubt=in_doubt)
        messages = self._shell.world.messages
        rows = (messages.row(queue_id) for queue_id, _ in subject.picks)
        return why_not(verb, rows, is_held=self._has_held_recipients)

    def _singled(
        self, subject: Subject
    ) -> Iterator[tuple[QueueEntry, tuple[int, ...]]]:
        """Yield the messages whose recipients are meant one by one."""
        for queue_id, slots in subject.picks:
            row = self._shell.world.messages.row(queue_id)
            entry = self._entry(row) if row is not None else None
            if entry is not None and slots is not None:
                yield entry, slots

    def _entry(self, row: Row) -> QueueEntry | None:
        """Read a message, but not for every key that is dimmed or not."""
        known, now = self._known, time.monotonic()
        if known is None or known[1] != row.queue_id or now - known[0] > _KNOWN_FOR:
            directory = self._shell.world.spool.directory(row.directory)
            entry = read_entry(directory, row.queue_id)
            known = self._known = now, row.queue_id, entry
        return known[2]

    def _has_held_recipients(self, row: Row) -> bool:
        entry = self._entry(row)
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
        self._known = None
        reason = self.why_not(command, page)
        if reason:
            self._shell.tell(f"{COMMANDS[command].label}: {reason}", bad=True)
            return
        for part in (self._pausing, self._running):
            if command in part.commands:
                part.perform(command, page)
                return
        if command == "undo":
            self._undo(page)
        elif command == "jobs":
            self._shell.ask(JobsDialog(self._shell.world.jobs))
        else:
            self._do(command, page.subject())

    def _do(self, command: str, subject: Subject | None) -> None:
        if command == "canary":
            self._canaries.perform(subject)
        elif subject is None:
            gone = "what was meant is gone since"
            self._shell.tell(f"{COMMANDS[command].label}: {gone}", bad=True)
        elif command == "export":
            self._exporting.perform(subject)
        else:
            self._acting.act(_VERBS[command], subject)

    def _undo(self, page: Page) -> None:
        """Take back what *page* has focused, else the last action of this UI."""
        done, last = page.done(), self.last_undo
        if done is None and self._restores(page):
            subject = page.subject()
            assert subject is not None
            self._acting.act(Verb.UNDO, subject, tier=2)
            return
        offer = last
        if done is not None:
            offer = Undoable(
                action=done.action, verb=done.verb, count=done.count, at=done.at
            )
        assert offer is not None
        is_last = last is not None and last.action == offer.action
        if is_last and self._is_fresh and offer.count <= VERY_MANY:
            self._take_back(offer)
            return
        now = self._shell.world.clock.now()
        pairs = [
            ("Takes back", offer.what),
            ("Done", f"{span(now - offer.at)} ago"),
            ("Action", offer.action),
        ]
        dialog = Confirm("Undo", pairs, does="takes it back")
        self._shell.ask(dialog, lambda yes: self._take_back(offer) if yes else None)

    def _take_back(self, offer: Undoable) -> None:
        self._offers.forget(offer.action)
        then = self._acting.ended_soon
        self._shell.world.jobs.undo(offer.action, offer.what, of=offer.count, then=then)

    @property
    def _is_fresh(self) -> bool:
        return self._offers.is_fresh(self._shell.world.clock.now())

    def _restores(self, page: Page) -> bool:
        """Say whether ``undo`` means the focused message, which is in the trash."""
        subject = None if self._is_fresh else page.sample()
        if subject is None or not subject.picks:
            return False
        row = self._shell.world.messages.row(subject.picks[0][0])
        return row is not None and row.state is State.TRASHED

    def _ended(self, job: Job) -> None:
        """Tell how a job went, and offer to take it back."""
        undo = self._promise(job) if self._offers.note(job) else ""
        is_bad = bool(job.error) or not (job.counts[Result.ACTED] or job.note)
        self._shell.tell(report(job, undo=undo), bad=is_bad)
        self._shell.refresh_bars()

    def _promise(self, job: Job) -> str:
        world = self._shell.world
        key, keep = key_of(world, "undo"), world.config.spool.trash_keep
        if job.verb == Verb.DELETE.value:
            return f"{key} undoes ({span(keep)} left)"
        return f"{key} undoes"


_VERBS = {verb.value: verb for verb in CARDS if verb not in (Verb.UNDO, Verb.UNHOLD)}
_VERBS["canary"] = Verb.FLUSH
"""By command id."""
