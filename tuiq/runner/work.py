"""Work in memory: messages under delivery, and the destinations they queue for."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from tuiq.runner.queueing import TurnQueue

if TYPE_CHECKING:
    from tuiq.delivery.route import DestinationKey
    from tuiq.mail.reply import Reply
    from tuiq.runner.leases import Standing, Terms
    from tuiq.runner.transaction import Letter
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

    __hash__ = object.__hash__  # the one of enums is no C function


@dataclass(slots=True, eq=False)
class Work:
    """One message in the runner's hands."""

    directory: QueueDirectory
    queue_id: str
    fresh: bool = True
    """Whether it was never deferred: first tries and retries take turns."""
    visit: Pass | None = None
    """The pass, once a connection is ready; None: nothing is claimed."""
    units: dict[Destination, Unit] = field(default_factory=dict)
    """Its shares by destination; those served in this pass leave with it."""
    running: int = 0
    """Transactions under way."""
    spoiled: bool = False
    """A mark could not be written: the pass ends where it is."""
    again: bool = False
    """Something changed meanwhile: look once more when this is over."""
    letter: Letter | None = None
    """What the transactions of the pass share, once there is one."""
    is_busy: bool = False
    """Whether it is being opened or closed: its units share one claim."""
    _freed: asyncio.Event | None = None

    @property
    def key(self) -> Key:
        """Return what names the message in this process."""
        return self.queue_id, self.directory.name

    async def rest(self) -> None:
        """Wait while ``is_busy``: only shares at several destinations ever meet."""
        while self.is_busy:
            if self._freed is None:
                self._freed = asyncio.Event()
            await self._freed.wait()

    def leave(self) -> None:
        """Let others open or close it: it is not ``is_busy`` any more."""
        self.is_busy = False
        if self._freed is not None:
            self._freed.set()
            self._freed = None

    def share(self, destination: Destination) -> Unit:
        """Return the share of *destination*, a new one if it had none."""
        unit = self.units.get(destination)
        if unit is None:
            unit = self.units[destination] = Unit(self, destination)
        return unit


@dataclass(slots=True, eq=False)
class Unit:
    """One message's recipients at one destination: what queues for connections."""

    work: Work
    destination: Destination
    pending: deque[int] = field(default_factory=deque)
    """Recipients that no transaction took yet, while the message is claimed."""
    running: int = 0
    """Its transactions under way."""
    served: bool = False
    """Whether this pass did something for it."""
    queued: bool = False

    def take(self, count: int) -> list[int]:
        """Take up to *count* recipients for one transaction."""
        pending = self.pending
        if len(pending) > count:
            return [pending.popleft() for _ in range(count)]
        taken = list(pending)
        pending.clear()
        return taken

    @property
    def is_withdrawn(self) -> bool:
        """Say whether the message has been dealt out anew since this was queued."""
        return self.work.units.get(self.destination) is not self

    def put(self) -> None:
        """Queue behind the others, once."""
        if not self.queued:
            self.queued = True
            self.destination.queue.append(self)
            self.destination.changed.set()


def _is_open(unit: Unit) -> bool:
    """Say whether taking *unit* opens no message."""
    return unit.work.visit is not None or unit.is_withdrawn


class Leased:
    """Connections that were leased, and how many of them are to be given back."""

    def __init__(self) -> None:
        """Have none."""
        self.recalled = 0
        """Those that are to end after their transactions; none was chosen yet."""
        self._count = 0
        self._leaving = 0  # of those, the ones that were chosen

    def take(self) -> None:
        """Take note of a connection that is being made."""
        self._count += 1

    def recall(self) -> None:
        """Let one more end after its transaction."""
        self.recalled = min(self.recalled + 1, self._count - self._leaving)

    def gives_one_back(self) -> bool:
        """Say whether the connection that asks is to end; it has to, then."""
        if not self.recalled:
            return False
        self.recalled -= 1
        self._leaving += 1
        return True

    def left(self) -> None:
        """Take note that one has gone; any will do for a recall."""
        self._count -= 1
        if self._leaving:
            self._leaving -= 1
        elif self.recalled:
            self.recalled -= 1


