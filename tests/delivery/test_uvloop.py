"""The same wire under uvloop, whose transports are not asyncio's."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from tests.delivery import test_failures
from tests.delivery.world import batch, deliver, session
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.outcome import Verdict

if TYPE_CHECKING:
    from collections.abc import Coroutine

uvloop = pytest.importorskip("uvloop")
DELIVERED, DEFERRED, _, IN_DOUBT, _ = Verdict


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    uvloop.run(coroutine)


def test_under_uvloop_fifty_recipients_travel_in_one_segment() -> None:
    async def scene() -> None:
        async with ScriptedServer() as server, session(server) as opened:
            for _ in range(3):
                transaction = batch(*(b"u%d@x.invalid" % n for n in range(50)))
                assert (await opened.deliver(transaction)).reusable
                assert transaction.verdicts == [DELIVERED] * 50
        envelopes = [s for s in server.segments if s.startswith(b"MAIL")]
        assert [s.count(b"RCPT") for s in envelopes] == [50] * 3
        assert all(s.endswith(b"DATA\r\n") for s in envelopes)

    run(scene())


@pytest.mark.parametrize("implicit", [False, True])
def test_under_uvloop_tls_carries_a_large_message(implicit: bool) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    body = b"." * 76 + b"\r\n"

    async def scene() -> None:
        async with ScriptedServer(Script(tls=context, implicit_tls=implicit)) as server:
            transaction = batch(pieces=(body,) * 50_000)
            await deliver(
                server, transaction, tls="implicit" if implicit else "require"
            )
        assert transaction.verdicts == [DELIVERED] * 3
        assert server.received[0].tls
        assert server.received[0].data == body * 50_000

    run(scene())


def test_under_uvloop_losses_before_and_after_the_dot_are_told_apart() -> None:
    async def scene(expected: Verdict, **phase: Any) -> None:
        async with ScriptedServer(Script(**phase)) as server:
            transaction = batch()
            await deliver(server, transaction, data_timeout=0.2, dot_timeout=0.2)
        assert transaction.verdicts == [expected] * 3

    run(scene(DEFERRED, data=Act(drop=True)))
    run(scene(DEFERRED, data=Act(reply=b"")))
    run(scene(IN_DOUBT, verdict=Act(drop=True)))
    run(scene(IN_DOUBT, verdict=Act(reply=b"")))


def test_under_uvloop_a_broken_handshake_falls_back() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    async def scene() -> None:
        broken = Act(reply=b"220 go", drop=True)
        async with ScriptedServer(Script(tls=context, starttls=broken)) as server:
            transaction = batch()
            await deliver(server, transaction)
        assert transaction.verdicts == [DELIVERED] * 3
        assert server.connections == 2

    run(scene())


def test_under_uvloop_a_connection_reset_at_once_is_the_destinations_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run(
        test_failures.test_a_connection_reset_at_once_is_the_destinations_trouble(
            monkeypatch
        )
    )
