"""Which servers take mail for a domain (RFC 5321 §5.1), and in which order.

Decides over what a ``Dns`` answers; asks nothing itself.  ``tuiq.delivery.resolver``
is the ``Dns`` that asks, ``tuiq.delivery.here`` knows which addresses are our own.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
from dataclasses import dataclass, replace
from enum import Enum
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Protocol

from tuiq.config.kinds import is_domain
from tuiq.delivery.transport import NextHop
from tuiq.errors import DeliveryError
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_ADDRESSES = 5
"""Addresses tried in one attempt."""
MAX_SESSIONS = 2
"""Servers that greeted us and were then given up, in one attempt."""
_MAX_HOSTS = 20
"""MX records that are looked at: a domain cannot make us ask without end."""


class NoSuchName(DeliveryError):
    """The DNS says for certain that there is no such name."""


class DnsTrouble(DeliveryError):
    """The DNS gave no answer; it may later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanger:
    """One MX record."""

    preference: int
    name: str
    """In lower case without a dot at the end; empty: the root (RFC 7505)."""


class Dns(Protocol):
    """What is asked of the DNS; answers come in no particular order.

    An empty answer: the name exists without such records.

    Raises: NoSuchName, DnsTrouble, NoDescriptors
    """

    async def mx(self, name: str) -> Sequence[Exchanger]:
        """Return the MX records of *name*, A-labels without a dot at the end."""
        ...

    async def addresses(self, name: str) -> Sequence[str]:
        """Return the IPv4 and IPv6 addresses of *name*."""
        ...


class Standing(Enum):
    """What an address is to this machine."""

    FAR = "far"
    OWN = "own"
    """Loopback, or an address of one of our interfaces."""
    UNROUTED = "unrouted"
    """We have no route to it: as IPv6 where there is none."""
    BOGUS = "bogus"
    """No address of a host: unspecified, multicast, broadcast."""


