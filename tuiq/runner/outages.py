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


def tell_change(spool: Spool, name: str, reply: Reply | None) -> None:
    """Log and journal why a destination cannot be used; None: it can again."""
    if reply is None:
        _log.warning("%s: works again", name)
        return
    _log.warning("%s: %s", name, printable(bytes(reply)))
    event = Event(
        kind=Kind.CONNECTION,
        relay=name,
        code=reply.code,
        status=reply.enhanced,
        text=reply.text,
    )
    spool.journal.append((event,))


class Outages:
    """Defers what waits for destinations that cannot be used."""

    def __init__(self, desk: Desk, *, on_change: Callable[[], None]) -> None:
        """Work at *desk*; *on_change* hears when a queue was emptied."""
        self._desk = desk
        self._on_change = on_change

    async def defer_again(self, destination: Destination) -> None:
        """Defer what came up since *destination* was found dead."""
        assert destination.last_failure is not None
        await self.defer_waiting(destination, destination.last_failure)

    async def defer_waiting(self, destination: Destination, reply: Reply) -> None:
        """Defer every message that waits for *destination*, open ones first.

        What comes while this goes on is deferred as well: what failed has not had
        time to recover.
        A permanent *reply* (there is no such domain) fails them.
        """
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
        # Twice: what is running is put back, and its lane's turn comes again.
        for _ in range(2 * len(destination.queue)):
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
