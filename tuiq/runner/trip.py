"""One connection's messages, one after the other.

Where enough waits, the next message is opened before the data of the one before it
leaves, so that its commands may go with the dot (``delivery.exchange``).
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tuiq.delivery.alarm import Alarm
from tuiq.errors import TuiqError
from tuiq.mail.outcome import Verdict
from tuiq.runner.transaction import PassTransaction

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tuiq.delivery.smtp import Session
    from tuiq.delivery.transport import Delivered
    from tuiq.runner.access import Access
    from tuiq.runner.desk import Desk
    from tuiq.runner.watcher import ConnectionWatcher
    from tuiq.runner.work import Destination, Unit
    from tuiq.spool.spool import Spool

AHEAD_SIZE = 1024 * 1024
"""Bytes of data behind which no other message is kept waiting."""
BACKLOG = 20
"""Waiting messages above which another is opened early."""
PATIENCE = 5.0
"""Seconds after which what was opened early goes back to its queue."""
PLAIN_FOR = 3600.0
"""Seconds for which a server that is confused by it is sent nothing ahead."""


_UNTRIED = frozenset({Verdict.UNTRIED})
_COUNTERS = {
    verdict: verdict.value.replace(" ", "_")
    for verdict in Verdict
    if verdict is not Verdict.UNTRIED
}
"""What recipients count as, by their verdicts."""


@dataclass(slots=True)
class _Load:
    """Recipients of a unit, taken for one transaction."""

    unit: Unit
    transaction: PassTransaction


class Sender(Protocol):
    """Who runs connections."""

    spool: Spool
    access: Access
    is_stopping: bool
    """Whether no transaction begins any more."""

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        ...

    def interruptible(self) -> AbstractContextManager[None]:
        """Let the task that calls this be cancelled while it is in there."""
        ...

    def look_again(self) -> None:
        """Hear that a connection could be wanted."""
        ...


class Trip:
    """What a connection that is ready for MAIL does until it ends."""

    def __init__(
        self,
        courier: Sender,
        desk: Desk,
        destination: Destination,
        session: Session,
        watcher: ConnectionWatcher,
    ) -> None:
        """Take what waits for *destination* to *session*."""
        self._courier = courier
        self._access = courier.access
        self._desk = desk
        self._destination = destination
        self._session = session
        self._is_pipelining = session.is_pipelining
        self._watcher = watcher
        self._alarm = Alarm(self._lose_patience)
        self._interruptible = courier.interruptible()
        # What is to be delivered: the next one, and the one that goes with its dot.
        self._loads: deque[_Load] = deque()

    async def run(self) -> None:
        """Deliver until the session is spent or there is nothing to do."""
        limit = self._courier.spool.config.delivery.messages_per_connection
        used = 0
        try:
            while await self._fill(limit - used if limit else 2):
                used += 1
                if not await self._transact():
                    break
        finally:
            self._alarm.close()
            self.withdraw()
            for load in self._loads:
                self._put_down(load)
                self._give_back(load)
        for load in self._loads:
            await self._conclude(load.unit)

    def withdraw(self) -> None:
        """Put back at once what was begun ahead of its turn, if anything."""
        try:
            self._session.withdraw()
        except (TuiqError, OSError) as error:
            self._desk.spoil(self._loads[-1].unit.work, error)

    # -- finding work ----------------------------------------------------------

    async def _fill(self, room: int) -> bool:
        """Find something to deliver, *room* transactions at most; False: nothing."""
        if not self._loads:
            if room < 1 or self._is_to_end():
                return False
            if not await self._pick_up():
                return False
        if room > 1 and self._may_look_ahead():
            unit = self._take()
            if unit is not None and await self._desk.open(unit):
                self._load(unit)
        return not self._courier.is_stopping

    async def _pick_up(self) -> bool:
        """Open the next message; False when this connection is not wanted any more."""
        while not self._loads:
            unit = await self._next()
            if unit is None or self._courier.is_stopping:
                return False
            if await self._desk.open(unit):
                self._load(unit)
            elif self._is_to_end():
                return False
        return True

    def _may_look_ahead(self) -> bool:
        """Say whether nobody loses by it that another message is opened now.

        While every connection that there might be would find something else.
        """
        destination = self._destination
        return (
            self._is_pipelining
            and len(destination.queue) > max(BACKLOG, destination.terms.ceiling)
            and self._loads[0].transaction.size <= AHEAD_SIZE
            and not destination.is_paced
            and not destination.leased.recalled
            and not self._courier.is_stopping
            and self._desk.has_room
            and destination.plain_until <= self._courier.spool.clock.now()
        )

    async def _next(self) -> Unit | None:
        """Return the next unit, waiting for one as long as a connection may idle."""
        destination = self._destination
        unit = self._take()
        if unit is not None:
            return unit
        destination.idle += 1
        try:
            async with asyncio.timeout(self._idle_timeout):
                while unit is None and not self._is_to_end():
                    destination.changed.clear()
                    await destination.changed.wait()
                    unit = self._take()
        except TimeoutError:
            return self._take()
        finally:
            destination.idle -= 1
        return unit

    @property
    def _idle_timeout(self) -> float:
        return self._courier.spool.config.delivery.idle_timeout

    def _is_to_end(self) -> bool:
        """Say whether this connection has to end: for good, or for another's sake."""
        return self._destination.leased.gives_one_back() or self._courier.is_stopping

    def _take(self) -> Unit | None:
        """Take the next unit, of an open message if no other may be opened."""
        destination = self._destination
        if not destination.queue or not self._access.has_turn(destination):
            return None
        room = self._desk.has_room
        unit = destination.next_unit(claimed=not room)
        if unit is not None:
            self._access.take_turn(destination)
        elif not room:
            self._desk.marks.hurry()
        return unit

    def _load(self, unit: Unit) -> None:
        """Take a batch of *unit*, whose message is open."""
        batch = unit.take(self._destination.batch)
        unit.served = True
        unit.running += 1
        unit.work.running += 1
        if unit.pending:
            unit.put()
            self._courier.look_again()
        transaction = PassTransaction(
            self._desk.letter(unit.work),
            batch,
            marks=self._desk.marks,
            watcher=self._watcher,
            dsn=self._session.offers.dsn,
        )
        self._loads.append(_Load(unit, transaction))

    # -- one transaction -------------------------------------------------------

    async def _transact(self) -> bool:
        """Run the next transaction; False when the session is spent."""
        load = self._loads[0]
        transaction = load.transaction
        delivered = None
        try:
            with self._interruptible:
                delivered = await self._deliver()
            await transaction.commit()
        except (TuiqError, OSError) as error:
            self._desk.spoil(load.unit.work, error)
        finally:
            self._put_down(self._loads.popleft())
        if delivered is not None:
            self._give_back(load)
        self._count(transaction)
        await self._conclude(load.unit)
        if delivered is None:
            self._session.abort()
            return False
        self._learn(delivered, transaction)
        return delivered.reusable

    async def _deliver(self) -> Delivered:
        """Deliver the first load; the second goes back if that takes long."""
        transaction = self._loads[0].transaction
        if len(self._loads) == 1:
            return await self._session.deliver(transaction)
        self._alarm.set(PATIENCE)
        try:
            return await self._session.deliver(transaction, self._loads[1].transaction)
        finally:
            self._alarm.clear()

    def _lose_patience(self) -> None:
        self.withdraw()
        load = self._loads[-1]
        if load.transaction.left and not load.unit.work.spoiled:  # else it is ended
            self._loads.pop()
            self._put_down(load)
            self._give_back(load)

    def _put_down(self, load: _Load) -> None:
        load.unit.running -= 1
        load.unit.work.running -= 1

    def _give_back(self, load: _Load) -> None:
        """Queue recipients for another transaction, before those never tried."""
        left, unit = load.transaction.left, load.unit
        if left and not unit.work.spoiled:
            unit.pending.extendleft(reversed(left))
            unit.put()

    async def _conclude(self, unit: Unit) -> None:
        work = unit.work
        if not work.running and (work.spoiled or not unit.pending):
            await self._desk.conclude(work)

    def _count(self, transaction: PassTransaction) -> None:
        count = self._courier.count
        for verdict, number in transaction.counts.items():
            if verdict in _COUNTERS:
                count(_COUNTERS[verdict], number)
        count("transactions")

    def _learn(self, delivered: Delivered, transaction: PassTransaction) -> None:
        """Tell what a transaction says about the destination."""
        destination = self._destination
        if delivered.batch_limit:
            destination.batch = max(1, min(destination.batch, delivered.batch_limit))
        if delivered.unheard:
            destination.plain_until = self._courier.spool.clock.now() + PLAIN_FOR
        lost = delivered.lost
        answered = bool(transaction.counts.keys() - _UNTRIED)
        if answered and (lost is None or Verdict.DELIVERED in transaction.counts):
            self._access.answered(destination, transaction.put_off)
        if lost is None:
            return
        # A server may end a session that it had served, without being in trouble.
        served = self._watcher.transactions > int(delivered.begun) and not answered
        self._access.failed(destination, lost, lost=True, served=served)
