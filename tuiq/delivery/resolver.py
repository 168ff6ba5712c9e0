"""Questions to the DNS by dnspython, each asked once at a time and remembered.

The only module that knows dnspython.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.resolver

from tuiq.config import split_host_port
from tuiq.delivery.dial import check_descriptors
from tuiq.delivery.mx import DnsTrouble, Exchanger, NoSuchName
from tuiq.delivery.transport import NoDescriptors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.clock import Clock

MAX_KEPT = 10_000
"""Answers remembered; the one unused for longest goes first."""
SHORTEST = 30.0
"""Seconds that an answer is good for at least, whatever its TTL."""
LONGEST = 86_400.0
LONGEST_NEGATIVE = 900.0
"""Seconds for *no such name* and *no such record* (RFC 2308)."""
TROUBLE = 15.0
"""Seconds for no answer: a queue full of mail must not ask for each message."""
_UDP_PAYLOAD = 1232


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What became of a question."""

    records: tuple[str, ...] = ()
    """In presentation form."""
    error: NoSuchName | DnsTrouble | NoDescriptors | None = None
    ttl: float = 0.0
    """Seconds for which it is good."""

    def value(self) -> tuple[str, ...]:
        """Return the records, or raise the error, anew each time."""
        if self.error is not None:
            raise type(self.error)(str(self.error))
        return self.records


class Resolver:
    """A ``Dns`` that asks name servers; belongs to one event loop."""

    def __init__(
        self, nameservers: Sequence[str] = (), *, timeout: float, clock: Clock
    ) -> None:
        """Ask *nameservers* (``address:port``), else those of /etc/resolv.conf.

        A question is given up after *timeout* seconds.

        Raises: DnsTrouble when there is no name server to ask
        """
        try:
            self._dns = dns.asyncresolver.Resolver(configure=not nameservers)
        except dns.exception.DNSException as error:
            raise DnsTrouble(f"{error}; set delivery.nameservers") from error
        if nameservers:
            places = map(split_host_port, nameservers)
            self._dns.nameservers = [
                dns.nameserver.Do53Nameserver(host, port) for host, port in places
            ]
        self._dns.use_edns(0, 0, _UDP_PAYLOAD)
        self._timeout = timeout
        self._clock = clock
        # By name and type; boot time until which each is good.
        self._kept: OrderedDict[tuple[str, str], tuple[float, _Kept]] = OrderedDict()
        self._asking: dict[tuple[str, str], asyncio.Task[_Kept]] = {}

    async def mx(self, name: str) -> tuple[Exchanger, ...]:
        """Return the MX records of *name*."""
        pairs = [text.split(" ", 1) for text in await self._ask(name, "MX")]
        return tuple(
            Exchanger(preference=int(preference), name=host.lower().removesuffix("."))
            for preference, host in pairs
        )

    async def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of *name*; one family's trouble is not the other's."""
        asked = [self._ask(name, kind) for kind in ("A", "AAAA")]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        errors: list[BaseException] = []
        found: list[str] = []
        for answer in answers:
            if isinstance(answer, BaseException):
                errors.append(answer)
            else:
                found += answer
        grave = [error for error in errors if not isinstance(error, NoSuchName)]
        if not found and grave:
            raise grave[0]
        if not found and len(errors) == len(answers):
            raise errors[0]
        return tuple(found)

    async def close(self) -> None:
        """Give up all questions that are open."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, name: str, kind: str) -> tuple[str, ...]:
        question = (name, kind)
        until, kept = self._kept.get(question, (0.0, None))
        if kept is not None and until > self._clock.boottime():
            self._kept.move_to_end(question)
            return kept.value()
        task = self._asking.get(question)
        if task is None:
            task = asyncio.create_task(self._answer(question), name=f"dns {name}")
            self._asking[question] = task
            task.add_done_callback(lambda _: self._asking.pop(question, None))
        # One who stops waiting does not stop the others' question.
        return (await asyncio.shield(task)).value()

    async def _answer(self, question: tuple[str, str]) -> _Kept:
        """Ask, and remember what came of it."""
        kept = await self._query(*question)
        if kept.ttl:
            self._kept[question] = (self._clock.boottime() + kept.ttl, kept)
            self._kept.move_to_end(question)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return kept

    async def _query(self, name: str, kind: str) -> _Kept:
        try:
            answer = await self._dns.resolve(
                dns.name.from_text(name),
                kind,
                raise_on_no_answer=False,
                lifetime=self._timeout,
                search=False,
            )
        except dns.resolver.NXDOMAIN as error:
            return _Kept(error=NoSuchName(f"{name}: no such name"), ttl=_absent(error))
        except (dns.name.LabelTooLong, dns.name.NameTooLong, dns.name.EmptyLabel):
            return _Kept(error=NoSuchName(f"{name}: not a name"), ttl=SHORTEST)
        except (dns.exception.DNSException, OSError) as error:
            return _trouble(name, error)
        ttl = float(answer.chaining_result.minimum_ttl)
        if answer.rrset is None:
            return _Kept(ttl=_within(ttl, LONGEST_NEGATIVE))
        return _Kept(
            records=tuple(record.to_text() for record in answer.rrset),
            ttl=_within(ttl, LONGEST),
        )


def _within(ttl: float, longest: float) -> float:
    return min(max(ttl, SHORTEST), longest)


def _absent(error: dns.resolver.NXDOMAIN) -> float:
    """Return how long *no such name* is good for."""
    ttl = 0.0
    with contextlib.suppress(dns.exception.DNSException):
        for response in error.kwargs["responses"].values():
            ttl = float(response.resolve_chaining().minimum_ttl)
    return _within(ttl, LONGEST_NEGATIVE)


def _trouble(name: str, error: Exception) -> _Kept:
    """Return that there was no answer; no descriptors count as just that."""
    try:
        check_descriptors()
    except NoDescriptors as lack:
        return _Kept(error=lack)
    if isinstance(error, dns.resolver.LifetimeTimeout):
        why = "no name server answered in time"
    elif isinstance(error, dns.resolver.NoNameservers):
        why = "no name server could answer"
    else:
        why = str(error) or type(error).__name__
    return _Kept(error=DnsTrouble(f"{name}: {why}"), ttl=TROUBLE)