class Surroundings(Protocol):
    """What a machine knows about itself."""

    def is_own_name(self, name: str) -> bool:
        """Say whether *name* is this machine's."""
        ...

    def standing(self, address: str) -> Standing:
        """Return what *address* is to this machine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MxHost:
    """A server for a domain."""

    name: str
    preference: int
    addresses: tuple[str, ...]
    """In the order in which they are tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The servers for a domain, in the order in which they are tried."""

    hosts: tuple[MxHost, ...]
    """With at most ``MAX_ADDRESSES`` addresses in all; never empty."""

    def next_hops(self, port: int = 25) -> tuple[NextHop, ...]:
        """Return one next hop for each address."""
        return tuple(
            NextHop(host=host.name, port=port, address=address)
            for host in self.hosts
            for address in host.addresses
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """There is no server for a domain."""

    reply: Reply
    """5xx: there is none; 4xx: it cannot be known just now."""

    @property
    def permanent(self) -> bool:
        """Whether asking again is pointless."""
        return self.reply.is_permanent


class Policy(Protocol):
    """Takes part in the choice of servers: the place for MTA-STS and DANE."""

    async def apply(self, domain: str, targets: Targets) -> Targets | Unreachable:
        """Return the *targets* that mail for *domain* may go to."""
        ...


def _unreachable(code: int, status: bytes, text: str) -> Unreachable:
    said = text.encode("utf-8", "backslashreplace")
    return Unreachable(reply=Reply(code=code, enhanced=status, text=said))


class MxFinder:
    """Finds the servers of domains."""

    def __init__(
        self,
        dns: Dns,
        here: Surroundings,
        *,
        policies: Sequence[Policy] = (),
        chance: random.Random | None = None,
    ) -> None:
        """Ask *dns*; *here* tells what is our own; *chance* shuffles equals."""
        self._dns = dns
        self._here = here
        self._policies = policies
        self._chance = chance or random.SystemRandom()

    async def find(self, domain: str) -> Targets | Unreachable:
        """Return the servers for *domain*: A-labels, or an address literal.

        Raises: NoDescriptors
        """
        found = await self._find(domain)
        for policy in self._policies:
            if isinstance(found, Targets):
                found = await policy.apply(domain, found)
        return found

    async def _find(self, domain: str) -> Targets | Unreachable:
        if domain.startswith("["):
            return self._literal(domain)
        if not is_domain(domain):
            return _unreachable(550, b"5.1.2", f"{domain}: not a domain name")
        try:
            exchangers = await self._dns.mx(domain)
        except NoSuchName:
            return _unreachable(550, b"5.1.2", f"{domain}: no such domain")
        except DnsTrouble as error:
            return _unreachable(451, b"4.4.3", f"MX of {error}")
        usable = _usable(domain, exchangers)
        if isinstance(usable, Unreachable):
            return usable
        return await self._look_up(domain, self._sorted(usable))

    def _literal(self, domain: str) -> Targets | Unreachable:
        """Take the address out of ``[192.0.2.1]`` or ``[IPv6:2001:db8::1]``."""
        text = domain[1:-1] if domain.endswith("]") else ""
        tagged = text.lower().startswith("ipv6:")
        try:
            kind = ipaddress.IPv6Address if tagged else ipaddress.IPv4Address
            address = str(kind(text[5:] if tagged else text))
        except ValueError:
            return _unreachable(550, b"5.1.3", f"{domain}: not an address literal")
        host = MxHost(name=domain, preference=0, addresses=(address,))
        return self._choose(domain, [host], [])

    def _sorted(self, exchangers: Sequence[Exchanger]) -> list[Exchanger]:
        """Return those before ourselves, best first, equals in random order."""
        own = [e.preference for e in exchangers if self._here.is_own_name(e.name)]
        before = [e for e in exchangers if not own or e.preference < min(own)]
        self._chance.shuffle(before)
        return sorted(before, key=lambda e: e.preference)[:_MAX_HOSTS]

    async def _look_up(
        self, domain: str, exchangers: Sequence[Exchanger]
    ) -> Targets | Unreachable:
        answers = await asyncio.gather(
            *(self._addresses(exchanger.name) for exchanger in exchangers)
        )
        hosts: list[MxHost] = []
        troubles: list[DnsTrouble] = []
        for exchanger, answer in zip(exchangers, answers, strict=True):
            if isinstance(answer, DnsTrouble):
                troubles.append(answer)
            else:
                hosts.append(
                    MxHost(
                        name=exchanger.name,
                        preference=exchanger.preference,
                        addresses=tuple(answer),
                    )
                )
        return self._choose(domain, hosts, troubles)

    async def _addresses(self, name: str) -> Sequence[str] | DnsTrouble:
        try:
            return await self._dns.addresses(name)
        except NoSuchName:
            return ()
        except DnsTrouble as error:
            return error

    def _choose(
        self, domain: str, hosts: Sequence[MxHost], troubles: Sequence[DnsTrouble]
    ) -> Targets | Unreachable:
        """Leave out our own addresses, and what comes after them; put into order."""
        standings = {a: self._here.standing(a) for h in hosts for a in h.addresses}
        own = [
            host.preference
            for host in hosts
            if any(standings[a] is Standing.OWN for a in host.addresses)
        ]
        far = [
            replace(host, addresses=self._ordered(host.addresses, standings))
            for host in hosts
            if not own or host.preference < min(own)
        ]
        left = _trimmed(_routed_first(far, standings))
        if left:
            return Targets(hosts=left)
        if troubles:
            return _unreachable(451, b"4.4.3", f"{domain}: {troubles[0]}")
        if own or not hosts:
            text = f"{domain}: mail for it loops back to this machine"
            return _unreachable(554, b"5.4.6", text)
        names = ", ".join(host.name for host in hosts)
        return _unreachable(550, b"5.4.4", f"{domain}: no address of {names}")

    def _ordered(
        self, addresses: Iterable[str], standings: dict[str, Standing]
    ) -> tuple[str, ...]:
        """Return the addresses of hosts, the families taking turns."""
        families: list[list[str]] = [[], []]
        for address in addresses:
            if standings[address] is not Standing.BOGUS:
                families[":" in address].append(address)
        for family in families:
            self._chance.shuffle(family)
        self._chance.shuffle(families)
        turns = chain.from_iterable(zip_longest(*families))
        return tuple(address for address in turns if address is not None)


def _usable(
    domain: str, exchangers: Sequence[Exchanger]
) -> Sequence[Exchanger] | Unreachable:
    """Return the MX records that may be followed, the implicit one where is none."""
    if [exchanger.name for exchanger in exchangers] == [""]:
        text = f"{domain}: takes no mail (its MX record says so)"
        return _unreachable(556, b"5.1.10", text)
    implicit = [Exchanger(preference=0, name=domain)]
    usable = [e for e in exchangers or implicit if _may_be_host(e.name)]
    text = f"{domain}: its MX records name no host"
    return usable or _unreachable(550, b"5.4.4", text)


def _may_be_host(name: str) -> bool:
    """Say whether an MX record may name this: not the root, nor an address."""
    if not name or name == "localhost" or name.endswith(".localhost"):
        return False
    if name.rpartition(".")[2].isdecimal():
        return False  # 192.0.2.1; no top-level domain is a number
    return is_domain(name)


def _routed_first(
    hosts: Sequence[MxHost], standings: dict[str, Standing]
) -> list[MxHost]:
    """Drop addresses that we have no route to, unless there are no others."""
    routed = [
        replace(
            host,
            addresses=tuple(a for a in host.addresses if standings[a] is Standing.FAR),
        )
        for host in hosts
    ]
    has_any = any(host.addresses for host in routed)
    return [host for host in (routed if has_any else hosts) if host.addresses]


def _trimmed(hosts: Sequence[MxHost]) -> tuple[MxHost, ...]:
    """Leave ``MAX_ADDRESSES``: of each host as many as let the others have one."""
    kept = list(hosts[:MAX_ADDRESSES])
    spare = MAX_ADDRESSES - len(kept)
    trimmed = []
    for host in kept:
        count = min(len(host.addresses), 1 + spare)
        spare -= count - 1
        trimmed.append(replace(host, addresses=host.addresses[:count]))
    return tuple(trimmed)
