"""The canary flush: a few first, in steps, and the rest only if those were taken.

One message goes first, then the others of five, then of fifty: after the step in which
the first is refused there is no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from tuiq.actions.words import plural
from tuiq.log import printable
from tuiq.spool.answers import Result, Verb
from tuiq.tui.operate.choose import Choose
from tuiq.tui.operate.keys import key_of
from tuiq.tui.operate.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.actions.items import Item
    from tuiq.actions.selection import Selection
    from tuiq.tui.operate.acting import Acting
    from tuiq.tui.operate.freezing import Frozen
    from tuiq.tui.operate.job import Job
    from tuiq.tui.page import Subject
    from tuiq.tui.shell import Shell

STEPS = (1, 5, 50)
_ABOUT = (
    "How many go first? They go in steps of 1, 5 and 50; the first refusal ends it "
    "after its step. Nothing else is flushed without another word from you."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """How many go first, and which."""

    count: int
    spread: bool

    def words(self) -> str:
        """Return the line that offers it."""
        if self.count == 1:
            return "the oldest message"
        if self.spread:
            return f"{self.count} messages, spread over destinations"
        return f"the oldest {self.count} messages"


def choices(count: int) -> list[Choice]:
    """Return what can be chosen among *count* messages."""
    found = [Choice(count=1, spread=False)]
    for step in STEPS[1:]:
        if count > found[-1].count:
            several = min(step, count)
            found += [Choice(count=several, spread=spread) for spread in (False, True)]
    return found


def choose(frozen: Frozen, choice: Choice) -> list[Item]:
    """Return the canaries of a frozen set, in the order of their going."""
    items = frozen.items
    if not choice.spread:
        return list(items[: choice.count])
    turns = zip_longest(*frozen.by_domain.values())
    ids = [queue_id for turn in turns for queue_id in turn if queue_id]
    return [items[items.find(queue_id)] for queue_id in ids[: choice.count]]


class Canary:
    """One canary flush, step by step; only the UI thread calls it."""

    def __init__(
        self, shell: Shell, frozen: Frozen, choice: Choice, over: Callable[[], None]
    ) -> None:
        """Flush some of *frozen* through *shell*; *over* is called at the end."""
        self._shell = shell
        self._frozen = frozen
        self._left = choose(frozen, choice)
        self._of = len(self._left)
        self._over = over
        self._went: set[str] = set()
        self._refused = ""
        """Why a message could not even be flushed."""
        self.is_over = False
        self.sum = Outcome()

    def step(self) -> None:
        """Flush as many as make up the next step."""
        done = len(self._went)
        size = next((step for step in STEPS if step > done), self._of) - done
        step, self._left = self._left[:size], self._left[size:]
        self._went |= {item.target.queue_id for item in step}
        whole = self._frozen.selection
        scope = f"canary, {len(self._went)} of {self._of}, of {whole.scope}"
        selection = replace(whole, scope=scope, items=tuple(step), gone=())
        self._shell.world.jobs.begin(Verb.FLUSH, selection, then=self._heard_soon)

    def _heard_soon(self, job: Job) -> None:
        self._shell.call_later(self._heard, job)

    def _heard(self, job: Job) -> None:
        """Go on, or say how it went."""
        outcome = job.outcome or Outcome()
        self.sum.of += outcome.of
        self.sum.counts += outcome.counts
        self.sum.reasons += outcome.reasons
        self.sum.note = outcome.note or job.error
        refused = [a.text for a in job.reasons if a.result is not Result.ACTED]
        self._refused = printable(refused[0]) if refused else ""
        if self._is_good(job) and self._left:
            self.step()
            return
        self.is_over = True
        self._shell.tell(self.words(), bad=not self._is_good(job))
        self._over()

    def _is_good(self, job: Job) -> bool:
        outcome = job.outcome
        if outcome is None or job.error or job.stopped or self._refused:
            return False
        return not (outcome.refused or outcome.waiting)

    @property
    def rest(self) -> Selection:
        """Return what was not flushed yet."""
        whole = self._frozen.selection
        items = self._frozen.items.without(self._went)
        return replace(whole, scope=f"the rest of {whole.scope}", items=items)

    @property
    def rest_count(self) -> int:
        """Return how many messages were not flushed yet."""
        return self._frozen.selection.count - len(self._went)

    def words(self) -> str:
        """Say how it went, and what can be done then."""
        if not self.rest_count:
            return self.result()
        key = key_of(self._shell.world, "canary")
        return f"{self.result()} · {key} goes on with the rest ({self.rest_count:,})"

    def result(self) -> str:
        """Say how it went."""
        parts = [f"canary: {self.sum.words() or 'none was tried'}"]
        parts += filter(None, (self._refused, self.sum.note))
        if self._left:
            parts.append(f"stopped, {len(self._left):,} more canaries stayed")
        return " · ".join(parts)


class Canaries:
    """The command canary, and the offer to go on with the rest."""

    def __init__(self, shell: Shell, acting: Acting) -> None:
        """Flush through *shell*; *acting* freezes and asks."""
        self._shell = shell
        self._acting = acting
        self._last: Canary | None = None

    @property
    def is_under_way(self) -> bool:
        """Say whether a canary flush is at work."""
        return self._last is not None and not self._last.is_over

    @property
    def line(self) -> str:
        """Return the offer that stands, for the bar."""
        return self._last.words() if self.has_offer and self._last else ""

    @property
    def has_offer(self) -> bool:
        """Say whether the rest of a canary flush waits for a word."""
        return self._last is not None and self._last.is_over

    def perform(self, subject: Subject | None) -> None:
        """Begin one, or ask what to do with the rest of the last."""
        if self._last is not None and self._last.is_over:
            self._ask_about_rest(self._last, subject)
        elif subject is not None:
            self._acting.freeze(subject, self._ask)

    def _ask(self, frozen: Frozen) -> None:
        offered = choices(frozen.selection.count)
        title = f"Canary flush of {plural(frozen.selection.count, 'message')}"

        def chosen(number: int | None) -> None:
            if number is not None:
                self._last = Canary(self._shell, frozen, offered[number], self._over)
                self._last.step()

        lines = [choice.words() for choice in offered]
        self._shell.ask(Choose(title, lines, about=_ABOUT), chosen)

    def _over(self) -> None:
        if self._last is not None and not self._last.rest_count:
            self._last = None

    def _ask_about_rest(self, last: Canary, subject: Subject | None) -> None:
        lines = [
            f"Go on: flush the other {last.rest_count:,}",
            "Leave the rest alone",
            "Leave the rest alone, and begin another canary here",
        ]

        def chosen(number: int | None) -> None:
            if number is None:
                return
            self._last = None
            if number == 0:
                then = self._acting.ended_soon
                self._shell.world.jobs.begin(Verb.FLUSH, last.rest, then=then)
            elif number == 2:
                self.perform(subject)

        dialog = Choose("Canary flush", lines, about=last.result())
        self._shell.ask(dialog, chosen)
