"""The lookout: once a second, in its own thread, what no file of a message says."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import Circumstances, look_around
from tuiq.actions.rates import OUTCOMES, Meter, Rates
from tuiq.delivery.route import RouteTable
from tuiq.log import printable
from tuiq.spool.holders import LockReader
from tuiq.spool.status import DestinationStatus, all_destinations
from tuiq.tui.live.account import Account
from tuiq.tui.live.directories import DirectoryFacts, look_at
from tuiq.tui.live.history import History
from tuiq.tui.live.locks import LockWatch
from tuiq.tui.live.runs import Run, Runs

if TYPE_CHECKING:
    from tuiq.actions.records import Record
    from tuiq.spool.spool import Spool
    from tuiq.spool.status import RunnerStatus

__all__ = ["DirectoryFacts", "Lookout", "Sight"]

WINDOW = 5.0
"""Seconds over which present rates are averaged; runners do the same."""
_FIRST = 0.2
"""Seconds that ``start`` waits for the first look."""
_SHARE = 4.0
"""How many times as long as a look took nothing is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look; replaced as a whole."""

    at: float
    """Epoch seconds."""
    around: Circumstances
    directories: Mapping[str, DirectoryFacts] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    """Per second: ``in`` and ``out`` messages, ``delivered``, ``deferred``, ``failed``
    and ``in_doubt`` recipients."""
    destinations: tuple[DestinationStatus, ...] = ()
    """What living runners say together, by name."""
    delivered: Mapping[str, float] = field(default_factory=dict)
    """Recipients a second, by destination, where that can be told; none is 0."""
    error: str = ""
    """Why the look failed, in one sentence; the rest is then the last good look."""


class Lookout:
    """Looks by itself; the UI reads ``sight`` and ``history`` without waiting."""

    def __init__(self, spool: Spool, *, interval: float = 1.0) -> None:
        """Look at *spool* every *interval* seconds once it is started."""
        self._spool = spool
        self._interval = interval
        self._sight = Sight(
            at=0.0,
            around=Circumstances(
                now=spool.clock.now(),
                lifetime=spool.config.retry.lifetime,
                trash_keep=spool.config.spool.trash_keep,
            ),
        )
        self._reader = LockReader()
        self._locks = LockWatch(spool.directories, self._reader)
        self._routes = RouteTable(spool.config.delivery)
        self._meter: Meter | None = None
        self._recent: deque[Rates] = deque()
        self._history = History()
        self._runs = Runs()
        self._account = Account(spool.path / "audit")
        self._first = threading.Event()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    # -- the thread ------------------------------------------------------------

    def start(self) -> None:
        """Begin; waits a moment for the first look, which is usually quick."""
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)
        self._thread.start()
        self._first.wait(_FIRST)

    def stop(self) -> None:
        """End the thread."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(2.0)
            self._thread = None

    def _run(self) -> None:
        while not self._ending.is_set():
            began = time.monotonic()
            self.look()
            self._first.set()
            took = time.monotonic() - began
            self._ending.wait(max(self._interval - took, _SHARE * took))

    def look(self) -> None:
        """Look once, in the caller's thread; what fails is told by the sight."""
        try:
            self._sight = self._seen()
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            self._fail(f"{error.strerror or error}{where}")
        except Exception as error:  # noqa: BLE001 - a thread that died tells nothing
            self._fail(f"fault of tuiq: {type(error).__name__}: {error}")
        self._account.look()

    def _fail(self, why: str) -> None:
        said = f"the spool cannot be looked at: {printable(why)}; shown as it was"
        self._sight = replace(self._sight, error=said)

    def _seen(self) -> Sight:
        spool = self._spool
        around = look_around(
            spool, reader=self._reader, routes=self._routes, locks=self._locks.look
        )
        alive = around.alive
        destinations = tuple(all_destinations(alive))
        rates = self._measure(alive, [told.name for told in destinations])
        self._runs.look(around.runners, around.now)
        return Sight(
            at=around.now,
            around=around,
            directories={
                directory.name: look_at(
                    directory,
                    spool,
                    alive,
                    low=around.low_disk.get(directory.name, ""),
                    rates=rates,
                )
                for directory in spool.directories
            },
            rates=rates.totals,
            destinations=destinations,
            delivered=rates.delivered,
        )

    def _measure(self, alive: list[RunnerStatus], names: list[str]) -> Rates:
        """Return the present rates; what they were goes to the history."""
        if self._meter is None:
            self._meter = Meter(self._spool)
        rates = self._meter.read(alive, names)
        values = dict(rates.totals)
        if rates.seconds > 2 * WINDOW:  # runners tell of the last seconds alone
            values |= dict.fromkeys(OUTCOMES, 0.0)
        for directory in self._spool.directories:
            name = directory.name
            values[f"queue:{name}:in"] = rates.entered.get(name, 0.0)
            values[f"queue:{name}:out"] = rates.left.get(name, 0.0)
        passing = {f"destination:{n}:out": r for n, r in rates.delivered.items()}
        self._history.add(self._spool.clock.boottime(), values, passing)
        self._recent.append(rates)
        while sum(r.seconds for r in self._recent) > WINDOW and len(self._recent) > 1:
            self._recent.popleft()
        return _mean(self._recent)

    # -- what the UI reads -----------------------------------------------------

    @property
    def sight(self) -> Sight:
        """Return the latest look."""
        return self._sight

    @property
    def runs(self) -> Sequence[Run]:
        """Return what runners came and went, oldest first."""
        return tuple(self._runs.turns)

    @property
    def actions(self) -> Sequence[Record]:
        """Return operators' actions, newest first; the same object while no news."""
        return self._account.actions

    @property
    def actions_note(self) -> str:
        """Return why actions may be missing; empty: none is."""
        account = self._account
        if account.error:
            return account.error
        if account.waiting:
            return f"{account.waiting:,} older actions are still being read"
        return ""

    def history(self, name: str, seconds: int) -> Sequence[float]:
        """Return a rate's values, oldest first, for so long back.

        One per second up to 15 minutes, else one per 10 seconds; fewer when the
        lookout has not looked for so long.  *name* is one of ``Sight.rates``,
        ``queue:q.1:in``, ``queue:q.1:out`` or ``destination:x:out``.
        """
        return self._history.read(name, seconds)

    def points(self, name: str, seconds: int, count: int) -> Sequence[float]:
        """Return up to *count* means of the last *seconds*, the latest last.

        All but the last one stay what they are as time goes on.
        """
        return self._history.points(name, seconds, count)


def _mean(recent: Sequence[Rates]) -> Rates:
    """Return the mean of what was counted, and the latest that runners told."""
    seconds = sum(rates.seconds for rates in recent)

    def mean(several: list[dict[str, float]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for rates, values in zip(recent, several, strict=True):
            for name, value in values.items():
                found[name] = found.get(name, 0.0) + value * rates.seconds / seconds
        return found

    latest = recent[-1].totals
    counted = mean([rates.totals for rates in recent])
    return Rates(
        seconds=seconds,
        totals={n: latest[n] if n in OUTCOMES else counted[n] for n in latest},
        entered=mean([rates.entered for rates in recent]),
        left=mean([rates.left for rates in recent]),
        delivered=mean([rates.delivered for rates in recent]),
    )
