"""The scripted server, spoken to over bare sockets: it must not flatter anybody."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from tuiq.demo.script import Act, Peer, Script
from tuiq.demo.server import ScriptedServer, read_log, server_from

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MESSAGE = (
    b"Received: from localhost by host.invalid (tuiq) id 0ABC123 (uid 1)\r\n"
    b"Message-ID: <1@host.invalid>\r\n\r\nHi\r\n"
)


class Client:
    """A client that says what it is told."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._reader = reader
        self._writer = writer

    async def replies(self, count: int) -> list[bytes]:
        """Read the last lines of *count* replies."""
        found: list[bytes] = []
        async with asyncio.timeout(10):
            while len(found) < count:
                line = await self._reader.readline()
                if not line:
                    break
                if line[3:4] != b"-":
                    found.append(line.rstrip())
        return found

    async def say(self, *lines: bytes) -> list[bytes]:
        """Send *lines* in one write and read a reply for each."""
        self._writer.write(b"".join(line + b"\r\n" for line in lines))
        return await self.replies(len(lines))

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def ended(self) -> bool:
        """Say whether the server closed the connection."""
        async with asyncio.timeout(10):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def client(port: int, *, greeted: bool = True) -> AsyncIterator[Client]:
    made = Client(*await asyncio.open_connection("127.0.0.1", port))
    if greeted:
        assert (await made.replies(1))[0].startswith(b"220")
        assert (await made.say(b"EHLO me"))[0].startswith(b"250")
    try:
        yield made
    finally:
        await made.close()


def codes(replies: list[bytes]) -> list[bytes]:
    return [reply[:3] for reply in replies]


ENVELOPE = (b"MAIL FROM:<me@x>", b"RCPT TO:<a@x>", b"RCPT TO:<b@x>", b"DATA")


async def test_commands_sent_together_are_answered_in_order() -> None:
    script = Script(rcpt={b"b@x": b"550 5.1.1 No"})
    async with ScriptedServer(script) as server, client(server.port) as peer:
        assert codes(await peer.say(*ENVELOPE)) == [b"250", b"250", b"550", b"354"]
        peer.send(MESSAGE + b".\r\nRSET\r\nNOOP\r\n")
        assert codes(await peer.replies(3)) == [b"250"] * 3
    (received,) = server.received
    assert received.recipients == ((b"a@x", b""),)
    assert received.data == MESSAGE
    assert received.replied


async def test_it_does_not_matter_how_bytes_are_cut() -> None:
    stream = b"\r\n".join(ENVELOPE) + b"\r\n" + b"..a\r\n..\r\n.b\r\n.\r\nNOOP\r\n"
    async with ScriptedServer() as server, client(server.port) as peer:
        for n in range(len(stream)):
            peer.send(stream[n : n + 1])
            await asyncio.sleep(0)
        assert codes(await peer.replies(6)) == [b"250"] * 3 + [b"354", b"250", b"250"]
    assert server.received[0].data == b".a\r\n.\r\nb\r\n"


async def test_commands_out_of_order_are_refused() -> None:
    async with ScriptedServer() as server, client(server.port) as peer:
        lines = (b"RCPT TO:<a@x>", b"DATA", b"BOGUS", b"MAIL <a@x>", b"STARTTLS")
        assert codes(await peer.say(*lines)) == [
            b"503",
            b"503",
            b"500",
            b"501",
            b"502",
        ]
        replies = await peer.say(b"MAIL FROM:<>", b"MAIL FROM:<>", b"DATA")
        assert codes(replies) == [b"250", b"503", b"554"]


async def test_a_delayed_answer_holds_up_what_follows_until_its_event() -> None:
    gate = asyncio.Event()
    script = Script(rcpt={b"a@x": Act(until=gate)})
    async with ScriptedServer(script) as server, client(server.port) as peer:
        peer.send(b"\r\n".join(ENVELOPE) + b"\r\n")
        assert codes(await peer.replies(1)) == [b"250"]
        waiting = asyncio.create_task(peer.replies(3))
        done, _ = await asyncio.wait([waiting], timeout=0.1)
        assert not done
        gate.set()
        assert codes(await waiting) == [b"250", b"250", b"354"]


async def test_limits_of_recipients_and_transactions_are_kept() -> None:
    script = Script(max_recipients=1, max_transactions=1)
    async with ScriptedServer(script) as server, client(server.port) as peer:
        assert codes(await peer.say(*ENVELOPE)) == [b"250", b"250", b"452", b"354"]
        peer.send(b".\r\nMAIL FROM:<>\r\nNOOP\r\n")
        assert codes(await peer.replies(3)) == [b"250", b"421"]
        assert await peer.ended()


