"""From a destination to the servers that an attempt tries, in order."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tuiq.config.routes import Means
from tuiq.delivery.here import Here
from tuiq.delivery.mx import DnsTrouble, MxFinder, Targets, Unreachable
from tuiq.delivery.transport import NextHop
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.config.routes import Member, Via
    from tuiq.delivery.resolver import Resolver
    from tuiq.delivery.route import DestinationKey


class Locator:
    """Finds the servers of destinations; asks the DNS only where a route says mx."""

    def __init__(
        self, config: Config, clock: Clock, *, chance: random.Random | None = None
    ) -> None:
        """Go by *config*; make a new one when it changes."""
        self._config = config
        self._clock = clock
        self._chance = chance or random.SystemRandom()
        self._resolver: Resolver | None = None
        self._finder: MxFinder | None = None

    async def locate(self, key: DestinationKey) -> tuple[NextHop, ...] | Unreachable:
        """Return the servers to try one after the other; never empty.

        *key* must be one that ``leaves``.  Equals and pools are shuffled anew at
        each call.

        Raises: NoDescriptors
        """
        via = key.via
        match via.means:
            case Means.SMARTHOST:
                return (NextHop(host=via.host, port=via.port),)
            case Means.LMTP:
                return (_lmtp(via),)
            case Means.POOL:
                return tuple(self._pool(via.text))
            case Means.MX:
                return await self._mx(key)
        raise ValueError(f"{key.name}: mail there does not leave")

    async def close(self) -> None:
        """Give up open questions to the DNS."""
        if self._resolver is not None:
            await self._resolver.close()

    def _pool(self, name: str) -> Iterator[NextHop]:
        """Yield the pool's members by chance and weight, backups last."""
        pool = next(pool for pool in self._config.delivery.pools if pool.name == name)
        for backup in (False, True):
            members = [member for member in pool.members if member.backup is backup]
            for member in drawn(members, self._chance):
                yield NextHop(host=member.host, port=member.port)

    async def _mx(self, key: DestinationKey) -> tuple[NextHop, ...] | Unreachable:
        try:
            finder = self._made()
        except DnsTrouble as error:
            text = str(error).encode("utf-8", "backslashreplace")
            return Unreachable(reply=Reply(code=451, enhanced=b"4.4.3", text=text))
        found = await finder.find(key.domain)
        return found.next_hops(key.via.port) if isinstance(found, Targets) else found

    def _made(self) -> MxFinder:
        """Return the finder, made when it is first needed; raises DnsTrouble."""
        if self._finder is None:
            from tuiq.delivery.resolver import Resolver  # dnspython takes its time

            delivery = self._config.delivery
            self._resolver = Resolver(
                delivery.nameservers, timeout=delivery.dns_timeout, clock=self._clock
            )
            names = [self._config.submission.hostname]
            here = Here(names, welcome=delivery.mx_to_self)
            self._finder = MxFinder(self._resolver, here, chance=self._chance)
        return self._finder


def drawn(members: Iterable[Member], chance: random.Random) -> list[Member]:
    """Return *members* in random order, the heavy ones sooner.

    Each place is drawn among those left in proportion to weight (Efraimidis and
    Spirakis: sort by -log(u)/w).
    """
    return sorted(members, key=lambda member: chance.expovariate(member.weight))


def _lmtp(via: Via) -> NextHop:
    if via.host:
        return NextHop(host=via.host, port=via.port, lmtp=True)
    return NextHop(host="localhost", path=via.text, lmtp=True)
