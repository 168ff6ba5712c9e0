"""Destinations that cannot be used: who is told, and what becomes of their mail."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tuiq.log import printable
from tuiq.spool.journal import Event, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.mail.reply import Reply
    from tuiq.runner.desk import Desk
    from tuiq.runner.work import Destination
    from tuiq.spool.spool import Spool

_log = logging.getLogger(__name__)


class Outages:
    """Leaves failing destinations alone and defers what waits for them."""

    def __init__(
        self,
        spool: Spool,
        desk: Desk,
        *,
        count: Callable[[str], None],
        on_change: Callable[[], None],
    ) -> None:
        """Count failures with *count*; *on_change* hears when a queue was emptied."""
        self._spool = spool
        self._desk = desk
        self._count = count
        self._on_change = on_change

    async def fail(self, destination: Destination, reply: Reply) -> None:
        """Take note that a destination could not be used.

        A permanent *reply* (there is no such domain) fails its mail.  Without other
        connections it is left alone for a while, and what waits for it is deferred.
        """
        self._count("connection_failures")
        if destination.last_failure != reply:
            destination.last_failure = reply
            self._tell_failure(destination, reply)
        rest = self._spool.config.delivery.retry_destination
        if destination.rest_until(self._spool.clock.now() + rest):
            await self.defer_waiting(destination, reply)

    def _tell_failure(self, destination: Destination, reply: Reply) -> None:
        """Log and journal why a destination cannot be used, until that changes."""
        _log.warning("%s: %s", destination.name, printable(bytes(reply)))
        event = Event(
            kind=Kind.CONNECTION,
            relay=destination.name,
            code=reply.code,
            status=reply.enhanced,
            text=reply.text,
        )
        self._spool.journal.append((event,))

    def recovered(self, destination: Destination) -> None:
        """Take note that a transaction was answered to its end."""
        if destination.last_failure is not None:
            _log.warning("%s: works again", destination.name)
        destination.recovered()

    async def defer_again(self, destination: Destination) -> None:
        """Defer what came up since *destination* was found dead."""
        assert destination.last_failure is not None
        await self.defer_waiting(destination, destination.last_failure)

    async def defer_waiting(self, destination: Destination, reply: Reply) -> None:
        """Defer every message that waits for *destination*, open ones first."""
        if destination.deferring:
            return
        destination.deferring = True
        try:
            for claimed in (True, False):
                await self._defer(destination, reply, claimed=claimed)
        finally:
            destination.deferring = False
            self._on_change()

    async def _defer(
        self, destination: Destination, reply: Reply, *, claimed: bool
    ) -> None:
        for _ in range(len(destination.queue)):
            if not claimed and not await self._desk.wait_for_room():
                return
            unit = destination.next_unit(claimed=claimed)
            if unit is None:
                return
            if unit.running:
                unit.put()
                continue
            if reply.is_permanent:
                await self._desk.refuse(unit, reply)
            else:
                await self._desk.defer(unit, reply)
            await asyncio.sleep(0)  # a long queue must not keep others waiting
