"""The mechanics of one connection of the scripted SMTP server: bytes and waits.

All commands of one read are answered with one write (RFC 2920); an answer that
the script delays holds up what comes after it, and nothing else.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from tuiq.demo.script import Act, Peer, Script, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Then: TypeAlias = Callable[[bytes], None] | None

_NORMAL = Act()
NOTHING = b"2"
"""A normal answer that counts as positive and is not sent."""


class Host(Protocol):
    """What a connection needs of its server."""

    @property
    def script(self) -> Script:
        """Return the script."""
        ...

    def opened(self, connection: Dialogue) -> int:
        """Count a new connection and return its ordinal."""
        ...

    def closed(self, connection: Dialogue) -> None:
        """Forget a connection."""
        ...

    def heard(self, segment: bytes) -> None:
        """Take note of what one read returned."""
        ...

    def commanded(self, line: bytes) -> None:
        """Take note of a command line."""
        ...

    def record(self, connection: Dialogue, data: bytes) -> int:
        """Keep and log an accepted message; return its place."""
        ...

    def replied(self, place: int) -> None:
        """Take note that the 250 of a message leaves now."""
        ...


class Dialogue(asyncio.Protocol, ABC):
    """Cuts what a client sends into lines and data; answers in order."""

    def __init__(self, host: Host) -> None:
        """Serve one client for *host*."""
        self.host = host
        self.peer = Peer(connection=0)
        self.user = ""
        """Who logged in; empty: nobody."""
        self.tls = False
        self.loop = asyncio.get_running_loop()
        self.gone: asyncio.Future[None] = self.loop.create_future()
        """Done when the connection is."""
        self.transport: asyncio.Transport | None = None
        # What was read and not looked at yet, and the answers not written yet.
        self.buffer = bytearray()
        self._answers: list[bytes] = []
        # Set while the script, or a handshake, holds up the conversation.
        self.waiting: asyncio.Task[None] | None = None
        self.in_data = False
        """Whether the client sends data, not commands."""
        self.next_line: Callable[[bytes], None] | None = None
        """Takes the next line where it is not a command (AUTH)."""

    @abstractmethod
    def greet(self) -> None:
        """Answer the connection itself."""

    @abstractmethod
    def take_line(self, line: bytes) -> None:
        """Take one line, without its end, that is not data."""

    @abstractmethod
    def take_data(self) -> bool:
        """Take data from the buffer; tell whether the conversation can go on."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self.transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("sslcontext") is not None
        self.peer.connection = self.host.opened(self)
        self.greet()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        self.host.heard(data)
        self.buffer += data
        self.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self.waiting is not None:
            self.waiting.cancel()
        self.host.closed(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def drop(self) -> None:
        """Close at once, unsent answers included."""
        if self.waiting is not None:
            self.waiting.cancel()
        if self.transport is not None:
            self.transport.abort()

    def pump(self) -> None:
        """Answer all that can be answered now, with one write."""
        position = 0
        while self.waiting is None and not self.closing:
            if self.in_data:
                del self.buffer[:position]
                position = 0
                if not self.take_data():
                    break
                continue
            end = self.buffer.find(b"\n", position)
            if end < 0:
                break
            line = bytes(self.buffer[position:end]).rstrip(b"\r")
            position = end + 1
            self.take_line(line)
        del self.buffer[:position]
        self.flush()

    @property
    def closing(self) -> bool:
        """Whether the connection is, or is about to be, closed."""
        return self.transport is None or self.transport.is_closing()

    def flush(self) -> None:
        """Write the answers that are ready."""
        if self._answers and self.transport is not None:
            self.transport.write(b"".join(self._answers))
            self._answers.clear()

    def answer(self, step: Step, normal: bytes, then: Then = None) -> None:
        """Give the *step*'s answer, else the *normal* one, when its time has come.

        *then* is told its first digit, empty when there is no answer.
        """
        if callable(step):
            step = step(self.peer)
        if step is None:
            act = _NORMAL
        else:
            act = Act(reply=step) if isinstance(step, bytes) else step
        if act.reply == b"" and not act.drop:
            act = Act(until=asyncio.Event())
        if act.delay or act.until is not None:
            self.flush()
            self.wait(self._later(act, normal, then))
        else:
            self._give(act, normal, then)

    def wait(self, pause: Coroutine[None, None, None]) -> None:
        """Hold the conversation up until *pause* ends it."""
        if self.transport is not None:
            self.transport.pause_reading()
        self.waiting = self.loop.create_task(pause)

    async def _later(self, act: Act, normal: bytes, then: Then) -> None:
        if act.until is not None:
            await act.until.wait()
        await asyncio.sleep(act.delay)
        self.waiting = None
        self._give(act, normal, then)
        self._resume()
        self.pump()

    def _resume(self) -> None:
        waits = self.waiting is not None or self.closing
        if self.transport is not None and not waits:
            self.transport.resume_reading()

    def _give(self, act: Act, normal: bytes, then: Then) -> None:
        reply = act.reply
        if reply is None:
            reply = b"" if act.drop else normal
        dropped = act.drop or reply.startswith(b"421")
        if reply and reply is not NOTHING:
            self._answers.append(reply + act.end)
        if dropped and self.transport is not None:
            self.flush()
            self.transport.close()
        if then is not None:
            then(reply[:1])
