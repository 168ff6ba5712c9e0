"""One client of the scripted SMTP server: the commands of RFC 5321 and friends.

All commands of one read are answered with one write (RFC 2920); an answer that
the script delays holds up what comes after it, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from tuiq.demo.login import Login
from tuiq.demo.script import Act, Answer, Peer, Script, Step

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Then: TypeAlias = Callable[[bool], None] | None

_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>\s*(.*)", re.IGNORECASE | re.DOTALL)
_NORMAL = Act()
_KEEP = b"2"
_END = b"\r\n.\r\n"
_TOO_MANY = b"452 4.5.3 Too many recipients"


class Host(Protocol):
    """What a connection needs of its server."""

    @property
    def script(self) -> Script:
        """Return the script."""
        ...

    def opened(self, connection: Connection) -> int:
        """Count a new connection and return its ordinal."""
        ...

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        ...

    def heard(self, segment: bytes) -> None:
        """Take note of what one read returned."""
        ...

    def commanded(self, line: bytes) -> None:
        """Take note of a command line."""
        ...

    def record(self, connection: Connection, data: bytes) -> int:
        """Keep and log an accepted message; return its place."""
        ...

    def replied(self, place: int) -> None:
        """Take note that the 250 of a message leaves now."""
        ...


class Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, host: Host) -> None:
        """Serve one client for *host*."""
        self._host = host
        self._script = host.script
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self.gone: asyncio.Future[None] = self._loop.create_future()
        self.peer = Peer(connection=0)
        self.tls = False
        self.user = ""
        # What was read and not looked at yet, and the answers not written yet.
        self._buffer = bytearray()
        self._answers: list[bytes] = []
        # Set while the script holds up the conversation.
        self._waiting: asyncio.Task[None] | None = None
        # The state of RFC 5321 §4.1.4, and where the search for the dot goes on.
        self._in_transaction = False
        self._in_data = False
        self._body_seen = False
        self._scanned = 0
        # Takes the next line where it is not a command (AUTH).
        self.next_line: Callable[[bytes], None] | None = None
        self._verbs: dict[bytes, Callable[[bytes], None]] = {
            b"RCPT": self._rcpt,
            b"MAIL": self._mail,
            b"DATA": self._data,
            b"EHLO": self._ehlo,
            b"HELO": self._helo,
            b"RSET": self._rset,
            b"NOOP": self._noop,
            b"QUIT": self._quit,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
        }

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast("asyncio.Transport", transport)
        self.tls = transport.get_extra_info("sslcontext") is not None
        self.peer.connection = self._host.opened(self)
        self.answer(self._script.greeting, b"220 demo.invalid ESMTP")
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Answer what came."""
        self._host.heard(data)
        self._buffer += data
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        if self._waiting is not None:
            self._waiting.cancel()
        self._host.closed(self)
        if not self.gone.done():
            self.gone.set_result(None)

    def drop(self) -> None:
        """Close at once, unsent answers included."""
        if self._waiting is not None:
            self._waiting.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _pump(self) -> None:
        position = 0
        while self._waiting is None and not self._closing:
            if self._in_data:
                del self._buffer[:position]
                position = 0
                if not self._take_data():
                    break
                continue
            end = self._buffer.find(b"\n", position)
            if end < 0:
                break
            line = bytes(self._buffer[position:end]).rstrip(b"\r")
            position = end + 1
            (self.next_line or self._command)(line)
        del self._buffer[:position]
        self._flush()

    @property
    def _closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _flush(self) -> None:
        if self._answers and self._transport is not None:
            self._transport.write(b"".join(self._answers))
            self._answers.clear()

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        self._host.commanded(b"AUTH" if verb == b"AUTH" else line)
        do = self._verbs.get(verb)
        if do is None:
            self.answer(None, b"500 5.5.2 Unknown command")
        else:
            do(rest)

    def answer(self, step: Step, normal: bytes, then: Then = None) -> None:
        """Give the *step*'s answer, else the *normal* one, when its time has come.

        Right before it goes *then* is told whether it is positive and the
        connection stays open.
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
            self._flush()
            self._wait(self._later(act, normal, then))
        else:
            self._give(act, normal, then)

    def _wait(self, pause: Coroutine[None, None, None]) -> None:
        if self._transport is not None:
            self._transport.pause_reading()
        self._waiting = self._loop.create_task(pause)

    async def _later(self, act: Act, normal: bytes, then: Then) -> None:
        if act.until is not None:
            await act.until.wait()
        await asyncio.sleep(act.delay)
        self._waiting = None
        self._give(act, normal, then)
        if self._transport is not None and self._waiting is None:
            self._transport.resume_reading()
        self._pump()

    def _give(self, act: Act, normal: bytes, then: Then) -> None:
        reply = act.reply
        if reply is None:
            reply = b"" if act.drop else normal
        dropped = act.drop or reply.startswith(b"421")
        positive = reply[:1] in {b"2", b"3"} and not dropped
        if reply and reply is not _KEEP:
            self._answers.append(reply + act.end)
        if then is not None:
            then(positive)
        if dropped and self._transport is not None:
            self._flush()
            self._transport.close()

    # The commands.

    def _ehlo(self, _: bytes) -> None:
        self._reset()
        script = self._script
        lines = [b"demo.invalid", *script.extensions]
        if script.size is not None:
            lines.append(b"SIZE %d" % script.size)
        if script.tls is not None and not self.tls:
            lines.append(b"STARTTLS")
        if script.users and (self.tls or script.plain_auth):
            lines.append(b"AUTH PLAIN LOGIN")
        text = b"".join(b"250-%b\r\n" % line for line in lines[:-1])
        self.answer(script.ehlo, text + b"250 " + lines[-1])

    def _helo(self, _: bytes) -> None:
        self._reset()
        self.answer(self._script.helo, b"250 demo.invalid")

    def _noop(self, _: bytes) -> None:
        self.answer(None, b"250 2.0.0 Ok")

    def _rset(self, _: bytes) -> None:
        self._reset()
        self.answer(self._script.rset, b"250 2.0.0 Ok")

    def _quit(self, _: bytes) -> None:
        bye = Act(reply=b"221 2.0.0 Bye", drop=True)
        self.answer(self._script.quit or bye, b"")

    def _reset(self) -> None:
        self._in_transaction = False
        self.peer.sender = self.peer.mail_args = b""
        self.peer.recipients = []

    def _mail(self, rest: bytes) -> None:
        limit = self._script.max_transactions
        match = _PATH.match(rest)
        if self._in_transaction:
            self.answer(None, b"503 5.5.1 Nested MAIL")
        elif match is None:
            self.answer(None, b"501 5.5.4 Syntax: MAIL FROM:<address>")
        elif limit is not None and self.peer.transaction >= limit:
            self.answer(None, b"421 4.7.0 Too many messages on this connection")
        else:
            self._reset()
            self.peer.transaction += 1
            self.peer.sender, self.peer.mail_args = match.groups()
            self.answer(self._script.mail, b"250 2.1.0 Ok", self._mail_answered)

    def _mail_answered(self, positive: bool) -> None:
        self._in_transaction = positive

    def _rcpt(self, rest: bytes) -> None:
        if not self._in_transaction:
            self.answer(None, b"503 5.5.1 MAIL first")
            return
        match = _PATH.match(rest)
        if match is None:
            self.answer(None, b"501 5.5.4 Syntax: RCPT TO:<address>")
            return
        address, arguments = match.groups()
        said = self._said_about(address)
        if said is None:
            self.peer.recipients.append((address, arguments))
            self._answers.append(b"250 2.1.5 Ok\r\n")
            return

        def answered(positive: bool) -> None:
            if positive:
                self.peer.recipients.append((address, arguments))

        self.answer(said, b"250 2.1.5 Ok", answered)

    def _said_about(self, address: bytes) -> Answer:
        rules = self._script.rcpt
        said = rules(address) if callable(rules) else rules.get(address)
        limit = self._script.max_recipients
        if said is None and limit is not None and len(self.peer.recipients) >= limit:
            return _TOO_MANY
        return said

    def _data(self, _: bytes) -> None:
        if not self._in_transaction:
            self.answer(None, b"503 5.5.1 MAIL first")
        elif not self.peer.recipients and not self._script.empty_data:
            self.answer(None, b"554 5.5.1 No valid recipients")
        else:
            self.answer(self._script.data, b"354 Go ahead", self._data_answered)

    def _data_answered(self, positive: bool) -> None:
        self._in_data = positive
        self._body_seen = False
        self._scanned = 0

    def _take_data(self) -> bool:
        """Look for the dot; tell whether the conversation can go on."""
        if self._buffer and not self._body_seen:
            self._body_seen = True
            self.answer(self._script.body, _KEEP)
            return True
        if self._buffer.startswith(b".\r\n"):
            end = -2
        else:
            end = self._buffer.find(_END, self._scanned)
            if end < 0:
                self._scanned = max(0, len(self._buffer) - len(_END) + 1)
                return False
        data = bytes(self._buffer[: end + 2])
        del self._buffer[: end + len(_END)]
        self._in_data = False
        data = data.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self.answer(self._script.dot, _KEEP, lambda kept: self._dotted(data, kept=kept))
        return True

    def _dotted(self, data: bytes, *, kept: bool) -> None:
        if kept:
            place = self._host.record(self, data)
            self.answer(
                self._script.verdict,
                b"250 2.0.0 Ok: queued",
                lambda positive: self._host.replied(place) if positive else None,
            )
        self._reset()

    def _starttls(self, _: bytes) -> None:
        if self._script.tls is None or self.tls:
            self.answer(None, b"502 5.5.1 Not offered")
        else:
            self.answer(self._script.starttls, b"220 2.0.0 Go ahead", self._upgrade)

    def _upgrade(self, positive: bool) -> None:
        if positive:
            self._flush()
            self._buffer.clear()
            self._wait(self._handshake())

    async def _handshake(self) -> None:
        transport, context = self._transport, self._script.tls
        if transport is None or context is None:
            return
        upgraded = None
        try:
            with contextlib.suppress(OSError):
                upgraded = await self._loop.start_tls(
                    transport, self, context, server_side=True
                )
        finally:
            self._waiting = None
            if upgraded is None or upgraded.is_closing():
                # Without a finished handshake nobody calls connection_lost.
                transport.abort()
                self.connection_lost(None)
        if upgraded is None or upgraded.is_closing():
            return
        self._transport = upgraded
        self.tls = True
        self._reset()
        self._pump()

    def _auth(self, rest: bytes) -> None:
        if self._script.auth is not None or not self._script.users:
            self.answer(self._script.auth, b"502 5.5.1 Not offered")
        else:
            Login(self, self._script.users).begin(rest)
