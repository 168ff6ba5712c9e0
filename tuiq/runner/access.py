"""A runner's dealings with the governor: asking, being granted, telling."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from tuiq.runner.leases import (
    Answered,
    Ask,
    AskTurn,
    Ended,
    Failed,
    Grant,
    Recall,
    Turn,
)
from tuiq.runner.limits import means_overload
from tuiq.runner.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.clock import Clock
    from tuiq.mail.reply import Reply
    from tuiq.runner.governor import Governor
    from tuiq.runner.leases import Leases, Said, Told
    from tuiq.runner.work import Destination
    from tuiq.spool.status import DestinationStatus

GATHER = 0.02
"""Seconds for which good news about destinations may wait for more."""


class Host(Protocol):
    """What is done about the governor's word."""

    def granted(self, destination: Destination) -> bool:
        """Connect; False when nothing wants the connection any more."""
        ...

    def wake(self) -> None:
        """Look at the destinations: what is known of one has changed."""
        ...

    def found_dead(self, destination: Destination, reply: Reply) -> None:
        """Defer what waits for a destination that cannot be used."""
        ...


class OwnGovernor:
    """The governor in the same process: the leases of a runner without workers."""

    def __init__(self, governor: Governor, clock: Clock) -> None:
        """Ask *governor*."""
        self._governor = governor
        self._clock = clock
        self._hear: Callable[[Told], None] | None = None

    def connect(self, hear: Callable[[Told], None]) -> None:
        """Give everything that is told to *hear*."""
        self._hear = hear

    def say(self, said: Said) -> None:
        """Tell the governor, and hear its answer."""
        self._tell(self._governor.hear(0, said, self._clock.now()))

    def try_again(self) -> None:
        """Ask for every destination to be tried."""
        self._tell(self._governor.try_again(self._clock.now()))

    def next_time(self) -> float:
        """Return when ``poll`` would bring something."""
        return self._governor.next_time()

    def poll(self) -> None:
        """Hear what has become possible by the clock."""
        self._tell(self._governor.poll(self._clock.now()))

    def statuses(self) -> tuple[DestinationStatus, ...]:
        """Return what is known of the destinations' limits."""
        return self._governor.statuses(self._clock.now())

    def _tell(self, letters: list[tuple[int, Told]]) -> None:
        assert self._hear is not None
        for _, told in letters:
            self._hear(told)


class Access:
    """Leave to connect to destinations; owned by the runner's event loop."""

    def __init__(self, leases: Leases, host: Host) -> None:
        """Deal through *leases*, for *host*."""
        self._leases = leases
        self._host = host
        self._known: Memory[str, Destination] = Memory()
        self._settled: dict[str, int] = {}
        """Transactions that went well and were not told of yet, by destination."""
        leases.connect(self.hear)

    def ask(self, destination: Destination, *, room: int) -> None:
        """Ask for as many connections as would find something to do, *room* at most."""
        wanted = destination.wanted(room=room)
        has_news = destination.told_terms is not destination.terms
        if wanted != destination.asked or (has_news and self._is_known(destination)):
            self._ask(destination, wanted)

    def _is_known(self, destination: Destination) -> bool:
        return self._known.get(destination.ident) is destination

    def tell_waiting(self) -> None:
        """Tell how much mail waits, where that has changed; a few times a second."""
        for destination in list(self._known.values()):
            if len(destination.queue) != destination.told_waiting:
                self._ask(destination, destination.asked)

    def _ask(self, destination: Destination, wanted: int) -> None:
        is_first = not self._is_known(destination)
        if is_first:
            self._known.make_room(lambda known: known.is_forgettable)
            self._known[destination.ident] = destination
        destination.told_terms = destination.terms
        destination.asked = wanted
        destination.told_waiting = len(destination.queue)
        self._say(
            Ask(
                ident=destination.ident,
                terms=destination.terms,
                wanted=wanted,
                waiting=len(destination.queue),
                is_first=is_first,
            )
        )

    def has_turn(self, destination: Destination) -> bool:
        """Say whether a transaction may begin; if not, ask to be told when."""
        if not destination.is_paced or destination.turns:
            return True
        if not destination.turn_asked:
            destination.turn_asked = True
            self._say(AskTurn(ident=destination.ident))
        return bool(destination.turns)

    def take_turn(self, destination: Destination) -> None:
        """Take note that a transaction begins."""
        if destination.turns:
            destination.turns -= 1

    def ended(self, destination: Destination) -> None:
        """Give a lease back: its connection has gone."""
        self._say(Ended(ident=destination.ident))

    def failed(
        self,
        destination: Destination,
        reply: Reply,
        *,
        lost: bool = False,
        served: bool = False,
    ) -> None:
        """Tell that a connection, not yet given back, failed; see ``Failed``."""
        self._say(
            Failed(ident=destination.ident, reply=reply, lost=lost, served=served)
        )

    def answered(self, destination: Destination, put_off: Reply | None) -> None:
        """Tell that a transaction was answered; *put_off*: come back later, all.

        What is not about the server is gathered for a moment.
        """
        ident = destination.ident
        if put_off is not None and means_overload(put_off):
            self._say(Answered(ident=ident, settled=0, put_off=1, reply=put_off))
            return
        if not self._settled:
            asyncio.get_running_loop().call_later(GATHER, self._tell_settled)
        self._settled[ident] = self._settled.get(ident, 0) + 1

    def _tell_settled(self) -> None:
        settled, self._settled = self._settled, {}
        for ident, count in settled.items():
            said = Answered(ident=ident, settled=count, put_off=0, reply=None)
            self._leases.say(said)

    def _say(self, said: Said) -> None:
        """Tell the governor, after what was gathered."""
        self._tell_settled()
        self._leases.say(said)

    def hear(self, told: Told) -> None:
        """Do what the governor says."""
        destination = self._known.get(told.ident)
        if destination is None:
            if isinstance(told, Grant):
                self._say(Ended(ident=told.ident))
            return
        if isinstance(told, Grant):
            destination.asked = max(0, destination.asked - 1)
            if not self._host.granted(destination):
                self.ended(destination)
        elif isinstance(told, Turn):
            destination.turn_asked = False
            destination.turns += 1
            destination.changed.set()
        elif isinstance(told, Recall):
            destination.leased.recall()
            destination.changed.set()
        else:
            destination.hear(told)
            if told.is_news and told.failure is not None:
                self._host.found_dead(destination, told.failure)
            self._host.wake()
