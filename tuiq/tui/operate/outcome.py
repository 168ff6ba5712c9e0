"""What became of messages that were flushed, followed until it is known.

The journal says how an attempt ended; whether one is still to come is what the
message's own file says, so that a lost line costs a word and never an end.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import look_around
from tuiq.actions.explain import Cause, explain
from tuiq.actions.lookup import entry_of
from tuiq.actions.words import plural
from tuiq.log import printable
from tuiq.spool.answers import Answer, Result
from tuiq.spool.flags import RState
from tuiq.spool.journal import Kind
from tuiq.tui.operate.tail import Tail

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.spool import Spool
    from tuiq.spool.trace import Record

INTERVAL = 0.25
"""Seconds between two looks."""
ROUND = 500
"""Files that are read in one look beside those that the journal told of."""
PATIENCE = 60.0
"""Seconds without any news after which what nobody works on is left."""
SHORT_PATIENCE = 3.0
"""The same where it is clear that nobody is going to try."""
SAMPLE = 20
"""Messages that stand for all that were not tried when the reason is looked for."""
LABEL = 48
LABELS = 3
"""Reply classes that are named."""
_HOPELESS = frozenset(
    {
        Cause.HELD,
        Cause.PAUSED,
        Cause.LOW_DISK,
        Cause.NO_RUNNER,
        Cause.ROUTE,
        Cause.DAMAGED,
        Cause.TRASHED,
    }
)


class Fate(StrEnum):
    """What became of a message; the worst of its recipients', in this order."""

    FAILED = "failed"
    DOUBT = "in doubt"
    DEFERRED = "deferred"
    SENT = "sent"
    GONE = "gone"
    """It is not there any more, or nothing of it is left to send, and no journal
    says that it was sent."""

    __hash__ = str.__hash__


_RANK = {fate: rank for rank, fate in enumerate(Fate)}
_FATES = {
    Kind.DELIVERED.value: Fate.SENT,
    Kind.DEFERRED.value: Fate.DEFERRED,
    Kind.FAILED.value: Fate.FAILED,
    Kind.EXPIRED.value: Fate.FAILED,
    Kind.IN_DOUBT.value: Fate.DOUBT,
}
REFUSALS = (Fate.FAILED, Fate.DOUBT, Fate.DEFERRED)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """How a flush went so far; written by one thread, read by others."""

    of: int = 0
    """Messages that are to be tried."""
    counts: Counter[Fate] = field(default_factory=Counter)
    reasons: Counter[tuple[Fate, str]] = field(default_factory=Counter)
    """Messages by what a class of replies says; clean."""
    note: str = ""
    """Why the rest was not tried; clean."""

    @property
    def waiting(self) -> int:
        """Return how many messages were not tried yet."""
        return self.of - self.counts.total()

    @property
    def refused(self) -> int:
        """Return how many messages were tried and not taken."""
        return sum(self.counts[fate] for fate in REFUSALS)

    def words(self) -> str:
        """Return ``14 sent, 5 deferred (451 4.7.1 greylisted × 4, …), 1 failed``."""
        order = (Fate.SENT, Fate.DEFERRED, Fate.DOUBT, Fate.FAILED, Fate.GONE)
        parts = [
            f"{self.counts[fate]:,} {fate}{self._why(fate)}"
            for fate in order
            if self.counts[fate]
        ]
        if self.waiting > 0:
            parts.append(f"{self.waiting:,} not tried yet")
        return ", ".join(parts)

    def _why(self, fate: Fate) -> str:
        found = [(n, label) for (of, label), n in self.reasons.items() if of is fate]
        found.sort(reverse=True)
        shown = [
            label if len(found) == 1 else f"{label} × {n:,}"
            for n, label in found[:LABELS]
        ]
        if len(found) > LABELS:
            shown.append(f"{plural(len(found) - LABELS, 'other reason')}")
        return f" ({', '.join(shown)})" if shown else ""


@dataclass(slots=True)
class _Met:
    """What is known about a message that was tried, or seems to be over."""

    fate: Fate | None = None
    label: str = ""
    looks: int = 0
    """Times that its file said it was over while the journal was silent."""


