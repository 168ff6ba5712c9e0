"""Timeouts, garbage, losses and interruptions at every phase of a session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Any

import pytest

from tests.delivery.world import Watcher, batch, deliver, hop, session, settings
from tuiq.delivery import smtp
from tuiq.delivery.smtp import Session
from tuiq.delivery.transport import DestinationFailed, NextHop, NoDescriptors
from tuiq.demo.script import Act, Script
from tuiq.demo.server import ScriptedServer
from tuiq.mail.outcome import Verdict

DELIVERED, DEFERRED, FAILED, IN_DOUBT, UNTRIED = Verdict
LARGE = (b"x" * 76 + b"\r\n",) * 100_000
SILENCE = Act(reply=b"")
GARBAGE = Act(reply=b"\x1b[2J\xff no SMTP")


async def fails_to_open(server: ScriptedServer, **given: Any) -> DestinationFailed:
    """Return why no session to *server* can be opened; it is always temporary."""
    with pytest.raises(DestinationFailed) as caught:
        async with session(server, **given):
            pass
    assert 400 <= caught.value.reply.code < 500
    assert caught.value.reply.enhanced.startswith(b"4.")
    return caught.value


@pytest.mark.parametrize(
    ("phase", "act"),
    [
        (phase, act)
        for phase in ("greeting", "ehlo")
        for act in (
            b"421 4.3.2 Busy",
            b"554 5.7.1 Go away",
            SILENCE,
            GARBAGE,
            Act(drop=True),
            Act(reply=b"2" * 100_000),
        )
        if (phase, act) != ("ehlo", b"554 5.7.1 Go away")
    ],
)
async def test_trouble_before_mail_is_the_destinations(
    phase: str, act: bytes | Act
) -> None:
    script = Script(**{phase: act})  # type: ignore[arg-type]
    async with ScriptedServer(script) as server:
        await fails_to_open(server, greeting_timeout=0.2, command_timeout=0.2)


async def test_the_servers_words_are_kept_when_it_refuses_a_session() -> None:
    async with ScriptedServer(Script(greeting=b"554 5.7.1 No mail here")) as server:
        failure = await fails_to_open(server)
        assert str(failure) == (
            f"127.0.0.1:{server.port}: "
            "451 4.7.1 the server said: 554 5.7.1 No mail here"
        )


async def test_a_server_without_ehlo_is_spoken_to_with_helo() -> None:
    async with ScriptedServer(Script(ehlo=b"502 5.5.1 What?")) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 3
    assert b"HELO client.invalid" in server.commands


async def test_a_connection_reset_at_once_is_the_destinations_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def dialled(*_: object) -> socket.socket:
            peer = socket.create_connection(("127.0.0.1", port))
            peer.setblocking(False)
            accepted, _address = listener.accept()
            # Closed without lingering: the other side is reset before it looks.
            linger = struct.pack("ii", 1, 0)
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            accepted.close()
            with pytest.raises(OSError, match="not connected"):
                peer.getpeername()
            return peer

        monkeypatch.setattr(smtp, "dial", dialled)
        with pytest.raises(DestinationFailed) as caught:
            await Session.open(
                NextHop(host="127.0.0.1", port=port),
                settings(),
                hostname="client.invalid",
                watcher=Watcher(),
            )
    assert caught.value.reply.enhanced == b"4.4.2"


async def test_a_closed_port_is_the_destinations_trouble() -> None:
    async with ScriptedServer() as server:
        pass
    failure = await fails_to_open(server)
    assert failure.reply.enhanced == b"4.4.1"
    assert b"refused" in failure.reply.text


async def test_a_name_that_does_not_resolve_is_the_destinations_trouble() -> None:
    hop = NextHop(host="no-such-host.invalid", port=25)
    with pytest.raises(DestinationFailed) as caught:
        await Session.open(
            hop, settings(), hostname="client.invalid", watcher=Watcher()
        )
    assert caught.value.reply.enhanced == b"4.4.3"


async def test_a_connection_nobody_answers_is_given_up_in_time() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):  # fill the backlog: later SYNs get no answer
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        next_hop = NextHop(host="127.0.0.1", port=full.getsockname()[1])
        with pytest.raises(DestinationFailed, match="timed out"):
            await Session.open(
                next_hop,
                settings(connect_timeout=0.2),
                hostname="client.invalid",
                watcher=Watcher(),
            )


async def test_a_refusal_to_open_is_heard_by_the_watcher() -> None:
    watcher = Watcher()
    async with ScriptedServer(Script(greeting=b"554 5.7.1 No")) as server:
        await fails_to_open(server, watcher=watcher)
    assert watcher.lines == [("S", b"554 5.7.1 No")]


async def test_a_lack_of_descriptors_is_told_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ScriptedServer() as server:

        def full(*_: object) -> socket.socket:
            raise OSError(24, "Too many open files")

        monkeypatch.setattr(socket, "socket", full)
        with pytest.raises(NoDescriptors, match="Too many open files"):
            await Session.open(
                hop(server), settings(), hostname="client.invalid", watcher=Watcher()
            )


@pytest.mark.parametrize("extensions", [(b"PIPELINING",), ()])
@pytest.mark.parametrize("act", [SILENCE, GARBAGE], ids=["silence", "garbage"])
@pytest.mark.parametrize("phase", ["mail", "rcpt", "data"])
async def test_silence_or_garbage_before_the_dot_defers(
    phase: str, act: Act, extensions: tuple[bytes, ...]
) -> None:
    given: Any = {phase: {b"b@x.invalid": act} if phase == "rcpt" else act}
    async with ScriptedServer(Script(extensions=extensions, **given)) as server:
        transaction = batch()
        delivered = await deliver(
            server, transaction, command_timeout=0.2, data_timeout=0.2
        )
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.dotted is None
    assert not delivered.reusable
    status = b"4.4.2" if act is SILENCE else b"4.5.0"
    assert transaction.outcomes[0].reply.enhanced == status
    assert b"\x1b" not in transaction.said(0)


@pytest.mark.parametrize("act", [SILENCE, GARBAGE, b"354 What?", b"250\xff"])
async def test_silence_or_garbage_after_the_dot_is_in_doubt(act: Act | bytes) -> None:
    async with ScriptedServer(Script(verdict=act)) as server:
        transaction = batch()
        delivered = await deliver(server, transaction, dot_timeout=0.2)
    assert transaction.verdicts == [IN_DOUBT] * 3
    assert not delivered.reusable
    assert len(server.received) == 1


async def test_a_reader_that_stalls_in_the_data_is_given_up_before_the_dot() -> None:
    stall = Act(until=asyncio.Event())
    async with ScriptedServer(Script(body=stall)) as server:
        transaction = batch(pieces=LARGE)
        delivered = await deliver(server, transaction, block_timeout=0.2)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.dotted is None
    assert delivered.lost is not None
    assert delivered.lost.text == b"timed out after 0.2 s in phase body"


async def test_slow_answers_within_the_limit_are_waited_for() -> None:
    slow = {b"%c@x.invalid" % c: Act(delay=0.15) for c in b"abc"}
    async with ScriptedServer(Script(rcpt=slow)) as server:
        transaction = batch()
        await deliver(server, transaction, command_timeout=0.4)
    assert transaction.verdicts == [DELIVERED] * 3


@pytest.mark.parametrize(
    "reply",
    [
        b"250-" + b"x" * 9000 + b"\r\n250 x",
        b"250-x\r\n" * 6000 + b"250 x",
        b"250x",
        b"25",
        b"150 x",
        b"999 x",
    ],
)
async def test_replies_out_of_shape_or_too_long_are_garbage(reply: bytes) -> None:
    async with ScriptedServer(Script(mail=reply)) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert transaction.outcomes[0].reply.enhanced == b"4.5.0"


async def test_a_line_that_does_not_end_is_not_waited_for() -> None:
    endless = Act(reply=b"250 " + b"x" * 9000, end=b"")
    async with ScriptedServer(Script(mail=endless, extensions=())) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.outcomes[0].reply.enhanced == b"4.5.0"


async def test_a_flood_of_replies_ends_the_session_and_keeps_the_verdict() -> None:
    async with ScriptedServer(Script(verdict=b"250 x\r\n" * 5000)) as server:
        transaction = batch()
        delivered = await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 3
    assert delivered.lost is not None
    assert delivered.lost.text == b"protocol error: more replies than commands"


async def test_replies_of_many_lines_and_bare_codes_are_read() -> None:
    script = Script(mail=b"250-2.1.0 Sender\r\n250-\r\n250 ok", rcpt=lambda _: b"250")
    async with ScriptedServer(script) as server:
        transaction = batch()
        await deliver(server, transaction)
    assert transaction.verdicts == [DELIVERED] * 3


@pytest.mark.parametrize("phase", ["mail", "data", "body", "dot", "rset"])
async def test_a_cancelled_delivery_settles_everybody_and_drops_the_connection(
    phase: str,
) -> None:
    reached, never = asyncio.Event(), asyncio.Event()

    class Telling(Watcher):
        def phase(self, name: str) -> None:
            if name == phase:
                reached.set()

    stall: Any = {phase: Act(until=never)}
    refusal: Any = {"data": b"451 No"} if phase == "rset" else {}
    async with ScriptedServer(Script(**stall, **refusal)) as server:
        transaction = batch(pieces=LARGE)
        async with session(server, watcher=Telling()) as opened:
            work = asyncio.create_task(opened.deliver(transaction))
            await reached.wait()
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
            assert not opened.alive
    expected = {"dot": IN_DOUBT, "rset": DEFERRED}.get(phase, UNTRIED)
    assert transaction.verdicts == [expected] * 3
    assert not server.received


async def test_cancelled_while_the_spool_holds_up_the_dot_nothing_was_sent() -> None:
    gate = asyncio.Event()
    held = asyncio.Event()

    async def wait() -> None:
        held.set()
        await gate.wait()

    async with ScriptedServer() as server:
        transaction = batch(on_dot=wait)
        async with session(server) as opened:
            work = asyncio.create_task(opened.deliver(transaction))
            await held.wait()
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work
    assert transaction.verdicts == [UNTRIED] * 3
    assert not server.received


async def test_a_connection_lost_while_the_spool_holds_up_the_dot_defers() -> None:
    async with ScriptedServer() as server:
        transaction = batch()
        async with session(server) as opened:

            async def lose() -> None:
                opened.abort()

            transaction.on_dot = lose
            await opened.deliver(transaction)
    assert transaction.verdicts == [DEFERRED] * 3
    assert not server.received


async def test_a_spool_that_cannot_record_the_dot_sends_nothing() -> None:
    async def broken() -> None:
        raise OSError(28, "No space left on device")

    async with ScriptedServer() as server:
        transaction = batch(on_dot=broken)
        with pytest.raises(OSError, match="No space left"):
            await deliver(server, transaction)
    assert transaction.verdicts == [UNTRIED] * 3
    assert not server.received


async def test_quit_without_an_answer_ends_within_its_time() -> None:
    async with ScriptedServer(Script(quit=SILENCE)) as server:
        limit = asyncio.timeout(30)
        with contextlib.suppress(TimeoutError):
            async with limit:
                await deliver(server, batch(), quit_timeout=0.2)
        assert not limit.expired()