class Destination:
    """Where mail goes: who waits for it here, and what the governor said about it."""

    plain_until = 0.0
    """Epoch seconds until which no transaction begins with another's dot."""

    def __init__(self, key: DestinationKey, *, terms: Terms, batch: int) -> None:
        """Queue for *key* by *terms*, *batch* recipients per transaction."""
        self.key = key
        self.ident = hashlib.blake2s(repr(key).encode(), digest_size=12).hexdigest()
        self.name = key.name
        self.terms = terms
        self.batch = batch
        # Owned by the runner's loop.
        self.queue = TurnQueue[Unit](lambda unit: unit.work.fresh)
        self.connecting = 0
        self.sessions = 0
        self.idle = 0
        self.asked = 0
        """Further connections that the governor has been asked for."""
        self.told_waiting = 0
        """Messages that the governor was told of."""
        self.told_terms: Terms | None = None
        """Terms that the governor was told of."""
        self.leased = Leased()
        self.is_paced = False
        """Whether every transaction needs a turn."""
        self.turns = 0
        """Transactions that may begin."""
        self.turn_asked = False
        self.dead_until = 0.0
        """Epoch seconds until which nobody connects; 0: it is not known to be dead."""
        self.last_failure: Reply | None = None
        self.deferring = False
        """Whether what waits for it is being deferred just now."""
        self.changed = asyncio.Event()

    def next_unit(self, *, claimed: bool = False) -> Unit | None:
        """Take what has waited longest, first tries and retries in turn.

        Whoever takes it puts it back while it has recipients left, so messages
        take turns transaction by transaction: a huge one does not hold up small
        ones, and several connections may share it.  *claimed* leaves out those
        that would have to be opened.
        """
        queue = self.queue
        while True:
            unit = queue.pick(_is_open) if claimed else queue.take()
            if unit is None:
                return None
            unit.queued = False
            work = unit.work
            if work.spoiled or work.units.get(self) is not unit:
                continue
            if work.visit is None or unit.pending:
                return unit
            # Else nothing of it is due in this pass.

    def withdraw(self) -> list[Work]:
        """Take all messages that were not opened yet out of the queue."""
        waiting = self.queue.remove(lambda unit: unit.work.visit is None)
        for unit in waiting:
            unit.queued = False
            unit.work.units.pop(self, None)
        return [unit.work for unit in waiting]

    @property
    def is_forgettable(self) -> bool:
        """Say whether nothing would be lost by forgetting the destination.

        That it is dead the governor knows, and tells when it is asked for again.
        """
        busy = self.queue or self.active or self.deferring
        return not (busy or self.asked or self.turn_asked or self.told_waiting)

    @property
    def active(self) -> int:
        """Return how many connections there are, or are being made."""
        return self.connecting + self.sessions

    def wanted(self, *, room: int) -> int:
        """Return how many further connections would find something to do.

        *room* is how many the process has descriptors for.
        """
        most = min(self.terms.ceiling - self.active, room)
        if most <= 0:  # nobody has to count
            return 0
        return max(0, min(self._waiting() - self.idle - self.connecting, most))

    def hear(self, standing: Standing) -> None:
        """Take over what the governor says."""
        self.dead_until = standing.dead_until
        self.last_failure = standing.failure
        self.is_paced = standing.paced
        self.changed.set()

    def _waiting(self) -> int:
        """Return how many transactions wait, as far as it matters here."""
        count = 0
        for unit in self.queue:
            if unit.is_withdrawn:
                continue
            count += max(1, -(-len(unit.pending) // self.batch))
            if count > self.terms.ceiling:
                break
        return count

    def __repr__(self) -> str:
        """Show the numbers that tests and operators want to see."""
        return (
            f"<Destination {self.name}: {len(self.queue)} waiting, "
            f"{self.sessions} connected ({self.idle} idle), "
            f"{self.connecting} connecting, {self.asked} asked for>"
        )