class FlushWatch:
    """Follows the messages of one flush; made before the first is asked for."""

    def __init__(self, spool: Spool) -> None:
        """Remember where the journal ends now."""
        self._spool = spool
        self._tail = Tail(spool.path / "journal")
        # By id the slots that are meant: without an object each, half a million cost
        # garbage collections no time.
        self._open: dict[str, tuple[int, ...] | None] = {}
        self._met: dict[str, _Met] = {}
        self._samples: dict[tuple[Fate, int, str], str] = {}
        self._next: list[str] = []
        self.outcome = Outcome()

    def expect(self, answer: Answer) -> None:
        """Follow a message if it is going to be tried."""
        if answer.result in (Result.ACTED, Result.IN_FLIGHT):
            target = answer.target
            self._open[target.queue_id] = target.recipients
            self.outcome.of = len(self._open)

    def follow(self, halt: threading.Event) -> None:
        """Look until everything was tried, or nobody is going to, or *halt* is set."""
        news, tried = time.monotonic(), 0
        while not halt.is_set():
            self.look()
            if not self._open:
                return
            if self.outcome.counts.total() != tried:
                news, tried = time.monotonic(), self.outcome.counts.total()
            silent = time.monotonic() - news
            if silent > SHORT_PATIENCE and self._is_hopeless(silent):
                return
            halt.wait(INTERVAL)

    def look(self) -> None:
        """Take in what the journal says, then what the files of the messages say."""
        told = [r.queue_id for r in self._tail.poll(self._open) if self._hear(r)]
        for queue_id in dict.fromkeys([*told, *self._some()]):
            if queue_id in self._open:
                self._check(queue_id)

    def _hear(self, record: Record) -> bool:
        fate = _FATES.get(record.event)
        met = self._met.setdefault(record.queue_id, _Met())
        if fate is not None and (met.fate is None or _RANK[fate] < _RANK[met.fate]):
            met.fate = fate
            said = record.code, record.status
            met.label = self._label(fate, said, record.text)
        return fate is not None or record.event == Kind.FINISHED

    def _label(self, fate: Fate, said: tuple[int, str], text: str) -> str:
        """Return one label for all replies with the same codes: the first one's."""
        if fate not in REFUSALS:
            return ""
        code, status = said
        words = " ".join(filter(None, (str(code or ""), status, text)))
        short = words if len(words) <= LABEL else words[: LABEL - 1] + "…"
        return self._samples.setdefault((fate, code, status), short)

    def _some(self) -> Iterable[str]:
        """Return a few of those still open, in turns."""
        if not self._next:
            self._next = list(self._open)
        turn, self._next = self._next[:ROUND], self._next[ROUND:]
        return turn

    def _check(self, queue_id: str) -> None:
        entry = entry_of(self._spool, queue_id)
        if entry is not None and self._is_pending(entry, self._open[queue_id]):
            return
        met = self._met.setdefault(queue_id, _Met())
        if met.fate is None and not met.looks:
            met.looks += 1  # its line may be on the way
            return
        if met.fate is None:
            self._guess(entry, met)
        assert met.fate is not None
        del self._open[queue_id], self._met[queue_id]
        self.outcome.counts[met.fate] += 1
        if met.label:
            self.outcome.reasons[met.fate, met.label] += 1

    def _guess(self, entry: QueueEntry | None, met: _Met) -> None:
        """Tell from the file alone what the journal does not."""
        met.fate = Fate.GONE
        if entry is not None and entry.is_live:
            met.fate = Fate.DEFERRED
            reply = printable(entry.last_reply)
            met.label = self._label(met.fate, (0, reply[:LABEL]), "")

    def _is_pending(self, entry: QueueEntry, slots: tuple[int, ...] | None) -> bool:
        """Say whether somebody is still expected to try the message."""
        if not entry.is_live:
            return False
        if slots is None:
            return entry.flush_pending
        states, nexts, now = entry.states, entry.nexts(), self._spool.clock.now()
        due = (i for i in slots if states[i] == RState.TODO[0])
        trying = RState.ATTEMPT[0]
        return any(nexts[i] <= now for i in due) or any(
            states[i] == trying for i in slots
        )

    def _is_hopeless(self, silent: float) -> bool:
        """Say whether nobody is going to try the rest, and why."""
        around = look_around(self._spool)
        ids = islice(self._open, SAMPLE)
        found = (entry_of(self._spool, queue_id) for queue_id in ids)
        reasons = [explain(entry, around) for entry in found if entry is not None]
        causes = {reason.cause for reason in reasons}
        if not reasons or Cause.LOCKED in causes:
            return False
        if not (causes <= _HOPELESS or silent > PATIENCE):
            return False
        self.outcome.note = reasons[0].text
        if reasons[0].cause is Cause.NO_RUNNER:
            self.outcome.note = "no runner is alive that would try; start one"
        return True
