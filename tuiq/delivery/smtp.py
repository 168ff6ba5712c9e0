"""SMTP sessions: connect, greeting, EHLO, TLS and AUTH by aiosmtplib, then mail.

Whatever goes wrong before a session is ready for MAIL is the destination's trouble
(``DestinationFailed``): no transaction was begun, no recipient is touched.
"""

from __future__ import annotations

import contextlib
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiosmtplib

from tuiq.delivery.dial import dial, is_loopback
from tuiq.delivery.esmtp import Offers
from tuiq.delivery.exchange import Exchange, Link
from tuiq.delivery.pipeline import check_library, take_over
from tuiq.delivery.replies import Garbage, escaped, protocol_error
from tuiq.delivery.tls import client_context, read_password
from tuiq.delivery.transport import Delivered, DestinationFailed, NoDescriptors
from tuiq.errors import DeliveryError
from tuiq.log import printable
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.config import DeliveryConfig
    from tuiq.delivery.transport import NextHop, SessionWatcher, Transaction

_COMPLETED = 250
_NAME = re.compile(r"[!-~]+")


class Session:
    """A connection to a next hop that takes transactions one after the other."""

    def __init__(self, link: Link) -> None:
        """Use an open *link*; see ``open``."""
        self._link = link
        # The following transaction of the last ``deliver``.
        self._ahead: Exchange | None = None

    @classmethod
    async def open(
        cls,
        next_hop: NextHop,
        config: DeliveryConfig,
        *,
        hostname: str,
        watcher: SessionWatcher,
        tls: ssl.SSLContext | None = None,
    ) -> Self:
        """Connect and make ready for MAIL.

        *hostname* is this host's name for EHLO.  *tls* comes from
        ``tls.client_context`` and is made anew when None.

        Raises: DestinationFailed, NoDescriptors
        """
        try:
            check_library()
            _check_name(hostname)
            opening = _Opening(
                next_hop=next_hop,
                config=config,
                hostname=hostname,
                watcher=watcher,
                tls=None if config.tls == "none" else tls or client_context(config),
                password=read_password(config.password_file)
                if config.username
                else b"",
            )
            return cls(await opening.open())
        except (DestinationFailed, NoDescriptors):
            raise
        except DeliveryError as error:
            text = str(error).encode("utf-8", "backslashreplace")
            reply = Reply(code=451, enhanced=b"4.3.5", text=text)
            raise DestinationFailed(next_hop, reply) from error

    @property
    def offers(self) -> Offers:
        """Return what the server offers."""
        return self._link.offers

    @property
    def alive(self) -> bool:
        """Whether the connection stood when it was last heard of."""
        return self._link.wire.quiet

    @property
    def is_pipelining(self) -> bool:
        """Whether a following transaction can be sent for with a dot."""
        return self._link.offers.pipelining and not self._link.lmtp

    async def deliver(
        self, transaction: Transaction, following: Transaction | None = None
    ) -> Delivered:
        """Run one transaction; every slot of its ``begin`` is settled afterwards.

        When the session is found dead at once, the transaction is not begun.

        *following* may be begun when the dot leaves, to share its round trip.  It
        has to be the next one that is delivered, or ``withdraw`` be called.
        """
        link = self._link
        exchange = self._ahead or Exchange(link, transaction)
        assert exchange.transaction is transaction
        self._ahead = None
        if not exchange.is_begun and not link.wire.quiet:
            stray = link.wire.stray()
            if stray is not None and stray is not link.wire.lost:
                link.wire.misled(stray)
            return Delivered(reusable=False, lost=link.wire.lost, begun=False)
        if following is not None and self.is_pipelining:
            self._ahead = Exchange(link, following)
        delivered = await exchange.run(self._ahead)
        link.used += 1
        ahead = self._ahead
        if ahead is not None and ahead.is_ahead:
            delivered.reusable = delivered.reusable and not ahead.is_withdrawn
            return delivered
        if delivered.reusable:
            link.enter("idle")
        return delivered

    @property
    def _is_owed(self) -> bool:
        """Whether the server was asked for what nobody listens to just now."""
        return self._ahead is not None and self._ahead.is_ahead

    def withdraw(self) -> None:
        """Send nothing for the following transaction, or nothing more.

        What was begun is settled as untried, and no other can be delivered then.  May
        be called while the transaction before it is under way.
        """
        ahead = self._ahead
        if ahead is not None:
            self._ahead = ahead if ahead.is_begun else None
            ahead.withdraw()

    async def close(self) -> None:
        """Say QUIT and close; takes ``quit_timeout`` seconds at most for each."""
        link = self._link
        timeout = link.config.quit_timeout
        try:
            if self._is_owed:
                self.abort()  # it waits for data
            if link.wire.lost is None:
                link.enter("quit")
                link.say(b"QUIT")
                await link.wire.take(1, timeout)
            await link.wire.close(timeout)
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Drop the connection without a word."""
        self._link.wire.fail(Reply(code=451, enhanced=b"4.4.2", text=b"aborted"))


class _HandshakeFailed(Exception):
    """STARTTLS was offered and did not work."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        super().__init__(str(reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """The way from nothing to a link."""

    next_hop: NextHop
    config: DeliveryConfig
    hostname: str
    watcher: SessionWatcher
    tls: ssl.SSLContext | None
    password: bytes

    async def open(self) -> Link:
        """Connect; once more without TLS where it is only opportunistic."""
        optional = self.config.tls == "opportunistic" and not self.config.tls_verify
        try:
            return await self._attempt(starttls=self.config.tls != "none")
        except _HandshakeFailed as failure:
            if not optional:
                raise DestinationFailed(self.next_hop, failure.reply) from failure
            self.watcher.note(
                f"{self.next_hop}: STARTTLS failed, going on without TLS: "
                f"{printable(bytes(failure.reply))}"
            )
        return await self._attempt(starttls=False)

    async def _attempt(self, *, starttls: bool) -> Link:
        implicit = self.config.tls == "implicit"
        self.watcher.phase("connect")
        client = aiosmtplib.SMTP(
            hostname=self.next_hop.host,
            local_hostname=self.hostname,
            timeout=self.config.greeting_timeout,
            use_tls=implicit,
            start_tls=False,
            tls_context=self.tls,
        )
        peer = await dial(self.next_hop, self.config.connect_timeout)
        local = is_loopback(peer)
        try:
            with self._blaming(b"4.7.5" if implicit else b"4.4.2"):
                self.watcher.phase("greeting")
                self._heard(await client.connect(sock=peer))
            await self._greet(client)
            secure = implicit
            if starttls and not implicit:
                secure = await self._encrypt(client)
            if self.config.username:
                await self._log_in(client, safe=secure or local)
            return self._ready(client)
        except BaseException:
            client.close()
            raise

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        """Say EHLO, or HELO to a server that does not know EHLO; or LHLO."""
        timeout = self.config.command_timeout
        name = self.hostname.encode("ascii", "replace")
        self.watcher.phase("ehlo")
        with self._blaming(b"4.5.0"):
            if self.next_hop.lmtp:
                await self._greet_by_lmtp(client, name)
                return
            self._sent(b"EHLO " + name)
            try:
                self._heard(await client.ehlo(timeout=timeout))
            except aiosmtplib.SMTPHeloError as error:
                if not 500 <= error.code < 600:
                    raise
                self._heard(aiosmtplib.SMTPResponse(error.code, error.message))
                self._sent(b"HELO " + name)
                self._heard(await client.helo(timeout=timeout))

    async def _greet_by_lmtp(self, client: aiosmtplib.SMTP, name: bytes) -> None:
        """Say LHLO, whose answer is that to EHLO (RFC 2033 §4.1)."""
        self._sent(b"LHLO " + name)
        timeout = self.config.command_timeout
        response = await client.execute_command(b"LHLO", name, timeout=timeout)
        if response.code != _COMPLETED:
            raise aiosmtplib.SMTPHeloError(response.code, response.message)
        self._heard(response)
        client.last_ehlo_response = response

    async def _encrypt(self, client: aiosmtplib.SMTP) -> bool:
        """Switch to TLS where it is offered; return whether it was."""
        if not client.supports_extension("starttls"):
            if self.config.tls == "require":
                text = b"STARTTLS is required and not offered"
                reply = Reply(code=451, enhanced=b"4.7.4", text=text)
                raise DestinationFailed(self.next_hop, reply)
            return False
        self.watcher.phase("starttls")
        self._sent(b"STARTTLS")
        try:
            with self._blaming(b"4.7.5"):
                self._heard(await client.starttls(timeout=self.config.command_timeout))
            # With TLS 1.3 the server's objection comes after our handshake.
            await self._greet(client)
        except DestinationFailed as failure:
            raise _HandshakeFailed(failure.reply) from failure
        return True

    async def _log_in(self, client: aiosmtplib.SMTP, *, safe: bool) -> None:
        self.watcher.phase("auth")
        if not safe:
            text = b"no password is sent without TLS; set delivery.tls to require"
            reply = Reply(code=451, enhanced=b"4.7.11", text=text)
            raise DestinationFailed(self.next_hop, reply)
        self._sent(b"AUTH (not shown)")
        with self._blaming(b"4.7.8"):
            user, timeout = self.config.username, self.config.command_timeout
            self._heard(await client.login(user, self.password, timeout=timeout))

    def _ready(self, client: aiosmtplib.SMTP) -> Link:
        offers = Offers.read(client.esmtp_extensions)
        with self._blaming(b"4.4.2"):
            wire = take_over(client, self.watcher)
        link = Link(
            wire=wire,
            offers=offers,
            config=self.config,
            watcher=self.watcher,
            lmtp=self.next_hop.lmtp,
        )
        link.enter("idle")
        return link

    def _sent(self, line: bytes) -> None:
        if self.watcher.wants_lines:
            self.watcher.sent(line)

    def _heard(self, response: aiosmtplib.SMTPResponse) -> None:
        if not self.watcher.wants_lines:
            return
        for line in response.message.encode("utf-8", "surrogateescape").split(b"\n"):
            self.watcher.received(b"%03d %b" % (max(response.code, 0), line))

    @contextlib.contextmanager
    def _blaming(self, status: bytes) -> Iterator[None]:
        """Turn what aiosmtplib raises into the destination's failure."""
        try:
            yield
        except aiosmtplib.SMTPResponseException as error:
            self._heard(aiosmtplib.SMTPResponse(error.code, error.message))
            said = error.message.encode("utf-8", "surrogateescape")
            reply = _temporary(error.code, said, status)
            raise DestinationFailed(self.next_hop, reply) from error
        except Garbage as error:
            reply = protocol_error(error.sample)
            raise DestinationFailed(self.next_hop, reply) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            text = str(error).encode("utf-8", "backslashreplace")
            reply = Reply(code=451, enhanced=status, text=text)
            raise DestinationFailed(self.next_hop, reply) from error


def _check_name(hostname: str) -> None:
    if not _NAME.fullmatch(hostname):
        raise DeliveryError(
            f"{printable(hostname)!r}: no name to say EHLO with; "
            "set submission.hostname"
        )


def _temporary(code: int, said: bytes, status: bytes) -> Reply:
    """Return the server's words as a 4xx: a session refused is not mail refused."""
    if not 200 <= code < 600:
        return protocol_error(escaped(said))
    reply = Reply.parse(code, said.split(b"\n"))
    if 400 <= code < 500:
        return reply
    enhanced = b"4" + reply.enhanced[1:] if reply.is_permanent else status
    return Reply(
        code=451,
        enhanced=enhanced if reply.enhanced else status,
        text=b"the server said: " + bytes(reply),
    )
