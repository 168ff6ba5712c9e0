"""Recipients a second over loopback, with and without PIPELINING.

``python -m tests.benchmarks.bench_delivery [RECIPIENTS [BATCH]]``: a message to
20,000 recipients in transactions of 100, the server in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.config import DeliveryConfig
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import NextHop
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.mail.outcome import Outcome, Verdict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
BODY = b"Subject: newsletter\r\n\r\n" + b"Read all about it.\r\n" * 200


class Slice:
    """The part of a message's recipients that one transaction takes."""

    size = len(BODY)
    eight_bit = False

    def __init__(self, envelope: Envelope, first: int, count: int) -> None:
        self.envelope = envelope
        self._slots = range(first, min(first + count, len(envelope.recipients)))
        self.delivered = 0

    def begin(self) -> list[tuple[int, Recipient]]:
        recipients = self.envelope.recipients
        return [(slot, recipients[slot]) for slot in self._slots]

    def data(self) -> Iterator[bytes]:
        yield BODY

    async def dot(self, accepted: Sequence[int]) -> None:
        pass

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            self.delivered += outcome.verdict is Verdict.DELIVERED


class Nobody:
    """A watcher that does not listen."""

    wants_lines = False

    def phase(self, name: str) -> None:
        pass

    def sent(self, line: bytes) -> None:
        pass

    def received(self, line: bytes) -> None:
        pass

    def note(self, text: str) -> None:
        pass


@contextlib.asynccontextmanager
async def server(*options: str) -> AsyncIterator[int]:
    """Run a server in another process; give its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tuiq.demo.server", *options),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


async def measure(recipients: int, batch: int, *options: str) -> float:
    """Deliver one message; return recipients a second."""
    envelope = Envelope(
        sender=b"news@tuiq.invalid",
        recipients=tuple(
            Recipient(address=b"subscriber%06d@example%d.invalid" % (n, n % 50))
            for n in range(recipients)
        ),
    )
    async with server(*options) as port:
        session = await Session.open(
            NextHop(host="127.0.0.1", port=port),
            DeliveryConfig(),
            hostname="bench.invalid",
            watcher=Nobody(),
        )
        began = time.perf_counter()
        delivered = 0
        for first in range(0, recipients, batch):
            part = Slice(envelope, first, batch)
            await session.deliver(part)
            delivered += part.delivered
        seconds = time.perf_counter() - began
        await session.close()
    assert delivered == recipients
    return recipients / seconds


async def main(recipients: int = 20_000, batch: int = 100) -> None:
    """Print both figures and their ratio."""
    with_it = await measure(recipients, batch)
    without = await measure(recipients, batch, "--no-pipelining")
    print(f"{recipients} recipients in transactions of {batch}, one connection")
    print(f"with PIPELINING    {with_it:>9,.0f} recipients/s")
    print(f"without PIPELINING {without:>9,.0f} recipients/s")
    print(f"ratio              {with_it / without:>9.1f}")


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
