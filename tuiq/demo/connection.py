"""One client of the scripted SMTP server: the commands of RFC 5321 and friends."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

from tuiq.demo.dialogue import NOTHING, Dialogue, Host
from tuiq.demo.login import Login
from tuiq.demo.script import Act, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PATH = re.compile(rb"(?:FROM|TO):\s*<([^>]*)>\s*(.*)", re.IGNORECASE | re.DOTALL)
_END = b"\r\n.\r\n"
_TOO_MANY = b"452 4.5.3 Too many recipients"


class Connection(Dialogue):
    """The server's side of one connection."""

    def __init__(self, host: Host) -> None:
        """Serve one client for *host*."""
        super().__init__(host)
        self._script = host.script
        # The state of RFC 5321 §4.1.4, and where the search for the dot goes on.
        self._in_transaction = False
        self._body_seen = False
        self._scanned = 0
        self._verbs: dict[bytes, Callable[[bytes], None]] = {
            b"RCPT": self._rcpt,
            b"MAIL": self._mail,
            b"DATA": self._data,
            **self._greetings(),
            b"RSET": self._rset,
            b"NOOP": self._noop,
            b"QUIT": self._quit,
            b"STARTTLS": self._starttls,
            b"AUTH": self._auth,
        }

    def _greetings(self) -> dict[bytes, Callable[[bytes], None]]:
        if self._script.lmtp:
            return {b"LHLO": self._ehlo}
        return {b"EHLO": self._ehlo, b"HELO": self._helo}

    def greet(self) -> None:
        """Say who is there."""
        self.answer(self._script.greeting, b"220 demo.invalid ESMTP")

    def take_line(self, line: bytes) -> None:
        """Obey a command, or take the next line of AUTH."""
        (self.next_line or self._command)(line)

    def _command(self, line: bytes) -> None:
        verb, _, rest = line.partition(b" ")
        verb = verb.upper()
        self.host.commanded(b"AUTH" if verb == b"AUTH" else line)
        do = self._verbs.get(verb)
        if do is None:
            self.answer(None, b"500 5.5.2 Unknown command")
        else:
            do(rest)

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

    def _mail_answered(self, digit: bytes) -> None:
        self._in_transaction = digit == b"2"

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

        def answered(digit: bytes) -> None:
            if digit == b"2":
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

    def _data_answered(self, digit: bytes) -> None:
        self.in_data = digit == b"3"
        self._body_seen = False
        self._scanned = 0

    def take_data(self) -> bool:
        """Look for the dot; tell whether it, or the data's beginning, was there."""
        if self.buffer and not self._body_seen:
            self._body_seen = True
            self.answer(self._script.body, NOTHING)
            return True
        if self.buffer.startswith(b".\r\n"):
            end = -2
        else:
            end = self.buffer.find(_END, self._scanned)
            if end < 0:
                self._scanned = max(0, len(self.buffer) - len(_END) + 1)
                return False
        data = bytes(self.buffer[: end + 2])
        del self.buffer[: end + len(_END)]
        self.in_data = False
        data = data.removeprefix(b".").replace(b"\r\n.", b"\r\n")
        self.answer(self._script.dot, NOTHING, lambda digit: self._dotted(data, digit))
        return True

    def _dotted(self, data: bytes, digit: bytes) -> None:
        if digit == b"2" and self._script.lmtp:
            self._dotted_by_lmtp(data)
        elif digit == b"2":
            place = self.host.record(self, data)
            self.answer(
                self._script.verdict,
                b"250 2.0.0 Ok: queued",
                lambda said: self.host.replied(place) if said == b"2" else None,
            )
        self._reset()

    def _dotted_by_lmtp(self, data: bytes) -> None:
        """Record the message for those who get it, and answer each in turn."""
        rules = self._script.verdicts
        addresses = [address for address, _ in self.peer.recipients]
        said = [rules(a) if callable(rules) else rules.get(a) for a in addresses]
        recipients = zip(self.peer.recipients, said, strict=True)
        self.peer.recipients = [to for to, answer in recipients if _takes(answer)]
        place = self.host.record(self, data) if self.peer.recipients else None
        self._tell_each(iter(said), place)

    def _tell_each(self, said: Iterator[Answer], place: int | None) -> None:
        for answer in said:
            if answer is not None:
                self.answer(
                    answer, b"250 2.1.5 Ok", lambda _: self._tell_each(said, place)
                )
                return
            self._answers.append(b"250 2.1.5 Ok\r\n")
        if place is not None:
            self.host.replied(place)

    def _starttls(self, _: bytes) -> None:
        if self._script.tls is None or self.tls:
            self.answer(None, b"502 5.5.1 Not offered")
        else:
            self.answer(self._script.starttls, b"220 2.0.0 Go ahead", self._upgrade)

    def _upgrade(self, digit: bytes) -> None:
        if digit == b"2" and not self.closing:
            self.flush()
            self.buffer.clear()
            self.wait(self._handshake())

    async def _handshake(self) -> None:
        transport, context = self.transport, self._script.tls
        if transport is None or context is None:
            return
        try:
            with contextlib.suppress(OSError):
                self.transport = await self.loop.start_tls(
                    transport, self, context, server_side=True
                )
                self.tls = not self.closing
        finally:
            self.waiting = None
            if not self.tls:
                # Without a finished handshake nobody calls connection_lost.
                transport.abort()
                self.connection_lost(None)
        if self.tls:
            self._reset()
            self.pump()

    def _auth(self, rest: bytes) -> None:
        if self._script.auth is not None or not self._script.users:
            self.answer(self._script.auth, b"502 5.5.1 Not offered")
        else:
            Login(self, self._script.users).begin(rest)


def _takes(answer: Answer) -> bool:
    """Say whether a recipient with this *answer* gets the message."""
    reply = answer.reply if isinstance(answer, Act) else answer
    return not reply or reply.startswith(b"2")
