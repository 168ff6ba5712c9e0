"""The one place that knows all limits: who may connect to which destination.

Pure but for its memory: it hears what workers say, is told the time, and returns what
they are to be told.  The runner of a single process asks it directly, the supervisor
asks it for its workers.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, TypeAlias

from tuiq.runner.allowance import Allowance
from tuiq.runner.leases import (
    Answered,
    Ask,
    AskTurn,
    Ended,
    Failed,
    Grant,
    Recall,
    Said,
    Told,
    Turn,
)
from tuiq.runner.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tuiq.mail.reply import Reply
    from tuiq.spool.status import DestinationStatus

MOST_TOLD = 1000
"""Destinations that people are told of."""
Letter: TypeAlias = tuple[int, Told]
"""A worker's number and what it is to be told."""


class Governor:
    """The allowances of all destinations."""

    def __init__(self, on_change: Callable[[str, Reply | None], None]) -> None:
        """Tell *on_change* a destination's name and why it fails; None: it works."""
        self._on_change = on_change
        self._allowances = Memory[str, Allowance]()
        self._alarms: dict[str, float] = {}
        """When something becomes possible by the clock, epoch seconds."""

    def hear(self, worker: int, said: Said, now: float) -> list[Letter]:
        """Learn from what a worker says; return who is to be told what."""
        if isinstance(said, Ask):
            return self._asked(worker, said, now)
        allowance = self._allowances.get(said.ident)
        if allowance is None:
            return []
        letters: list[Letter] = []
        if isinstance(said, AskTurn):
            allowance.turns.append(worker)
        elif isinstance(said, Ended):
            allowance.ended(worker, now)
        elif isinstance(said, Answered):
            bounds = allowance.bounds
            letters += self._answered(allowance, said, now)
            if allowance.bounds == bounds:
                return letters  # what could be had was given before
        else:
            return self._failed(allowance, said, now)  # its end comes next
        return letters + self._serve(allowance, now)

    def _asked(self, worker: int, said: Ask, now: float) -> list[Letter]:
        letters: list[Letter] = []
        allowance = self._allowances.get(said.ident)
        if allowance is None:
            self._allowances.make_room(lambda known: known.is_forgettable(now))
            allowance = Allowance(said.ident, said.terms)
            self._allowances[said.ident] = allowance
        is_new = said.is_first or worker not in allowance.waiting
        allowance.waiting[worker] = said.waiting
        if allowance.adopt(said.terms):
            letters += self._everybody(allowance)
        elif is_new:
            letters.append((worker, allowance.standing()))
        allowance.wish(worker, said.wanted, now)
        return letters + self._serve(allowance, now)

    def _answered(
        self, allowance: Allowance, said: Answered, now: float
    ) -> list[Letter]:
        was_paced = allowance.pace.is_limited
        recovered = allowance.answered(said, now)
        if recovered:
            self._on_change(allowance.terms.name, None)
        if recovered or allowance.pace.is_limited != was_paced:
            return self._everybody(allowance)
        return []

    def _failed(self, allowance: Allowance, said: Failed, now: float) -> list[Letter]:
        before = allowance.failure
        is_dead = allowance.failed(said, now)
        if allowance.failure is not None and allowance.failure != before:
            self._on_change(allowance.terms.name, allowance.failure)
        return self._everybody(allowance, is_news=True) if is_dead else []

    def _everybody(
        self, allowance: Allowance, *, is_news: bool = False
    ) -> list[Letter]:
        standing = allowance.standing(is_news=is_news)
        return [(worker, standing) for worker in allowance.waiting]

    def _serve(self, allowance: Allowance, now: float) -> list[Letter]:
        """Give what may be had now."""
        letters: list[Letter] = []
        while allowance.turns and now >= allowance.pace.next_time:
            allowance.pace.spend(now)
            letters.append((allowance.turns.popleft(), Turn(ident=allowance.ident)))
        worker = allowance.neediest()
        while worker is not None and allowance.has_room(now):
            allowance.grant(worker, now)
            letters.append((worker, Grant(ident=allowance.ident)))
            worker = allowance.neediest()
        while (richest := allowance.to_recall(now)) is not None:
            allowance.recalled[richest] += 1
            letters.append((richest, Recall(ident=allowance.ident)))
        when = min(allowance.times(), default=None)
        if when is None:
            self._alarms.pop(allowance.ident, None)
        else:
            self._alarms[allowance.ident] = when
        return letters

    def poll(self, now: float) -> list[Letter]:
        """Return what has become possible by the clock."""
        due = [ident for ident, when in self._alarms.items() if when <= now]
        return self._serve_all((self._allowances[ident] for ident in due), now)

    def _serve_all(self, allowances: Iterable[Allowance], now: float) -> list[Letter]:
        return [letter for each in allowances for letter in self._serve(each, now)]

    def next_time(self) -> float:
        """Return when to ``poll`` next, epoch seconds; infinity: never by itself."""
        return min(self._alarms.values(), default=float("inf"))

    def forget_worker(self, worker: int, now: float) -> list[Letter]:
        """Take the leases of a dead worker back; return who profits."""
        for allowance in self._allowances.values():
            allowance.forget_worker(worker)
        return self._serve_all(self._allowances.values(), now)

    def try_again(self, now: float) -> list[Letter]:
        """Try every destination as if nothing were known about it (ALRM, HUP)."""
        letters: list[Letter] = []
        for allowance in self._allowances.values():
            allowance.forgive(now)
            letters += self._everybody(allowance)
        return letters + self._serve_all(self._allowances.values(), now)

    def statuses(self, now: float) -> tuple[DestinationStatus, ...]:
        """Return what people want to know, by name; of the busiest, if there are many.

        Ten thousand dead domains would keep the loop busy with telling of them.
        """
        notable = [a for a in self._allowances.values() if a.is_notable(now)]
        if len(notable) > MOST_TOLD:
            notable = heapq.nlargest(MOST_TOLD, notable, key=lambda a: a.load)
        notable.sort(key=lambda a: a.terms.name)
        return tuple(a.status(now) for a in notable)
