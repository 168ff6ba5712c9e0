"""What the delivery tests share: a transaction that remembers, and short settings."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tuiq.config import DeliveryConfig
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import NextHop
from tuiq.mail.envelope import Envelope, Recipient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from tuiq.delivery.transport import Delivered
    from tuiq.demo.server import ScriptedServer
    from tuiq.mail.outcome import Outcome, Verdict

BODY = b"Subject: hello\r\nMessage-ID: <1@tuiq.invalid>\r\n\r\nHello\r\n"


@dataclass
class Batch:
    """A transaction that checks the contract of delivery.transport while it runs."""

    envelope: Envelope
    pieces: Sequence[bytes] = (BODY,)
    on_dot: Callable[[], Awaitable[None]] | None = None
    """Awaited in ``dot``."""
    wanted: Callable[[int], bool] = lambda _: True
    begun: int = 0
    dotted: list[int] | None = None
    """The slots of ``dot``; None: it was never called."""
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    settlements: list[list[int]] = field(default_factory=list)
    """The slots of each call of ``settle``."""

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def eight_bit(self) -> bool:
        return not b"".join(self.pieces).isascii()

    def begin(self) -> list[tuple[int, Recipient]]:
        self.begun += 1
        assert self.begun == 1, "begin was called twice"
        slots = enumerate(self.envelope.recipients)
        return [(slot, to) for slot, to in slots if self.wanted(slot)]

    def data(self) -> Iterator[bytes]:
        yield from self.pieces

    async def dot(self, accepted: Sequence[int]) -> None:
        assert accepted, "dot was called for nobody"
        assert self.dotted is None, "dot was called twice"
        assert not set(accepted) & set(self.outcomes), "dot for a settled slot"
        self.dotted = list(accepted)
        if self.on_dot is not None:
            await self.on_dot()

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        assert self.begun == 1
        for outcome in outcomes:
            assert outcome.index not in self.outcomes, "settled twice"
            self.outcomes[outcome.index] = outcome
        self.settlements.append([outcome.index for outcome in outcomes])

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdicts by slot; fails when a slot was left open."""
        slots = [s for s in range(len(self.envelope.recipients)) if self.wanted(s)]
        assert sorted(self.outcomes) == slots, "a slot was not settled"
        return [self.outcomes[slot].verdict for slot in slots]

    def said(self, slot: int) -> bytes:
        """Return the words for *slot*: code, status, text."""
        return bytes(self.outcomes[slot].reply)


def batch(
    *addresses: bytes,
    pieces: Sequence[bytes] = (BODY,),
    on_dot: Callable[[], Awaitable[None]] | None = None,
    **envelope: Any,
) -> Batch:
    """Return a transaction to *addresses* (default: a, b and c)."""
    addresses = addresses or (b"a@x.invalid", b"b@x.invalid", b"c@x.invalid")
    recipients = tuple(Recipient(address=address) for address in addresses)
    given = {"sender": b"me@tuiq.invalid", "recipients": recipients} | envelope
    return Batch(envelope=Envelope(**given), pieces=pieces, on_dot=on_dot)


@dataclass
class Watcher:
    """Remembers all it is told."""

    phases: list[str] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    wants_lines: bool = True

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def sent(self, line: bytes) -> None:
        self.lines.append(("C", line))

    def received(self, line: bytes) -> None:
        self.lines.append(("S", line))

    def note(self, text: str) -> None:
        self.notes.append(text)


def settings(**given: Any) -> DeliveryConfig:
    """Return settings whose phases end soon when nobody answers."""
    phases = ("connect", "greeting", "command", "data", "block", "dot", "quit")
    quick = {f"{phase}_timeout": 10.0 for phase in phases}
    return DeliveryConfig(**(quick | given))


def hop(server: ScriptedServer) -> NextHop:
    return NextHop(host=server.host, port=server.port)


@contextlib.asynccontextmanager
async def session(
    server: ScriptedServer, *, watcher: Watcher | None = None, **given: Any
) -> AsyncIterator[Session]:
    """Open a session to *server* and see it closed."""
    opened = await Session.open(
        hop(server),
        settings(**given),
        hostname="client.invalid",
        watcher=watcher or Watcher(),
    )
    try:
        yield opened
    finally:
        await opened.close()


async def deliver(
    server: ScriptedServer,
    transaction: Batch,
    *,
    watcher: Watcher | None = None,
    **given: Any,
) -> Delivered:
    """Run one transaction over a session of its own."""
    async with session(server, watcher=watcher, **given) as opened:
        return await opened.deliver(transaction)
