"""Connections: one task each, taking messages from its destination's queue."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING

from tuiq.delivery.mx import MAX_SESSIONS, Unreachable
from tuiq.delivery.smtp import Session
from tuiq.delivery.tls import client_context
from tuiq.delivery.transport import DestinationFailed, NoDescriptors
from tuiq.errors import DeliveryError
from tuiq.log import printable
from tuiq.mail.reply import Reply
from tuiq.runner.outages import Outages
from tuiq.runner.trip import Trip
from tuiq.runner.watcher import ConnectionWatcher
from tuiq.spool.journal import Event, Kind

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from tuiq.config import DeliveryConfig
    from tuiq.runner.access import Access
    from tuiq.runner.desk import Desk
    from tuiq.runner.work import Destination
    from tuiq.spool.spool import Spool

_log = logging.getLogger(__name__)


class _OnWire:
    """Has the task that made it among *tasks* while it is entered."""

    __slots__ = ("_task", "_tasks")

    def __init__(self, tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._tasks = tasks

    def __enter__(self) -> None:
        self._tasks.add(self._task)

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
        self.spool = spool
        self._desk = desk
        self._routes = desk.routes
        self._verbose = verbose
        self._on_change = on_change
        self._on_starved = on_starved
        self._tls: dict[tuple[bool, Path | None], ssl.SSLContext] = {}
        self.is_stopping = False
        """Whether no transaction begins any more."""
        self.is_broken = False
        """Whether a connection ended by a fault of this program: no new ones then."""
        self.watchers: dict[asyncio.Task[None], ConnectionWatcher] = {}
        # Tasks that wait for the network, and may be cancelled there.
        self._on_wire: set[asyncio.Task[None]] = set()
        self._trips: set[Trip] = set()
        self.counters: dict[str, int] = defaultdict(int)
        """Recipients by verdict, messages, connections, since the start."""
        self.outages = Outages(desk, on_change=on_change)
        self.access: Access

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] += number

    def look_again(self) -> None:
        """Tell the runner that a connection could be wanted."""
        self._on_change()

    def forget_tls(self) -> None:
        """Make the TLS settings anew for the next connection."""
        self._tls.clear()

    # -- one connection --------------------------------------------------------

    def connect(self, destination: Destination, group: asyncio.TaskGroup) -> None:
        """Start another connection to *destination*."""
        destination.connecting += 1
        destination.leased.take()
        watcher = ConnectionWatcher(
            destination.name,
            self.spool.clock,
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
        destination.leased.left()
        self.access.ended(destination)
        self._on_change()

    def _note(self, destination: str, text: str) -> None:
        """Journal what a session found worth saying (TLS given up, for one)."""
        _log.warning("%s: %s", destination, printable(text))
        event = Event(kind=Kind.TLS_FALLBACK, relay=destination, text=text)
        self.spool.journal.append((event,))

    async def _connection(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> None:
        session = await self._open(destination, watcher)
        if session is None:
            return
        self.count("connections")
        try:
            await self._carry(destination, session, watcher)
        except BaseException:
            session.abort()
            raise
        finally:
            destination.sessions -= 1
            self._on_change()
        with self.interruptible():
            await session.close()

    async def _carry(
        self, destination: Destination, session: Session, watcher: ConnectionWatcher
    ) -> None:
        trip = Trip(self, self._desk, destination, session, watcher)
        self._trips.add(trip)
        try:
            await trip.run()
        finally:
            self._trips.discard(trip)

    def interruptible(self) -> _OnWire:
        """Let ``stop`` cancel this task while it is in here: it waits for the wire."""
        return _OnWire(self._on_wire)

    async def _open(
        self, destination: Destination, watcher: ConnectionWatcher
    ) -> Session | None:
        failure = None
        try:
            with self.interruptible():
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
                    hostname=self.spool.config.submission.hostname,
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

    # -- the end ---------------------------------------------------------------

    def finish(self) -> None:
        """Let connections end that have nothing to do any more."""
        self.is_stopping = True
        for task in list(self._on_wire):
            if self.watchers[task].phase_name not in {"idle", "quit"}:
                task.cancel()

    async def stop(self, patience: float) -> list[str]:
        """Let sessions past the final dot end; name the messages left in doubt.

        Sessions before the dot are closed at once: their recipients go back to
        todo, as do those whose MAIL left with another's dot.  What has no answer
        after *patience* seconds stays in doubt.
        """
        self.is_stopping = True
        for trip in list(self._trips):
            trip.withdraw()
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