@pytest.mark.parametrize("recorded", [False, True])
async def test_a_drop_after_the_dot_records_the_message_or_not(
    tmp_path: Path, recorded: bool
) -> None:
    drop = Act(drop=True)
    script = Script(verdict=drop) if recorded else Script(dot=drop)
    log = tmp_path / "log"
    async with ScriptedServer(script, log=log) as server, client(server.port) as peer:
        await peer.say(*ENVELOPE)
        peer.send(MESSAGE + b".\r\n")
        assert await peer.ended()
    assert [message.replied for message in server.received] == [False] * recorded
    assert [entry["replied"] for entry in read_log(log)] == [False] * recorded


async def test_the_log_line_is_there_before_the_250_leaves(tmp_path: Path) -> None:
    recorded, gate = asyncio.Event(), asyncio.Event()
    log = tmp_path / "log"

    def verdict(_: Peer) -> Act:
        recorded.set()
        return Act(until=gate)

    script = Script(verdict=verdict)
    async with ScriptedServer(script, log=log) as server, client(server.port) as peer:
        await peer.say(*ENVELOPE)
        peer.send(MESSAGE + b".\r\n")
        async with asyncio.timeout(10):
            await recorded.wait()
        (entry,) = read_log(log)
        assert not entry["replied"]
        gate.set()
        assert codes(await peer.replies(1)) == [b"250"]
        (entry,) = read_log(log)
    assert entry["replied"]
    assert entry["recipients"] == ["a@x", "b@x"]
    assert entry["message_id"] == "<1@host.invalid>"
    assert entry["queue_id"] == "0ABC123"


def test_a_log_line_cut_short_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"transaction": "1.0", "recipients": []}\n{"transac')
    assert [entry["transaction"] for entry in read_log(log)] == ["1.0"]


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ((b"AUTH PLAIN " + base64.b64encode(b"\0me\0pw"),), b"235"),
        ((b"AUTH PLAIN", base64.b64encode(b"\0me\0pw")), b"235"),
        ((b"AUTH LOGIN", base64.b64encode(b"me"), base64.b64encode(b"pw")), b"235"),
        ((b"AUTH PLAIN " + base64.b64encode(b"\0me\0no"),), b"535"),
        ((b"AUTH PLAIN !!!",), b"535"),
        ((b"AUTH CRAM-MD5",), b"504"),
    ],
)
async def test_auth_checks_user_and_password(
    lines: tuple[bytes, ...], last: bytes
) -> None:
    script = Script(users={"me": "pw"}, plain_auth=True)
    async with ScriptedServer(script) as server, client(server.port) as peer:
        assert (await peer.say(*lines))[-1][:3] == last
    assert b"AUTH" in server.commands
    assert not any(b" " in line for line in server.commands[1:])


async def test_the_server_ends_with_clients_still_connected() -> None:
    async with ScriptedServer(Script(greeting=Act(reply=b""))) as server:
        peer = Client(*await asyncio.open_connection("127.0.0.1", server.port))
    assert await peer.ended()
    await peer.close()


async def test_the_command_line_makes_the_script(tmp_path: Path) -> None:
    log = tmp_path / "log"
    server = server_from(
        [
            f"--log={log}",
            "--no-pipelining",
            "--max-recipients=3",
            "--rcpt=b@x=450 4.2.1 Later",
            "--reply=greeting=220 hello",
            "--delay=data=0.001-0.002",
            "--drop=verdict=2",
        ]
    )
    async with server:
        for n in range(2):
            async with client(server.port) as peer:
                assert codes(await peer.say(*ENVELOPE))[1:] == [b"250", b"450", b"354"]
                peer.send(MESSAGE + b".\r\n")
                assert codes(await peer.replies(1)) == [b"250"][: 1 - n]
    assert b"PIPELINING" not in server.script.extensions
    assert [entry["replied"] for entry in read_log(log)] == [True, False]


async def test_it_runs_on_its_own_and_logs_past_its_death(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tuiq.demo.server", "--log", str(log)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    async with client(port) as peer:
        await peer.say(*ENVELOPE)
        peer.send(MESSAGE + b".\r\n")
        assert codes(await peer.replies(1)) == [b"250"]
        process.send_signal(signal.SIGKILL)
        await process.wait()
    (entry,) = read_log(log)
    assert entry["replied"]
    assert entry["sender"] == "me@x"
