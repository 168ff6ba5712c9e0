"""How fast mail comes and goes, from one look to the next.

Outcomes are told by the runners' status files; what came in, what left and where it
went is read from the journal.  What neither tells is left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.delivery.route import RouteTable
from tuiq.spool.follow import QUEUED, Follower

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from tuiq.spool.spool import Spool
    from tuiq.spool.status import RunnerStatus

OUTCOMES = ("delivered", "deferred", "failed", "in_doubt")
"""What runners count; recipients."""
STALE = 15.0
"""Seconds without a new status after which a runner's rates say nothing any more."""
_SHORTEST = 1e-3
_MOVED = re.compile(
    rb'"event":"(queued|finished)","id":"\w*","directory":"((?:[^"\\]|\\.)*)"'
)
# JSON escapes quotes, so no text can contain what stands between members.
_DELIVERED = re.compile(
    rb'"event":"delivered","id":"\w*"(?:,"directory":"(?:[^"\\]|\\.)*")?'
    rb'(?:,"relay":"((?:[^"\\]|\\.)*)")?[^\n]*?'
    rb',"recipients":(\[\[\d+,"((?:[^"\\]|\\.)*)"\][^\n]*?\])(?:,"size"|,"pid"|\})'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Per second, since the look before."""

    seconds: float
    """How long ago that was."""
    totals: dict[str, float] = field(default_factory=dict)
    """``in`` and ``out`` are messages, ``OUTCOMES`` recipients."""
    entered: dict[str, float] = field(default_factory=dict)
    """Messages that came in, by queue directory; none is 0."""
    left: dict[str, float] = field(default_factory=dict)
    """Messages that a runner was done with, by queue directory."""
    delivered: dict[str, float] = field(default_factory=dict)
    """Recipients, by destination, of those whose destination can be told."""


@dataclass(slots=True)
class _Counts:
    """What some lines of the journal tell."""

    entered: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    queued: int = 0
    delivered: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)
    """Recipients by relay and domain."""

    def add(self, lines: bytes) -> None:
        self.queued += lines.count(QUEUED)
        for event, directory in _MOVED.findall(lines):
            counter = self.entered if event == b"queued" else self.left
            counter[directory.decode("utf-8", "replace")] += 1
        for relay, recipients, address in _DELIVERED.findall(lines):
            domain = address.rpartition(b"@")[2]
            self.delivered[relay, domain] += _length(recipients)


def _length(recipients: bytes) -> int:
    """Return how many recipients a line names; usually that is one."""
    if b"],[" not in recipients:  # which may be part of an address, too
        return 1
    try:
        return len(json.loads(recipients))
    except ValueError:
        return 1


class Meter:
    """Measures a spool again and again; never set wrong by a clock that is set."""

    def __init__(self, spool: Spool) -> None:
        """Measure *spool* from now on."""
        self._clock = spool.clock
        self._follower = Follower(spool.path / "journal")
        self._looked = spool.clock.boottime()
        # Runner -> when its status was written, and since when that is known here.
        self._written: dict[str, tuple[float, float]] = {}
        routes = RouteTable(spool.config.delivery)
        # Where the sender matters, a line about recipients does not tell the route.
        self._routes = (
            routes if all("*" in rule.route.sender for rule in routes.rules) else None
        )

    def read(
        self, runners: Collection[RunnerStatus], destinations: Collection[str] = ()
    ) -> Rates:
        """Return the rates since the last call.

        *runners* are those that live, *destinations* the names that are known.
        """
        now = self._clock.boottime()
        seconds = max(now - self._looked, _SHORTEST)
        counts = _Counts()
        for block in self._follower.blocks():
            counts.add(block)
        self._looked = now
        fresh = [told for told in runners if self._is_fresh(told, now)]
        self._written = {t.name: self._written[t.name] for t in runners}
        return Rates(
            seconds=seconds,
            totals={
                "in": counts.queued / seconds,
                "out": counts.left.total() / seconds,
                **{name: _sum_of(fresh, name) for name in OUTCOMES},
            },
            entered=_per_second(counts.entered, seconds),
            left=_per_second(counts.left, seconds),
            delivered=_per_second(
                self._by_destination(counts.delivered, frozenset(destinations)), seconds
            ),
        )

    def _is_fresh(self, told: RunnerStatus, now: float) -> bool:
        """Say whether a runner still tells what it does: it may be stopped."""
        written, since = self._written.get(told.name, (None, now))
        if written != told.written:
            since = now
        self._written[told.name] = told.written, since
        return now - since <= STALE

    def _by_destination(
        self, delivered: Counter[tuple[bytes, bytes]], known: frozenset[str]
    ) -> Counter[str]:
        """Put together what went to one destination, through whichever server."""
        found: Counter[str] = Counter()
        for (relay, domain), count in delivered.items():
            name = relay.decode("utf-8", "replace")
            if name not in known:
                if self._routes is None:
                    continue
                name = self._routes.key(b"", domain).name
            found[name] += count
        return found


def _per_second(counts: Counter[str], seconds: float) -> dict[str, float]:
    return {name: count / seconds for name, count in counts.items()}


def _sum_of(runners: Iterable[RunnerStatus], name: str) -> float:
    return sum(told.rates.get(name, 0.0) for told in runners)
