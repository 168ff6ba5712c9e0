"""Work in memory: messages under delivery, and the destinations they queue for."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from tuiq.delivery.transport import NextHop
    from tuiq.mail.reply import Reply
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.passes import Pass

Key: TypeAlias = tuple[str, str]
"""Queue id and directory name: an unfinished move leaves one id in two places."""


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
    STARVED = "starved"
    """There was no file descriptor for it; it is looked at again soon."""
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
    spoiled: bool = False
    """A mark could not be written: the pass ends where it is."""
    again: bool = False
    """Something changed meanwhile: look once more when this is over."""

    @property
    def key(self) -> Key:
        """Return what names the message in this process."""
        return self.queue_id, self.directory.name

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
        """Epoch seconds until which it is left alone; not 0: one probe comes first."""
        self.capped_until = 0.0
        """Epoch seconds until which it gets no more connections than it has."""
        self.lost_in_a_row = 0
        self.last_failure: Reply | None = None
        self.deferring = False
        """Whether what waits for it is being deferred just now."""
        self.changed = asyncio.Event()

    def put(self, work: Work) -> None:
        """Queue a message behind the others."""
        self.queue.append(work)
        self.changed.set()

    def next_work(self, *, claimed: bool = False) -> Work | None:
        """Take the message that has waited longest.

        Whoever takes it puts it back while it has recipients left, so messages
        take turns transaction by transaction: a huge one does not hold up small
        ones, and several connections may share it.  *claimed* leaves out those
        that would have to be opened.
        """
        for _ in range(len(self.queue)):
            work = self.queue.popleft()
            if work.spoiled or (work.visit is not None and not work.pending):
                continue  # its end is another connection's business
            if not claimed or work.visit is not None:
                return work
            self.queue.append(work)
        return None

    def withdraw(self) -> list[Work]:
        """Take all messages that were not opened yet out of the queue."""
        waiting = [work for work in self.queue if work.visit is None]
        self.queue = deque(work for work in self.queue if work.visit is not None)
        return waiting

    @property
    def active(self) -> int:
        """Return how many connections there are, or are being made."""
        return self.connecting + self.sessions

    @property
    def left_alone_until(self) -> float:
        """Return when it may get a new connection again, epoch seconds."""
        return max(self.dead_until, self.capped_until if self.active else 0.0)

    def rest_until(self, when: float) -> bool:
        """Leave the destination alone until *when*; say whether it is dead.

        While it has other connections, or is getting them, it only gets no more.
        """
        if self.active:
            self.capped_until = when
        else:
            self.dead_until = when
        return not self.active

    def recovered(self) -> None:
        """Take note that a transaction was answered to its end."""
        self.dead_until = 0.0
        self.lost_in_a_row = 0
        self.last_failure = None

    def wants_connection(self, now: float) -> bool:
        """Say whether another connection would find something to do."""
        if now < self.left_alone_until or self.active >= self.limit:
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
