"""LMTP (RFC 2033): LHLO, and one verdict for each recipient after the dot."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.delivery.world import BODY, Batch, Watcher, batch, settings
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import DestinationFailed, NextHop
from tuiq.demo.connection import Connection
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.outcome import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tuiq.delivery.transport import Delivered
    from tuiq.mail.outcome import Outcome

DELIVERED, DEFERRED, FAILED, IN_DOUBT, UNTRIED = Verdict
A, B, C = b"a@x.invalid", b"b@x.invalid", b"c@x.invalid"


@dataclass
class Noted(Batch):
    """A transaction that tells when the first slot was settled."""

    noted: asyncio.Event = field(default_factory=asyncio.Event)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        super().settle(outcomes)
        self.noted.set()


async def opened(hop: NextHop, watcher: Watcher | None = None) -> Session:
    return await Session.open(
        hop, settings(), hostname="client.invalid", watcher=watcher or Watcher()
    )


async def deliver(
    server: ScriptedServer, *transactions: Batch, watcher: Watcher | None = None
) -> list[Delivered]:
    hop = NextHop(host=server.host, port=server.port, lmtp=True)
    session = await opened(hop, watcher)
    try:
        return [await session.deliver(transaction) for transaction in transactions]
    finally:
        await session.close()


async def test_the_session_opens_with_lhlo() -> None:
    watcher = Watcher()
    async with ScriptedServer(Script(lmtp=True)) as server:
        transaction = batch()
        (delivered,) = await deliver(server, transaction, watcher=watcher)
    assert server.commands[0] == b"LHLO client.invalid"
    assert ("C", b"LHLO client.invalid") in watcher.lines
    assert transaction.verdicts == [DELIVERED] * 3
    assert delivered.reusable
    assert server.received[0].data == BODY


async def test_a_server_that_only_speaks_smtp_is_the_destinations_trouble() -> None:
    async with ScriptedServer() as server:
        with pytest.raises(DestinationFailed, match=r"500 5\.5\.2"):
            await deliver(server, batch())


async def test_each_recipient_has_a_verdict_of_its_own() -> None:
    script = Script(
        lmtp=True,
        verdicts={A: b"452 4.2.2 mailbox full", C: b"550 5.2.1 mailbox disabled"},
    )
    async with ScriptedServer(script) as server:
        transaction = batch()
        (delivered,) = await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED, DELIVERED, FAILED]
    assert transaction.said(0) == b"452 4.2.2 mailbox full"
    assert delivered.reusable
    assert [to for to, _ in server.received[0].recipients] == [B]


async def test_verdicts_belong_to_accepted_recipients_only() -> None:
    script = Script(lmtp=True, rcpt={A: b"550 5.1.1 who?"}, verdicts={B: b"450 4.2.0"})
    async with ScriptedServer(script) as server:
        transactions = batch(), batch(C)
        await deliver(server, *transactions)
    assert transactions[0].verdicts == [FAILED, DEFERRED, DELIVERED]
    assert transactions[1].verdicts == [DELIVERED]


async def test_several_hundred_verdicts_in_one_segment_are_no_trouble() -> None:
    addresses = [b"u%d@x.invalid" % number for number in range(500)]
    async with ScriptedServer(Script(lmtp=True)) as server:
        transaction, second = batch(*addresses), batch()
        await deliver(server, transaction, second)
    assert transaction.verdicts == [DELIVERED] * 500
    assert second.verdicts == [DELIVERED] * 3


async def test_a_verdict_is_settled_before_the_next_one_comes() -> None:
    gate = asyncio.Event()
    script = Script(lmtp=True, verdicts={B: Act(until=gate)})
    async with ScriptedServer(script) as server:
        transaction = Noted(batch().envelope)
        running = asyncio.create_task(deliver(server, transaction))
        async with asyncio.timeout(10):
            await transaction.noted.wait()
        assert list(transaction.outcomes) == [0]
        gate.set()
        await running
    assert transaction.settlements == [[0], [1], [2]]


async def test_those_without_a_verdict_are_in_doubt() -> None:
    script = Script(lmtp=True, verdicts={B: Act(drop=True)})
    async with ScriptedServer(script) as server:
        transaction = batch()
        (delivered,) = await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED, IN_DOUBT, IN_DOUBT]
    assert not delivered.reusable


async def test_interrupted_between_verdicts_the_rest_is_in_doubt() -> None:
    script = Script(lmtp=True, verdicts={B: b""})
    async with ScriptedServer(script) as server:
        transaction = Noted(batch().envelope)
        running = asyncio.create_task(deliver(server, transaction))
        async with asyncio.timeout(10):
            await transaction.noted.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert transaction.verdicts == [DELIVERED, IN_DOUBT, IN_DOUBT]


async def test_a_go_ahead_for_nobody_ends_the_session() -> None:
    script = Script(
        lmtp=True,
        rcpt={A: b"550 5.1.1 who?"},
        empty_data=True,
    )
    async with ScriptedServer(script) as server:
        transaction = batch(A)
        (delivered,) = await deliver(server, transaction)
    assert transaction.verdicts == [FAILED]
    assert not delivered.reusable


async def test_a_unix_socket_is_reached_by_its_path(tmp_path: Path) -> None:
    place = tmp_path / "lmtp"
    async with ScriptedServer(Script(lmtp=True)) as server:
        unix = await asyncio.get_running_loop().create_unix_server(
            lambda: Connection(server), str(place)
        )
        async with unix:
            hop = NextHop(host="localhost", path=str(place), lmtp=True)
            session = await opened(hop)
            transaction = batch()
            await session.deliver(transaction)
            await session.close()
    assert transaction.verdicts == [DELIVERED] * 3
    assert server.received[0].data == BODY


async def test_a_socket_that_is_not_there_is_the_destinations_trouble(
    tmp_path: Path,
) -> None:
    hop = NextHop(host="localhost", path=str(tmp_path / "none"), lmtp=True)
    with pytest.raises(DestinationFailed, match=r"cannot connect to lmtp:.*No such"):
        await opened(hop)


async def test_an_address_is_connected_to_without_a_look_up() -> None:
    async with ScriptedServer() as server:
        hop = NextHop(host="mx.invalid", port=server.port, address=server.host)
        session = await opened(hop)
        transaction = batch()
        await session.deliver(transaction)
        await session.close()
    assert transaction.verdicts == [DELIVERED] * 3
