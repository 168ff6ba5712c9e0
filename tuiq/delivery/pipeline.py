"""The wire of an open session: many commands out, their replies back in order.

The only module that knows the insides of aiosmtplib.  Its ``read_response`` drops
replies that arrive while nobody waits, so it cannot pipeline (RFC 2920); once it
has connected, greeted, encrypted and logged in, ``take_over`` gives its transport
an own ``asyncio.Protocol``.  Tested at upgrade: ``tests/delivery/test_pin.py``.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, cast

import aiosmtplib

from tuiq.delivery.alarm import Alarm
from tuiq.delivery.replies import Garbage, ReplyReader, escaped, protocol_error
from tuiq.errors import DeliveryError
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from tuiq.delivery.transport import SessionWatcher

TESTED = "5.1."
"""The versions of aiosmtplib whose insides are known."""
_MAX_STRAYS = 64
_CLOSING = 421


class UnknownLibrary(DeliveryError):
    """An aiosmtplib whose insides are not known to be as this module needs them."""


def check_library(version: str = aiosmtplib.__version__) -> None:
    """Refuse a *version* of aiosmtplib that the takeover was not tested with.

    Raises: UnknownLibrary
    """
    if not version.startswith(TESTED):
        raise UnknownLibrary(
            f"aiosmtplib {version}: not tested with this tuiq; "
            f"install aiosmtplib {TESTED}x"
        )


def take_over(client: aiosmtplib.SMTP, watcher: SessionWatcher) -> Wire:
    """Part *client* from its transport and return a wire on it.

    Raises: ConnectionError when the connection is gone, Garbage when the server
        said more than it was asked
    """
    protocol, transport = client.protocol, client.transport
    if protocol is None or transport is None or transport.is_closing():
        raise ConnectionResetError("connection lost")
    unread = bytes(protocol._buffer)
    if unread:
        raise Garbage(unread)
    wire = Wire(cast("asyncio.Transport", transport), watcher)
    cast("asyncio.Transport", transport).set_protocol(wire)
    client.protocol = client.transport = None
    return wire


class Wire(asyncio.Protocol):
    """Writes commands and collects replies; the first failure is its last state."""

    def __init__(self, transport: asyncio.Transport, watcher: SessionWatcher) -> None:
        """Own *transport*; *watcher* hears each reply line."""
        self.lost: Reply | None = None
        """Why no more can be sent; None: the session lives."""
        self.hung_up = False
        """The server ended the session: it closed the connection or said 421."""
        self.phase = "idle"
        """Where the conversation is, for the words about a loss."""
        self.owed = 0
        """Replies that may come although nobody waits for them yet (LMTP)."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._reader = ReplyReader(watcher.received if watcher.wants_lines else None)
        self._closed = self._loop.create_future()
        # Replies nobody took yet; the one waiter, how many it wants, and how long it
        # bears silence.
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._wanted = 0
        self._patience = 0.0
        self._alarm = Alarm(self._give_up)
        self._writable = True

    # Called by the transport.

    def data_received(self, data: bytes) -> None:
        """Take in replies."""
        if self.lost is not None:
            return
        arrived: list[Reply] = []
        garbage: Garbage | None = None
        try:
            self._reader.feed(data, arrived)
        except Garbage as error:
            garbage = error
        self._take_in(arrived)
        if garbage is not None:
            self.fail(protocol_error(garbage.sample))
        elif len(self._replies) >= self._wanted:
            self._wake()
        elif arrived:
            self._alarm.set(self._patience)

    def _take_in(self, arrived: list[Reply]) -> None:
        """Queue replies; a 421 is the last one, and ends the session."""
        replies = self._replies
        for reply in arrived:
            if reply.code == _CLOSING:
                replies.extend(arrived[: arrived.index(reply) + 1])
                self.hung_up = True
                self.fail(reply)
                return
        replies.extend(arrived)
        if len(replies) > _MAX_STRAYS + max(self._wanted, self.owed):
            self.fail(protocol_error(b"more replies than commands"))

    def pause_writing(self) -> None:
        """Note that the kernel takes no more."""
        self._writable = False

    def resume_writing(self) -> None:
        """Note that the kernel takes more again."""
        self._writable = True
        self._wake()

    def eof_received(self) -> None:
        """Let the transport close."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        why = f"connection lost in phase {self.phase}"
        if exc is not None:
            why += f": {exc}"
        self._alarm.close()
        self.hung_up = self.hung_up or self.lost is None
        if not self._closed.done():
            self._closed.set_result(None)
        self.fail(_lost(why))

    # Called by the session.

    def send(self, data: bytes) -> None:
        """Hand *data* to the kernel; nothing happens once the session is lost."""
        if self.lost is None:
            self._transport.write(data)

    async def take(self, count: int, patience: float) -> list[Reply]:
        """Return the next *count* replies, or those that came before the end.

        *patience* is the longest silence in seconds.  A 421 is the last reply.
        """
        replies = self._replies
        if len(replies) < count and self.lost is None:
            self._wanted = count
            try:
                await self._wait(patience)
            finally:
                self._wanted = 0
        return self.taken(min(count, len(replies)))

    def taken(self, count: int) -> list[Reply]:
        """Return the next *count* replies, nothing unless all of them came already."""
        replies = self._replies
        if len(replies) < count:
            return []
        if len(replies) == count:
            found = list(replies)
            replies.clear()
            return found
        return [replies.popleft() for _ in range(count)]

    async def drain(self, patience: float) -> None:
        """Wait until the kernel takes more, at most *patience* seconds a block."""
        while not self._writable and self.quiet:
            await self._wait(patience)

    @property
    def quiet(self) -> bool:
        """Whether the session lives and nothing came that was not asked for."""
        return self.lost is None and not self._replies

    def stray(self) -> Reply | None:
        """Return and remove a reply that nothing was asked for."""
        return self._replies.popleft() if self._replies else None

    def fail(self, reply: Reply) -> None:
        """End the session because of *reply*; only the first reason counts."""
        if self.lost is None:
            self.lost = reply
            if not self._closed.done():  # else older TLS transports would raise
                self._transport.abort()
        self._wake()

    def misled(self, reply: Reply) -> None:
        """End the session over a *reply* that does not fit what was asked.

        It came before anything else that may have ended the session meanwhile, so
        it is the reason.
        """
        self.fail(reply)
        self.hung_up = False
        self.lost = protocol_error(escaped(bytes(reply)))

    async def close(self, patience: float) -> None:
        """Close the transport and see it closed; after *patience* seconds abort."""
        self._transport.close()
        try:
            async with asyncio.timeout(patience):
                await asyncio.shield(self._closed)
        except TimeoutError:
            self._transport.abort()

    # One waiter, one alarm.

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, patience: float) -> None:
        self._patience = patience
        self._alarm.set(patience)
        self._waiter = waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._alarm.clear()
            self._waiter = None

    def _give_up(self) -> None:
        why = f"timed out after {self._patience:g} s in phase {self.phase}"
        self.fail(_lost(why))


def _lost(why: str) -> Reply:
    text = why.encode("utf-8", "backslashreplace")
    return Reply(code=451, enhanced=b"4.4.2", text=text)
