"""From a key to a job: freeze what is meant, ask as the verb's tier wants, begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.lookup import entry_of
from tuiq.actions.preview import sample
from tuiq.actions.verbs import MANY, tier_of
from tuiq.log import printable
from tuiq.spool.answers import Verb
from tuiq.tui.operate.confirm import Confirm, Listing, TypeCount, yes_key
from tuiq.tui.operate.facts import GOING, facts, title
from tuiq.tui.operate.keys import keymap_of
from tuiq.tui.operate.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.tui.dialog import Dialog
    from tuiq.tui.operate.freezing import Frozen
    from tuiq.tui.operate.job import Job
    from tuiq.tui.page import Subject
    from tuiq.tui.shell import Shell


class Acting:
    """Does verbs on subjects, for one application."""

    def __init__(self, shell: Shell, ended: Callable[[Job], None]) -> None:
        """Act through *shell*; *ended* is called in the UI thread with each job."""
        self._shell = shell
        self._ended = ended
        self._reading: Reading | None = None

    @property
    def is_freezing(self) -> bool:
        """Say whether what the last key meant is still being read."""
        return self._reading is not None and not self._reading.is_over

    def act(self, verb: Verb, subject: Subject, *, tier: int = 1) -> None:
        """Do *verb* to *subject*, asking as is due, at least as *tier* wants."""
        self.freeze(subject, lambda frozen: self._ask(verb, frozen, tier))

    def freeze(self, subject: Subject, then: Callable[[Frozen], None]) -> None:
        """Read *subject* in a thread; *then* gets it in the UI thread."""
        self._reading = Reading(self._shell, subject, then)
        self._reading.begin()

    def _ask(self, verb: Verb, frozen: Frozen, least: int) -> None:
        tier = max(least, tier_of(verb, frozen.selection.count))
        if tier == 1:
            self.begin(verb, frozen)
            return

        def answered(agreed: bool | None) -> None:
            if agreed:
                self.begin(verb, frozen)

        self._shell.ask(self.question(verb, frozen, tier=tier), answered)

    def question(self, verb: Verb, frozen: Frozen, *, tier: int) -> Dialog[bool]:
        """Return the dialog that asks for *verb* on a frozen set."""
        world = self._shell.world
        keep = world.config.spool.trash_keep
        pairs = list(facts(verb, frozen, keep=keep))
        count = frozen.selection.count
        heading = title(verb, frozen.selection)
        if tier == 3 and count > MANY:
            return TypeCount(
                heading,
                pairs,
                count=count,
                does=GOING[verb].format("them"),
                show_all=lambda: self.listing(frozen),
            )
        return Confirm(
            heading,
            pairs,
            does=GOING[verb].format(frozen.selection.what),
            key=yes_key(keymap_of(world).keys[verb.value]),
            show_all=lambda: self.listing(frozen),
            danger=tier == 3,
        )

    def listing(self, frozen: Frozen) -> Listing:
        """Return the dialog that lists a frozen set."""
        spool = self._shell.world.spool

        def line(number: int) -> str:
            target = frozen.selection.items[number].target
            queue_id = target.queue_id
            entry = entry_of(spool, queue_id)
            if entry is None:
                return f"{queue_id} gone since"
            return sample(entry, target.recipients, now=frozen.at)

        numbers = range(frozen.selection.count)
        return Listing(printable(frozen.selection.scope), numbers, line)

    def begin(self, verb: Verb, frozen: Frozen) -> Job:
        """Do *verb* to a frozen set; it was agreed to."""
        return self._shell.world.jobs.begin(
            verb, frozen.selection, then=self.ended_soon
        )

    def ended_soon(self, job: Job) -> None:
        """Tell the UI thread that a job has ended; called in the job's."""
        self._shell.call_later(self._ended, job)
