"""The books of ``tuiq demo``: what the delivery journal says, added up as it grows.

Text in the journal is escaped already; nothing here undoes that.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from tuiq.spool.follow import Follower
from tuiq.spool.journal import Kind
from tuiq.spool.trace import parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tuiq.spool.trace import Record

_WINDOW = 2.0
"""Seconds over which the rate of deliveries is measured."""


class Fate(Enum):
    """Where a recipient stands."""

    WAITING = "waiting"
    """Not tried yet."""
    DEFERRED = "deferred"
    """Tried, and will be tried again."""
    DOUBT = "in doubt"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "deleted"
    HELD = "held"
    """Not tried yet, and not before an operator says so."""


_FATES = {
    Kind.DELIVERED: Fate.DELIVERED,
    Kind.DEFERRED: Fate.DEFERRED,
    Kind.FAILED: Fate.FAILED,
    Kind.EXPIRED: Fate.FAILED,
    Kind.IN_DOUBT: Fate.DOUBT,
    Kind.CANCELLED: Fate.CANCELLED,
}


@dataclass(slots=True)
class Slot:
    """One recipient of one message."""

    address: str
    fate: Fate = Fate.WAITING
    doubted: bool = False
    """It was in doubt at some time, and the journal says so."""

    @property
    def domain(self) -> str:
        """Return the address's domain."""
        return self.address.rpartition("@")[2]


class Ledger:
    """Every recipient that was handed in or heard of, and the sums."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.slots: dict[tuple[str, int], Slot] = {}
        """By queue id and number."""
        self.totals: Counter[Fate] = Counter()
        self.domains: dict[str, Counter[Fate]] = {}
        self.messages: set[str] = set()
        self.events: Counter[str] = Counter()
        """Recipients by kind of event."""
        self._held: frozenset[str] = frozenset()
        self._recent: deque[tuple[float, int]] = deque()

    @property
    def recipients(self) -> int:
        """Return how many recipients there are or were."""
        return len(self.slots)

    @property
    def settled(self) -> int:
        """Return how many need nothing more."""
        final = (Fate.DELIVERED, Fate.FAILED, Fate.CANCELLED)
        return sum(self.totals[fate] for fate in final)

    def expect(self, queue_id: str, addresses: Iterable[str]) -> None:
        """Enter the recipients of a message that was handed in."""
        for number, address in enumerate(addresses, 1):
            self._slot(queue_id, number, address)

    def apply(self, record: Record) -> None:
        """Enter one event."""
        if record.queue_id:
            self.messages.add(record.queue_id)
        self.events[record.event] += len(record.recipients) or 1
        fate = _FATES.get(Kind(record.event)) if record.event in _KINDS else None
        if fate is None:
            return
        for number, address in record.recipients:
            slot = self._slot(record.queue_id, number, address)
            slot.doubted |= fate is Fate.DOUBT
            self._move(slot, fate)
        if fate is Fate.DELIVERED:
            self._recent.append((record.time, len(record.recipients)))

    def hold(self, queue_ids: Iterable[str]) -> None:
        """Take note of which messages are held just now."""
        held = frozenset(queue_ids)
        changed = held ^ self._held
        self._held = held
        if not changed:
            return
        for (queue_id, _), slot in self.slots.items():
            if queue_id in changed and slot.fate in (Fate.WAITING, Fate.HELD):
                self._move(slot, Fate.HELD if queue_id in held else Fate.WAITING)

    def rate(self, now: float) -> float:
        """Return the deliveries a second, lately."""
        while self._recent and self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        return sum(count for _, count in self._recent) / _WINDOW

    def _slot(self, queue_id: str, number: int, address: str) -> Slot:
        slot = self.slots.get((queue_id, number))
        if slot is None:
            slot = self.slots[queue_id, number] = Slot(address)
            self.messages.add(queue_id)
            self.totals[slot.fate] += 1
            self._domain(slot)[slot.fate] += 1
        return slot

    def _domain(self, slot: Slot) -> Counter[Fate]:
        return self.domains.setdefault(slot.domain, Counter())

    def _move(self, slot: Slot, fate: Fate) -> None:
        for sums in (self.totals, self._domain(slot)):
            sums[slot.fate] -= 1
            sums[fate] += 1
        slot.fate = fate


_KINDS = frozenset(Kind)


class Tail:
    """Reads what is new in a journal, event by event."""

    def __init__(self, journal: Path) -> None:
        """Begin at the beginning of *journal*, which need not exist yet."""
        self._follower = Follower(journal, {})

    def read(self) -> Iterator[Record]:
        """Yield the events since the last call."""
        for block in self._follower.blocks():
            yield from filter(None, map(parse, block.splitlines()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """The runner's books compared with what the server took."""

    lost: int = 0
    """Recipients said to be delivered that the server never took."""
    twice: int = 0
    """Recipients that got more than one copy."""
    unnamed: int = 0
    """Those among them that the journal had not called in doubt."""


def compare(
    ledger: Ledger, copies: Counter[tuple[str, str]], message_ids: dict[str, str]
) -> Truth:
    """Compare the books with *copies* by Message-ID and address.

    *message_ids* are those of the messages to be looked at, by queue id.
    """
    lost = twice = unnamed = 0
    for (queue_id, _), slot in ledger.slots.items():
        if queue_id not in message_ids:
            continue
        count = copies[message_ids[queue_id], slot.address]
        lost += slot.fate is Fate.DELIVERED and count == 0
        twice += count > 1
        unnamed += count > 1 and not slot.doubted
    return Truth(lost=lost, twice=twice, unnamed=unnamed)
