"""Connections: one task each, taking messages from its destination's queue."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tuiq.delivery.smtp import Session
from tuiq.delivery.tls import client_context
from tuiq.delivery.transport import DestinationFailed, NoDescriptors
from tuiq.log import printable
from tuiq.mail.outcome import Verdict
from tuiq.runner.transaction import PassTransaction
from tuiq.runner.watcher import ConnectionWatcher
from tuiq.spool.journal import Event, Kind

if TYPE_CHECKING:
    import ssl

    from tuiq.delivery.transport import Delivered
    from tuiq.mail.reply import Reply
    from tuiq.runner.desk import Desk
    from tuiq.runner.marks import Marks
    from tuiq.runner.work import Destination, Work
    from tuiq.spool.spool import Spool

LOST_IN_A_ROW = 2
"""Sessions lost without one delivery after which a destination is left alone."""
_log = logging.getLogger(__name__)


class Courier:
    """Runs the connections of all destinations."""

    def __init__(
        self, spool: Spool, desk: Desk, marks: Marks, *, verbose: bool = False
    ) -> None:
        """Share *desk* and *marks* with the runner."""
        self._spool = spool
        self._desk = desk
        self._marks = marks
        self._verbose = verbose
        self._tls: ssl.SSLContext | None = None
        self.stopping = False
        self.watchers: dict[asyncio.Task[None], ConnectionWatcher] = {}
        self.counters: dict[str, int] = {}
        """Recipients by verdict, messages, connections, since the start."""
        self.starved = asyncio.Event()

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] = self.counters.get(name, 0) + number

    def forget_tls(self) -> None:
        """Make the TLS settings anew for the next connection."""
        self._tls = None

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
        task.add_done_callback(lambda done: self.watchers.pop(done, None))

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
        destination.sessions += 1
        destination.dead_until = 0.0
        self.count("connections")
        try:
            await self._serve(destination, session, watcher)
        except BaseException:
            session.abort()
            raise
        finally:
            destination.sessions -= 1
            destination.changed.set()
        await session.close()

    async def _open(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> Session | None:
        config = self._spool.config
        try:
            if self._tls is None:
                self._tls = client_context(config.delivery)
            return await Session.open(
                destination.next_hop,
                config.delivery,
                hostname=config.submission.hostname,
                watcher=watcher,
                tls=self._tls,
            )
        except DestinationFailed as error:
            destination.connecting -= 1
            await self.fail(destination, error.reply)
            destination.connecting += 1
        except NoDescriptors:
            self.starved.set()
        finally:
            destination.connecting -= 1
            destination.changed.set()
        return None

    async def fail(self, destination: Destination, reply: Reply) -> None:
        """Take note that a destination could not be used.

        While other sessions to it work, it only gets no more connections than
        those; else it is left alone for a while and what waits is deferred.
        """
        now = self._spool.clock.now()
        destination.last_failure = reply
        self.count("connection_failures")
        _log.warning("%s: %s", destination.name, printable(bytes(reply)))
        event = Event(
            kind=Kind.CONNECTION,
            relay=destination.name,
            code=reply.code,
            status=reply.enhanced,
            text=reply.text,
        )
        self._spool.journal.append((event,))
        destination.rest_until(
            now + self._spool.config.delivery.retry_destination, now=now
        )
        if not destination.sessions:
            await self.defer_waiting(destination, reply)

    async def defer_waiting(self, destination: Destination, reply: Reply) -> None:
        """Defer every message that waits for *destination*."""
        for _ in range(len(destination.queue)):
            work = destination.next_work()
            if work is None:
                break
            if work.running:
                destination.put(work)
                continue
            await self._desk.defer(work, reply, destination.name)
            await asyncio.sleep(0)  # a long queue must not keep others waiting

    async def _serve(
        self, destination: Destination, session: Session, watcher: ConnectionWatcher
    ) -> None:
        limit = self._spool.config.delivery.messages_per_connection
        used = 0
        while not self.stopping and session.alive and not (limit and used >= limit):
            work = await self._next(destination)
            if work is None:
                return
            if not await self._desk.open(work, destination.name):
                continue
            used += 1
            if not await self._transact(destination, session, watcher, work):
                return

    async def _next(self, destination: Destination) -> Work | None:
        """Return the next message, waiting for one as long as a connection may idle."""
        work = destination.next_work()
        if work is not None:
            return work
        destination.idle += 1
        try:
            async with asyncio.timeout(self._spool.config.delivery.idle_timeout):
                while work is None and not self.stopping:
                    destination.changed.clear()
                    await destination.changed.wait()
                    work = destination.next_work()
        except TimeoutError:
            return destination.next_work()
        finally:
            destination.idle -= 1
        return work

    async def _transact(
        self,
        destination: Destination,
        session: Session,
        watcher: ConnectionWatcher,
        work: Work,
    ) -> bool:
        """Run one transaction of *work*; False when the session is spent."""
        batch = work.take(destination.batch)
        work.running += 1
        if work.pending:
            destination.put(work)
        transaction = PassTransaction(
            self._desk.letter(work),
            batch,
            marks=self._marks,
            watcher=watcher,
            dsn=session.offers.dsn,
        )
        try:
            delivered = await session.deliver(transaction)
            await transaction.commit()
        finally:
            work.running -= 1
        again = transaction.untried if delivered.begun else batch
        if again:
            if not work.pending:
                destination.put(work)
            work.pending.extendleft(reversed(again))
        self._count(transaction)
        if not work.pending and not work.running:
            await self._desk.conclude(work)
        return await self._after(destination, delivered, transaction)

    def _count(self, transaction: PassTransaction) -> None:
        for verdict, number in transaction.counts.items():
            if verdict is not Verdict.UNTRIED:
                self.count(verdict.value.replace(" ", "_"), number)
        self.count("transactions")

    async def _after(
        self,
        destination: Destination,
        delivered: Delivered,
        transaction: PassTransaction,
    ) -> bool:
        """Learn from a transaction; say whether the session can go on."""
        if delivered.batch_limit:
            destination.batch = max(1, min(destination.batch, delivered.batch_limit))
        if Verdict.DELIVERED in transaction.counts:
            destination.lost_in_a_row = 0
        if delivered.lost is not None and delivered.begun:
            destination.lost_in_a_row += 1
            if destination.lost_in_a_row >= LOST_IN_A_ROW:
                destination.sessions -= 1
                await self.fail(destination, delivered.lost)
                destination.sessions += 1
        return delivered.reusable

    async def stop(self, patience: float) -> int:
        """Let sessions past the final dot end; return how many did not in time.

        Sessions before the dot are closed at once: their recipients go back to
        todo.  What is left after *patience* seconds stays in doubt.
        """
        self.stopping = True
        for task, watcher in list(self.watchers.items()):
            if watcher.phase_name != "dot":
                task.cancel()
        if self.watchers:
            await asyncio.wait(list(self.watchers), timeout=patience)
        left = list(self.watchers)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=1.0)
        return len(left)
