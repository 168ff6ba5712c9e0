"""The ways out: which destinations a message queues for, and all of them together."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from tuiq.delivery.locate import Locator
from tuiq.delivery.route import RouteTable, settings_for
from tuiq.runner.crowds import Crowds
from tuiq.runner.leases import Terms
from tuiq.runner.memory import Memory
from tuiq.runner.work import Destination, Unit
from tuiq.spool.flags import UNDECIDED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuiq.config import Config, DeliveryConfig
    from tuiq.delivery.route import DestinationKey
    from tuiq.mail.envelope import Recipient
    from tuiq.mail.reply import Reply
    from tuiq.runner.work import Work
    from tuiq.spool.claim import Claim
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.passes import Pass
    from tuiq.spool.spool import Spool


class Way(Enum):
    """Where a message goes from the feeder."""

    QUEUED = "queued"
    """It waits for at least one destination."""
    VISIT = "visit"
    """A claim settles what can be done now: refusals, or a pause to wait for."""
    CROWDED = "crowded"
    """All its destinations have enough to do: it waits outside."""
    HELD = "held"
    """No route takes it; nothing is done."""


def way_out_problem(config: Config) -> str:
    """Say why nothing can be delivered at all, else empty."""
    if config.delivery.smarthost or config.delivery.routes:
        return ""
    return "nothing can be delivered: no way out is set; set smarthost in [delivery]"


class Routes:
    """The destinations that mail was queued for; owned by the event loop."""

    def __init__(self, spool: Spool, *, one_connection: bool) -> None:
        """Route by the settings of *spool*; *one_connection* beats its limits."""
        self._spool = spool
        self._one_connection = one_connection
        self._destinations: Memory[DestinationKey, Destination] = Memory()
        self._read_table()
        self.crowds = Crowds()
        self._retired: list[Locator] = []
        self.locator = Locator(spool.config, spool.clock)

    def _read_table(self) -> None:
        delivery = self._spool.config.delivery
        self._table = RouteTable(delivery)
        # Without routes every recipient goes one way, and none has to be looked at.
        single = delivery.smarthost and not delivery.routes
        self._only = only = self._table.key(b"", b"") if single else None
        self._name_of: Callable[[Recipient], str] | None = (
            None if only is None else lambda _recipient: only.name
        )

    def __iter__(self) -> Iterator[Destination]:
        """Yield every destination."""
        yield from list(self._destinations.values())

    @property
    def problem(self) -> str:
        """Say why nothing can be delivered at all, else empty."""
        return way_out_problem(self._spool.config)

    def settings(self, destination: Destination) -> DeliveryConfig:
        """Return the settings of connections to *destination*."""
        return settings_for(self._spool.config.delivery, destination.key)

    def relay_of(self, claim: Claim) -> Callable[[Recipient], str]:
        """Return what tells the destination's name of a recipient."""
        if self._name_of is not None:
            return self._name_of
        table, sender = self._table, claim.sender
        return lambda recipient: table.key(sender, recipient.domain).name

    # -- dealing out -----------------------------------------------------------

    def queue(self, work: Work, entry: QueueEntry) -> Way:
        """Queue an unopened message wherever its recipients lead.

        Not where enough waits already, if others could be kept out by it.
        """
        way, ways = Way.HELD, list[Destination]()
        pauses = self._spool.pauses.current()
        for key in self._keys(entry):
            if key.refusal is not None or pauses.destination(key.name) is not None:
                way = Way.VISIT
            elif key.leaves:
                ways.append(self._destination(key))
        free = self._free(work, ways)
        if ways and not free:
            self.crowds.put(ways, work, entry.index_time)
            return Way.CROWDED
        for destination in free:
            work.share(destination).put()
        return Way.QUEUED if work.units else way

    def only_way(self) -> Destination | None:
        """Return where all mail goes just now, None where that is not so simple.

        Recipients need not be looked at where there is one way and no pause.
        """
        only = self._only
        if only is None or not only.leaves or self._spool.pauses.current().by_file:
            return None
        return self._destination(only)

    def _free(self, work: Work, ways: list[Destination]) -> list[Destination]:
        """Return those destinations where *work* may queue."""
        if self._only is not None:
            return ways
        return [d for d in ways if not self.crowds.is_crowded(d, work)]

    def waiting_outside(
        self, has_place: Callable[[], bool]
    ) -> Iterator[tuple[QueueDirectory, str]]:
        """Yield messages that there is room for, to be queued one by one."""
        yield from self.crowds.take(self._destination, has_place)

    def _keys(self, entry: QueueEntry) -> Iterable[DestinationKey]:
        """Return where recipients go that are not settled."""
        if self._only is not None:
            return (self._only,)
        recipients = entry.envelope().recipients
        pairs = zip(recipients, entry.states, strict=True)
        todo = [recipient for recipient, state in pairs if state in UNDECIDED]
        return self._table.group(entry.sender, todo)

    def deal(
        self, work: Work, visit: Pass, *, in_hand: Unit | None
    ) -> list[tuple[Sequence[int], Reply]]:
        """Share the due recipients of an opened message out to its destinations.

        Each unit queues but the one *in_hand*, whose connection opened the message.
        Returns the recipients that a route refuses, with the reply.
        """
        if in_hand is not None and in_hand.destination.key is self._only:
            in_hand.pending = deque(visit.due)  # all goes one way
            return []
        refused = []
        ways: dict[Destination, Sequence[int]] = {}
        for unit in work.units.values():
            unit.pending.clear()
        for key, indexes in self._shares(visit):
            if key.refusal is not None:
                refused.append((indexes, key.refusal))
            elif key.leaves:
                ways[self._destination(key)] = indexes
        for destination in self._worth_queueing(work, list(ways)):
            unit = work.share(destination)
            unit.pending.extend(ways[destination])
            if unit is not in_hand:
                unit.put()
        return refused

    def _worth_queueing(self, work: Work, ways: list[Destination]) -> list[Destination]:
        """Leave crowded destinations for another pass, unless that would be all."""
        new = [destination for destination in ways if destination not in work.units]
        if not new:
            return ways
        crowded = set(new).difference(self._free(work, new))
        chosen = [destination for destination in ways if destination not in crowded]
        work.again |= 0 < len(chosen) < len(ways)
        return chosen or ways

    def _shares(self, visit: Pass) -> Iterable[tuple[DestinationKey, Sequence[int]]]:
        """Return the due recipients of a pass by destination."""
        if self._only is not None:
            return ((self._only, visit.due),)
        recipients = visit.claim.recipients(visit.due)
        groups = self._table.group(visit.sender, recipients)
        return ((key, [visit.due[p] for p in places]) for key, places in groups.items())

    def _destination(self, key: DestinationKey) -> Destination:
        destination = self._destinations.get(key)
        if destination is None:
            destination = Destination(key, terms=self._terms(key), batch=1)
            self._destinations[key] = destination
            self._apply(destination)
        return destination

    def make_room(self) -> None:
        """Forget destinations that nothing waits for, before there are too many.

        Not while one is found for a message: its mail would wait where nobody looks.
        """
        self._destinations.make_room(lambda known: known.is_forgettable)

    def _apply(self, destination: Destination) -> None:
        destination.terms = self._terms(destination.key)
        destination.batch = self.settings(destination).recipients_per_transaction

    def _terms(self, key: DestinationKey) -> Terms:
        settings = settings_for(self._spool.config.delivery, key)
        return Terms(
            name=key.name,
            start=1 if self._one_connection else settings.initial_concurrency,
            ceiling=1 if self._one_connection else settings.concurrency,
            rate=key.options.rate,
            rest=settings.retry_destination,
        )

    # -- changes ---------------------------------------------------------------

    def reconfigure(self) -> list[Work]:
        """Take over new settings; return the messages that have to queue anew."""
        config = self._spool.config
        self._read_table()
        self._retired.append(self.locator)
        self.locator = Locator(config, self._spool.clock)
        moved: dict[int, Work] = {}
        for destination in self:
            self._apply(destination)
            for work in destination.withdraw():
                moved[id(work)] = work
        for work in moved.values():
            work.units.clear()
        return list(moved.values())

    async def close(self) -> None:
        """Give up open questions to the DNS."""
        for locator in (*self._retired, self.locator):
            await locator.close()

    def wake(self) -> None:
        """Let idle connections look for something to do."""
        for destination in self:
            destination.changed.set()
