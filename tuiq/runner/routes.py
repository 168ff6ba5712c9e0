"""The way out: which destination a message queues for, and all of them together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.config import split_host_port
from tuiq.delivery.transport import NextHop
from tuiq.runner.work import Destination

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.runner.work import Work
    from tuiq.spool.spool import Spool


class Routes:
    """The destinations that mail was queued for; owned by the event loop."""

    def __init__(self, spool: Spool, *, one_connection: bool) -> None:
        """Route by the settings of *spool*; *one_connection* beats its limit."""
        self._spool = spool
        self._one_connection = one_connection
        self._destinations: dict[str, Destination] = {}

    def __iter__(self) -> Iterator[Destination]:
        """Yield every destination."""
        yield from self._destinations.values()

    def next_hop(self) -> NextHop | None:
        """Return where mail goes, None while no smarthost is configured."""
        smarthost = self._spool.config.delivery.smarthost
        if not smarthost:
            return None
        host, port = split_host_port(smarthost)
        return NextHop(host=host, port=port)

    @property
    def name(self) -> str:
        """Return the name of the next hop, empty without one."""
        hop = self.next_hop()
        return str(hop) if hop else ""

    def queue(self, work: Work) -> bool:
        """Queue a message for its destination; False while there is none."""
        hop = self.next_hop()
        if hop is None:
            return False
        destination = self._destinations.get(str(hop))
        if destination is None:
            destination = Destination(hop, limit=self._limit, batch=self._batch)
            self._destinations[destination.name] = destination
        destination.put(work)
        return True

    @property
    def _limit(self) -> int:
        return 1 if self._one_connection else self._spool.config.delivery.concurrency

    @property
    def _batch(self) -> int:
        return self._spool.config.delivery.recipients_per_transaction

    def reconfigure(self) -> list[Work]:
        """Take over new settings; return the messages that have to queue anew."""
        moved: list[Work] = []
        for destination in self:
            destination.limit = self._limit
            destination.batch = self._batch
            if destination.name != self.name:
                moved += destination.withdraw()
        return moved

    def try_again(self, now: float) -> None:
        """Leave no destination alone any longer than until *now*."""
        for destination in self:
            destination.dead_until = min(destination.dead_until, now)
            destination.capped_until = 0.0

    def wake(self) -> None:
        """Let idle connections look for something to do."""
        for destination in self:
            destination.changed.set()

    def times(self, now: float) -> list[float]:
        """Return when destinations with mail may get a new connection again."""
        times = [d.left_alone_until for d in self if d.queue]
        return [when for when in times if when > now]
