"""Work in memory: messages under delivery, and the destinations they queue for."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.delivery.transport import NextHop
    from tuiq.mail.reply import Reply
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.passes import Pass


class Fate(Enum):
    """How the runner left a message, for the exit status of ``--once``."""

    SETTLED = "settled"
    """Nothing is left that a runner could do."""
    LEFT = "left"
    """Deferred, or in doubt."""
    HELD_BACK = "held back"
    """A pause or a full disk stood in the way."""
    BUSY = "busy"
    """Somebody else holds it."""
    DAMAGED = "damaged"
    """A person has to look at it."""


@dataclass(slots=True, eq=False)
class Work:
    """One message and its destination: the unit that queues for connections."""

    directory: QueueDirectory
    queue_id: str
    visit: Pass | None = None
    """The pass, once a connection is ready; None: nothing is claimed."""
    pending: deque[int] = field(default_factory=deque)
    """Recipients that no transaction took yet."""
    running: int = 0
    """Transactions under way."""
    alone: bool = False
    """Its runners keep dying: tried while nothing else is."""
    again: bool = False
    """Something changed meanwhile: look once more when this is over."""

    def take(self, count: int) -> list[int]:
        """Take up to *count* recipients for one transaction."""
        size = min(count, len(self.pending))
        return [self.pending.popleft() for _ in range(size)]


class Destination:
    """A next hop: who waits for it, and what is known about it."""

    def __init__(self, next_hop: NextHop, *, limit: int, batch: int) -> None:
        """Allow *limit* connections, *batch* recipients per transaction."""
        self.next_hop = next_hop
        self.name = str(next_hop)
        self.limit = limit
        self.batch = batch
        # Owned by the runner's loop.
        self.queue: deque[Work] = deque()
        self.connecting = 0
        self.sessions = 0
        self.idle = 0
        self.dead_until = 0.0
        self.capped_until = 0.0
        self.lost_in_a_row = 0
        self.last_failure: Reply | None = None
        self.changed = asyncio.Event()

    def put(self, work: Work) -> None:
        """Queue a message behind the others."""
        self.queue.append(work)
        self.changed.set()

    def next_work(self) -> Work | None:
        """Take the message that has waited longest.

        Whoever takes it puts it back while it has recipients left, so messages
        take turns transaction by transaction: a huge one does not hold up small
        ones, and several connections may share it.
        """
        return self.queue.popleft() if self.queue else None

    @property
    def active(self) -> int:
        """Return how many connections there are, or are being made."""
        return self.connecting + self.sessions

    def rest_until(self, when: float, *, now: float) -> None:
        """Leave the destination alone until *when*, or as it is while it works."""
        if self.sessions:
            self.capped_until = when
        else:
            self.dead_until = max(when, now)

    def wants_connection(self, now: float) -> bool:
        """Say whether another connection would find something to do."""
        if now < max(self.dead_until, self.capped_until) or self.active >= self.limit:
            return False
        if self.dead_until and self.active:
            return False  # one probe first
        return self._waiting() > self.idle + self.connecting

    def _waiting(self) -> int:
        """Return how many transactions wait, as far as it matters here."""
        count = 0
        for work in self.queue:
            count += max(1, -(-len(work.pending) // self.batch))
            if count > self.limit:
                break
        return count

    def __repr__(self) -> str:
        """Show the numbers that tests and operators want to see."""
        return (
            f"<Destination {self.name}: {len(self.queue)} waiting, "
            f"{self.sessions} connected ({self.idle} idle), "
            f"{self.connecting} connecting, limit {self.limit}>"
        )
