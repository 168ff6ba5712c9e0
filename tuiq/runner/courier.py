"""Connections: one task each, taking messages from its destination's queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING

from tuiq.delivery.mx import MAX_SESSIONS, Unreachable
from tuiq.delivery.smtp import Session
from tuiq.delivery.tls import client_context
from tuiq.delivery.transport import DestinationFailed, NoDescriptors
from tuiq.errors import DeliveryError, TuiqError
from tuiq.log import printable
from tuiq.mail.outcome import Verdict
from tuiq.mail.reply import Reply
from tuiq.runner.outages import Outages
from tuiq.runner.transaction import PassTransaction
from tuiq.runner.watcher import ConnectionWatcher
from tuiq.spool.journal import Event, Kind

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from tuiq.config import DeliveryConfig
    from tuiq.delivery.transport import Delivered
    from tuiq.runner.access import Access
    from tuiq.runner.desk import Desk
    from tuiq.runner.work import Destination, Unit, Work
    from tuiq.spool.spool import Spool

_log = logging.getLogger(__name__)


_COUNTERS = {
    verdict: verdict.value.replace(" ", "_")
    for verdict in Verdict
    if verdict is not Verdict.UNTRIED
}
"""What recipients count as, by their verdicts."""


class _OnWire:
    """Has the running task among *tasks* while it is entered."""

    __slots__ = ("_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[None]]) -> None:
        self._tasks = tasks

    def __enter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._tasks.add(task)

    def __exit__(self, *_why: object) -> None:
        self._tasks.discard(self._task)


class Courier:
    """Runs the connections of all destinations."""

    def __init__(
        self,
        spool: Spool,
        desk: Desk,
        *,
        verbose: bool,
        on_change: Callable[[], None],
        on_starved: Callable[[], None],
    ) -> None:
        """Share *desk* with the runner; ``access`` has to be set before connecting.

        *on_change* hears when a connection could be wanted or has gone,
        *on_starved* when there was no file descriptor for one.
        """
        self._spool = spool
        self._desk = desk
        self._marks = desk.marks
        self._routes = desk.routes
        self._verbose = verbose
        self._on_change = on_change
        self._on_starved = on_starved
        self._tls: dict[tuple[bool, Path | None], ssl.SSLContext] = {}
        self._stopping = False
        self.is_broken = False
        """Whether a connection ended by a fault of this program: no new ones then."""
        self.watchers: dict[asyncio.Task[None], ConnectionWatcher] = {}
        # Tasks that wait for the network, and may be cancelled there.
        self._on_wire: set[asyncio.Task[None]] = set()
        self.counters: dict[str, int] = {}
        """Recipients by verdict, messages, connections, since the start."""
        self.outages = Outages(desk, on_change=on_change)
        self.access: Access

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + number

    def forget_tls(self) -> None:
        """Make the TLS settings anew for the next connection."""
        self._tls.clear()

    # -- one connection --------------------------------------------------------

    def connect(self, destination: Destination, group: asyncio.TaskGroup) -> None:
        """Start another connection to *destination*."""
        destination.connecting += 1
        watcher = ConnectionWatcher(
            destination.name,
            self._spool.clock,
            verbose=self._verbose,
            on_note=self._note,
        )
        task = group.create_task(
            self._connection(destination, watcher), name=f"smtp {destination.name}"
        )
        self.watchers[task] = watcher
        task.add_done_callback(partial(self._disconnected, destination))

    def _disconnected(self, destination: Destination, task: asyncio.Task[None]) -> None:
        self.watchers.pop(task, None)
        if not task.cancelled() and task.exception() is not None:
            self.is_broken = True
        destination.is_recalled = False  # whichever connection has gone
        self.access.ended(destination)
        self._on_change()

    def _note(self, destination: str, text: str) -> None:
        """Journal what a session found worth saying (TLS given up, for one)."""
        _log.warning("%s: %s", destination, printable(text))
        event = Event(kind=Kind.TLS_FALLBACK, relay=destination, text=text)
        self._spool.journal.append((event,))

    async def _connection(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> None:
        session = await self._open(destination, watcher)
        if session is None:
            return
        self.count("connections")
        try:
            await self._serve(destination, session, watcher)
        except BaseException:
            session.abort()
            raise
        finally:
            destination.sessions -= 1
            self._on_change()
        with self._interruptible():
            await session.close()

    def _interruptible(self) -> _OnWire:
        """Let ``stop`` cancel this task while it is in here: it waits for the wire."""
        return _OnWire(self._on_wire)

    async def _open(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> Session | None:
        failure = None
        try:
            with self._interruptible():
                found = await self._reach(destination, watcher)
        except NoDescriptors:
            self._on_starved()
        else:
            if isinstance(found, Session):
                destination.sessions += 1
                return found
            failure = found
        finally:
            destination.connecting -= 1
        if failure is not None:
            self.count("connection_failures")
            self.access.failed(destination, failure)
        return None

    async def _reach(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> Session | Reply:
        """Try a destination's servers in order; return why none would do.

        After two that answered no further one is tried (Postfix's
        smtp_mx_session_limit).  Raises NoDescriptors.
        """
        hops = await self._routes.locator.locate(destination.key)
        if isinstance(hops, Unreachable):
            return hops.reply
        settings = self._routes.settings(destination)
        answered = 0
        reply = Reply(code=451, enhanced=b"4.4.1", text=b"no server to try")
        for hop in hops:
            watcher.approach(destination.name if len(hops) == 1 else str(hop))
            try:
                return await Session.open(
                    hop,
                    settings,
                    hostname=self._spool.config.submission.hostname,
                    watcher=watcher,
                    tls=self._tls_context(settings),
                )
            except DestinationFailed as error:
                reply = error.reply
            answered += watcher.phase_name != "connect"
            if answered >= MAX_SESSIONS:
                break
        return reply

    def _tls_context(self, settings: DeliveryConfig) -> ssl.SSLContext | None:
        """Return the TLS settings, made once; None leaves it to the session to fail."""
        key = settings.tls_verify, settings.tls_ca_file
        if key not in self._tls and settings.tls != "none":
            with contextlib.suppress(DeliveryError):
                self._tls[key] = client_context(settings)
        return self._tls.get(key)

    async def _serve(
        self, destination: Destination, session: Session, watcher: ConnectionWatcher
    ) -> None:
        limit = self._spool.config.delivery.messages_per_connection
        used = 0
        while not (limit and used >= limit) and not self._is_to_end(destination):
            unit = await self._next(destination)
            if unit is None or self._stopping:
                return
            if not await self._desk.open(unit):
                continue
            used += 1
            if not await self._transact(unit, session, watcher):
                return

    async def _next(self, destination: Destination) -> Unit | None:
        """Return the next unit, waiting for one as long as a connection may idle."""
        unit = self._take(destination)
        if unit is not None:
            return unit
        destination.idle += 1
        try:
            async with asyncio.timeout(self._spool.config.delivery.idle_timeout):
                while unit is None and not self._is_to_end(destination):
                    destination.changed.clear()
                    await destination.changed.wait()
                    unit = self._take(destination)
        except TimeoutError:
            return self._take(destination)
        finally:
            destination.idle -= 1
        return unit

    def _is_to_end(self, destination: Destination) -> bool:
        """Say whether this connection has to end: for good, or for another's sake."""
        if destination.is_recalled:
            destination.is_recalled = False
            return True
        return self._stopping

    def _take(self, destination: Destination) -> Unit | None:
        """Take the next unit, of an open message if no other may be opened."""
        if not destination.queue or not self.access.has_turn(destination):
            return None
        room = self._desk.has_room
        unit = destination.next_unit(claimed=not room)
        if unit is not None:
            self.access.take_turn(destination)
        elif not room:
            self._marks.hurry()
        return unit

    # -- one transaction -------------------------------------------------------

    async def _transact(
        self, unit: Unit, session: Session, watcher: ConnectionWatcher
    ) -> bool:
        """Run one transaction of *unit*; False when the session is spent."""
        if self._stopping:
            return False  # the runner puts the message away
        work, destination = unit.work, unit.destination
        batch = unit.take(destination.batch)
        unit.served = True
        unit.running += 1
        work.running += 1
        if unit.pending:
            unit.put()
            self._on_change()
        transaction = self._transaction(work, batch, session, watcher)
        delivered = None
        try:
            with self._interruptible():
                delivered = await session.deliver(transaction)
            await transaction.commit()
        except (TuiqError, OSError) as error:
            self._desk.spoil(work, error)
        finally:
            unit.running -= 1
            work.running -= 1
        if delivered is not None:
            self._give_back(unit, transaction.untried if delivered.begun else batch)
        self._count(transaction)
        if not work.running and (work.spoiled or not unit.pending):
            await self._desk.conclude(work)
        if delivered is None:
            session.abort()
            return False
        self._learn(destination, delivered, transaction, watcher)
        return delivered.reusable

    def _transaction(
        self,
        work: Work,
        batch: list[int],
        session: Session,
        watcher: ConnectionWatcher,
    ) -> PassTransaction:
        return PassTransaction(
            self._desk.letter(work),
            batch,
            marks=self._marks,
            watcher=watcher,
            dsn=session.offers.dsn,
        )

    def _give_back(self, unit: Unit, batch: list[int]) -> None:
        """Queue recipients for another transaction, before those never tried."""
        if batch and not unit.work.spoiled:
            unit.pending.extendleft(reversed(batch))
            unit.put()

    def _count(self, transaction: PassTransaction) -> None:
        for verdict, number in transaction.counts.items():
            if verdict is not Verdict.UNTRIED:
                self.count(_COUNTERS[verdict], number)
        self.count("transactions")

    def _learn(
        self,
        destination: Destination,
        delivered: Delivered,
        transaction: PassTransaction,
        watcher: ConnectionWatcher,
    ) -> None:
        """Tell what a transaction says about the destination."""
        if delivered.batch_limit:
            destination.batch = max(1, min(destination.batch, delivered.batch_limit))
        lost = delivered.lost
        answered = transaction.counts.keys() - {Verdict.UNTRIED}
        if Verdict.DELIVERED in answered or (answered and lost is None):
            self.access.answered(destination, transaction.put_off)
        if lost is None:
            return
        # A server may end a session that it had served, without being in trouble.
        served = watcher.transactions > int(delivered.begun) and not answered
        self.access.failed(destination, lost, lost=True, served=served)

    # -- the end ---------------------------------------------------------------

    def finish(self) -> None:
        """Let connections end that have nothing to do any more."""
        self._stopping = True
        for task in list(self._on_wire):
            if self.watchers[task].phase_name not in {"idle", "quit"}:
                task.cancel()

    async def stop(self, patience: float) -> list[str]:
        """Let sessions past the final dot end; name the messages left in doubt.

        Sessions before the dot are closed at once: their recipients go back to
        todo.  What has no answer after *patience* seconds stays in doubt.
        """
        self._stopping = True
        for task in list(self._on_wire):
            if self.watchers[task].phase_name != "dot":
                task.cancel()
        if self.watchers:
            await asyncio.wait(list(self.watchers), timeout=patience)
        watchers = [self.watchers[task] for task in self._on_wire]
        left = [w.message for w in watchers if w.phase_name == "dot"]
        for task in list(self._on_wire):
            task.cancel()
        return left
