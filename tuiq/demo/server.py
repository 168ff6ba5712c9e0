"""A small scripted SMTP server: the world that ``tuiq demo`` and the tests meet.

It owns nothing but its sockets and, when asked, an append-only log: one JSON
line per accepted transaction, written *before* the 250 leaves, and another when
it leaves, so that another process can count what was delivered to whom.

``python -m tuiq.demo.server --help`` runs it on its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tuiq.demo.connection import Connection
from tuiq.demo.options import read_options
from tuiq.demo.script import Script

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.demo.dialogue import Dialogue

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_QUEUE_ID = re.compile(rb"\(tuiq\)\s+id\s+(\w+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message that the server took responsibility for."""

    sender: bytes
    mail_args: bytes
    recipients: tuple[tuple[bytes, bytes], ...]
    """Address and arguments of each accepted RCPT."""
    data: bytes
    """The message without dot-stuffing; empty when the server keeps no data."""
    tls: bool
    authenticated: str
    """The user name; empty without AUTH."""
    connection: int
    """Ordinal of the connection it came over, from 1."""
    replied: bool = False
    """Whether its 250 was sent."""


class ScriptedServer:
    """An SMTP server on a loopback port that does what its script says."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        log: Path | None = None,
        keep: bool = True,
    ) -> None:
        """Take the *script*; *keep* tells whether data and raw reads are kept."""
        self.script = script or Script()
        self.host = host
        self.port = port
        self.received: list[Received] = []
        self.segments: list[bytes] = []
        """What each read from any connection returned."""
        self.commands: list[bytes] = []
        """Every command line, without what AUTH carries."""
        self.connections = 0
        """Connections accepted so far."""
        self._keep = keep
        self._log_path = log
        self._log = -1
        self._server: asyncio.Server | None = None
        self._open: set[Dialogue] = set()

    async def __aenter__(self) -> Self:
        """Listen; ``port`` is known afterwards."""
        if self._log_path is not None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            self._log = os.open(self._log_path, flags, 0o600)
        self._server = await asyncio.get_running_loop().create_server(
            lambda: Connection(self),
            self.host,
            self.port,
            ssl=self.script.tls if self.script.implicit_tls else None,
            backlog=512,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            gone = [connection.gone for connection in self._open]
            for connection in list(self._open):
                connection.drop()
            if gone:
                await asyncio.wait(gone, timeout=5)
            await self._server.wait_closed()
        if self._log >= 0:
            os.close(self._log)
            self._log = -1

    def stop_listening(self) -> None:
        """Refuse new connections; the open ones stay."""
        if self._server is not None:
            self._server.close()

    # What connections tell their host.

    def opened(self, connection: Dialogue) -> int:
        """Count a new *connection* and return its ordinal."""
        self._open.add(connection)
        self.connections += 1
        return self.connections

    def closed(self, connection: Dialogue) -> None:
        """Forget a *connection*."""
        self._open.discard(connection)

    def heard(self, segment: bytes) -> None:
        """Keep what one read returned."""
        if self._keep:
            self.segments.append(segment)

    def commanded(self, line: bytes) -> None:
        """Keep a command *line*."""
        if self._keep:
            self.commands.append(line)

    def record(self, connection: Dialogue, data: bytes) -> int:
        """Keep and log an accepted message; return its place in ``received``."""
        peer = connection.peer
        message = Received(
            sender=peer.sender,
            mail_args=peer.mail_args,
            recipients=tuple(peer.recipients),
            data=data if self._keep else b"",
            tls=connection.tls,
            authenticated=connection.user,
            connection=peer.connection,
        )
        self.received.append(message)
        place = len(self.received) - 1
        self._write(_logged(message, data) | {"transaction": f"{os.getpid()}.{place}"})
        return place

    def replied(self, place: int) -> None:
        """Keep and log that the 250 of the message at *place* leaves."""
        self.received[place] = replace(self.received[place], replied=True)
        self._write({"replied": f"{os.getpid()}.{place}"})

    def _write(self, line: dict[str, Any]) -> None:
        if self._log >= 0:
            os.write(self._log, json.dumps(line).encode() + b"\n")


def _logged(message: Received, data: bytes) -> dict[str, Any]:
    head = data.partition(b"\r\n\r\n")[0]
    return {
        "sender": message.sender.decode("utf-8", "backslashreplace"),
        "recipients": [
            address.decode("utf-8", "backslashreplace")
            for address, _ in message.recipients
        ],
        "message_id": _first(_MESSAGE_ID, head),
        "queue_id": _first(_QUEUE_ID, head),
        "bytes": len(data),
        "connection": message.connection,
    }


def _first(pattern: re.Pattern[bytes], head: bytes) -> str:
    match = pattern.search(head)
    return match.group(1).decode("utf-8", "backslashreplace") if match else ""


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the accepted transactions of a log, each with its ``replied``.

    A line that a kill cut short is left out.
    """
    accepted: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().split(b"\n")[:-1]:
        entry = json.loads(line)
        if "replied" in entry:
            accepted[entry["replied"]]["replied"] = True
        else:
            accepted[entry["transaction"]] = entry | {"replied": False}
    return list(accepted.values())


def server_from(arguments: list[str]) -> ScriptedServer:
    """Return the server that a command line describes; it keeps no data."""
    given = read_options(arguments)
    return ScriptedServer(
        given.script, port=given.port, host=given.host, log=given.log, keep=False
    )


async def serve(server: ScriptedServer) -> None:
    """Print the port of *server* and serve until cancelled."""
    async with server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


def main(arguments: list[str]) -> int:
    """Run a server as the command line says; return the exit status."""
    try:
        asyncio.run(serve(server_from(arguments)))
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
