"""What one destination is allowed: who may connect to it, and what is known of it.

Pure, as the governor is, which has one for each destination.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.runner.leases import Standing
from tuiq.runner.limits import Pace, Window
from tuiq.spool.status import DestinationStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tuiq.mail.reply import Reply
    from tuiq.runner.leases import Answered, Failed, Terms

LOST_IN_A_ROW = 2
"""Sessions lost without one delivery after which a destination is left alone."""
PATIENCE = 1.0
"""Seconds for which a worker keeps its only connection while another has none,
where there are fewer connections than workers."""


class Allowance:
    """What one destination is allowed, and what is known about it."""

    def __init__(self, ident: str, terms: Terms) -> None:
        """Begin by the *terms* of the configuration."""
        self.ident = ident
        self.terms = terms
        self.window = Window(terms.start, terms.ceiling)
        self.pace = Pace(terms.rate)
        self.leases: Counter[int] = Counter()
        """Connections by worker."""
        self.wishes: dict[int, int] = {}
        """Further ones that would find something to do, by worker; none is 0."""
        self.since: dict[int, float] = {}
        """Since when a worker wishes for one more, for the same workers."""
        self.granted = 0.0
        """When the last connection was leased."""
        self.waiting: dict[int, int] = {}
        """Messages in the workers' queues."""
        self.turns: deque[int] = deque()
        """Workers that want to begin a transaction, in their order."""
        self.recalled: Counter[int] = Counter()
        """Connections that workers are to end and still have; none is 0."""
        self.dead_until = 0.0
        """Epoch seconds until which it is left alone; not 0: one probe comes first."""
        self.capped_until = 0.0
        """Epoch seconds until which its window does not grow."""
        self.lost_in_a_row = 0
        self.failure: Reply | None = None
        """Why it is dead or capped."""
        self.put_off: Reply | None = None

    @property
    def connections(self) -> int:
        """Return how many connections are leased."""
        return self.leases.total()

    @property
    def load(self) -> int:
        """Return how much mail there is for it, open connections included."""
        return self.connections + sum(self.waiting.values())

    def is_forgettable(self, now: float) -> bool:
        """Say whether nothing would be lost by forgetting the destination."""
        if self.connections or self.turns or self.wishes:
            return False
        closed = max(self.dead_until, self.capped_until)
        return closed <= now and not self.window.gap and self.pace.is_even(now)

    def is_notable(self, now: float) -> bool:
        """Say whether there is mail, a connection or trouble to tell people of."""
        return any(self.waiting.values()) or not self.is_forgettable(now)

    def adopt(self, terms: Terms) -> bool:
        """Take over new settings; say whether workers have to be told."""
        if terms == self.terms:
            return False
        was_paced = self.pace.is_limited
        if terms.rate != self.terms.rate:
            self.pace = Pace(terms.rate)
            self.pace.gap = self.window.gap
        self.terms = terms
        self.window.resize(terms.start, terms.ceiling)
        return self.pace.is_limited != was_paced

    # -- what happens ----------------------------------------------------------

    def ended(self, worker: int, now: float) -> None:
        """Take note that a connection has gone, recalled or by itself."""
        if self.recalled[worker] > 1:
            self.recalled[worker] -= 1
        else:
            del self.recalled[worker]
        self.leases[worker] -= 1
        if self.leases[worker] > 0:
            return
        del self.leases[worker]
        if worker in self.since:
            self.since[worker] = now

    def forget_worker(self, worker: int) -> None:
        """Take all leases of a dead worker back."""
        for memory in (self.leases, self.recalled, self.wishes, self.waiting):
            memory.pop(worker, None)
        self.since.pop(worker, None)
        self.turns = deque(w for w in self.turns if w != worker)

    def answered(self, said: Answered, now: float) -> bool:
        """Learn from answers; say whether it is known to work again."""
        is_capped = now < self.capped_until
        if said.settled:
            is_full = self.connections >= self.window.size and not is_capped
            self.window.settled(said.settled, is_full=is_full)
        if said.put_off:
            self.window.put_off(said.put_off)
            self.put_off = said.reply
        self.pace.gap = self.window.gap
        self.lost_in_a_row = 0
        was_dead = bool(self.dead_until)
        self.dead_until = 0.0
        if was_dead or not is_capped:
            self.failure = None
        return was_dead

    def failed(self, said: Failed, now: float) -> bool:
        """Learn from a failure; say whether the destination is to be left alone."""
        if said.served:
            self.window.sent_away()
            return False
        if said.lost:
            self.lost_in_a_row += 1
            if self.lost_in_a_row < LOST_IN_A_ROW:
                return False
        self.failure = said.reply
        others = self.connections - 1
        until = now + self.terms.rest
        if others > 0:
            self.capped_until = until
            self.window.turned_down(connections=others)
            return False
        self.dead_until = until
        self.window.restart()
        return True

    def forgive(self, now: float) -> None:
        """Let nothing that was known speak against it any more."""
        self.dead_until = min(self.dead_until, now)
        self.capped_until = 0.0
        if self.window.is_storm:
            self.window.restart()
            self.pace.gap = 0.0

    # -- what may be done ------------------------------------------------------

    @property
    def bounds(self) -> tuple[int, float, float]:
        """Return what answers change of what may be had."""
        return self.window.size, self.pace.gap, self.dead_until

    @property
    def closed_until(self) -> float:
        """Return when it may get a new connection again, epoch seconds."""
        return max(self.dead_until, self.pace.next_time)

    @property
    def is_probed(self) -> bool:
        """Say whether one connection finds out if it still cannot be used."""
        return bool(self.dead_until and self.connections)

    def has_room(self, now: float) -> bool:
        """Say whether another connection may be made."""
        if now < self.closed_until or self.connections >= self.window.size:
            return False
        return not self.is_probed

    def neediest(self) -> int | None:
        """Return the worker that wishes and has fewest connections, or waits longest.

        None when nobody wishes for any.
        """
        return self._neediest_of(self.since, self.leases)

    def _neediest_of(
        self, workers: Iterable[int], has: Mapping[int, int]
    ) -> int | None:
        return min(workers, key=lambda w: (has.get(w, 0), self.since[w]), default=None)

    def wish(self, worker: int, wanted: int, now: float) -> None:
        """Take note of how many further connections a worker wishes for."""
        if wanted > 0:
            self.wishes[worker] = wanted
            self.since.setdefault(worker, now)
        else:
            self.wishes.pop(worker, None)
            self.since.pop(worker, None)

    def grant(self, worker: int, now: float) -> None:
        """Lease one connection."""
        self.leases[worker] += 1
        self.granted = self.since[worker] = now
        self.wish(worker, self.wishes[worker] - 1, now)

    def patient_until(self, worker: int) -> float:
        """Return until when a *worker* without any waits for another's only one."""
        return max(self.granted, self.since[worker]) + PATIENCE

    def to_recall(self, now: float) -> int | None:
        """Return the worker that is to give up one more connection, if any.

        Whoever comes late gets its share as soon as transactions end, not one
        connection after the other: until then its mail waits for nothing.
        """
        if self.connections < self.window.size:
            return None  # nothing is short
        kept = self.leases - self.recalled
        richest = max(self.leases, key=lambda w: kept[w])
        if kept.total() > self.window.size:
            return richest
        has = kept.copy()
        worker = self._promise(has)
        if worker is None or kept[richest] - has[worker] >= 2:
            return None if worker is None else richest
        is_patient = bool(self.recalled or has[worker])
        return None if is_patient or now < self.patient_until(worker) else richest

    def _promise(self, has: Counter[int]) -> int | None:
        """Give *has* what comes free by recalls; return who still wishes for more."""
        wishes = dict(self.wishes)
        for _ in range(self.window.size - has.total()):
            worker = self._neediest_of(wishes, has)
            if worker is None:
                return None
            has[worker] += 1
            wishes[worker] -= 1
            if not wishes[worker]:
                del wishes[worker]
        return self._neediest_of(wishes, has)

    def times(self) -> Iterator[float]:
        """Yield when something becomes possible by the clock: nothing yet is.

        As of the last time that all was given that could be had.
        """
        if self.turns:
            yield self.pace.next_time
        worker = self.neediest()
        if worker is None:
            return
        if self.connections < self.window.size:
            if not self.is_probed:
                yield self.closed_until
        elif not self.leases[worker] and not self.recalled:
            yield self.patient_until(worker)

    # -- telling ---------------------------------------------------------------

    def standing(self, *, is_news: bool = False) -> Standing:
        """Return what workers have to know."""
        return Standing(
            ident=self.ident,
            dead_until=self.dead_until,
            failure=self.failure,
            paced=self.pace.is_limited,
            is_news=is_news,
        )

    def status(self, now: float) -> DestinationStatus:
        """Return what people want to know."""
        state, until, reason = "ok", 0.0, ""
        if self.dead_until:
            state, until = "dead", self.dead_until
            reason = _quote(self.failure)
        elif self.window.is_storm:
            state = "slow"
            share = round(100 * self.window.share_put_off)
            reason = f"{share} % of the last transactions were put off"
            if self.window.gap:
                reason += f", one every {self.window.gap:.2g} s"
            reason += f": {_quote(self.put_off)}"
        elif self.capped_until > now:
            state, until = "slow", self.capped_until
            reason = f"no further connections: {_quote(self.failure)}"
        return DestinationStatus(
            name=self.terms.name,
            limit=1 if self.dead_until else self.window.size,
            ceiling=self.terms.ceiling,
            connections=self.connections,
            waiting=sum(self.waiting.values()),
            state=state,
            until=until,
            reason=reason,
        )


def _quote(reply: Reply | None) -> str:
    return printable(bytes(reply)) if reply is not None else "no reason is known"
