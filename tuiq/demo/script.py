"""What the scripted SMTP server does at each point: plain values, no I/O.

A ``Script`` says it phase by phase.  What is left out is what a well-behaved
server does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import asyncio
    import ssl


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What to do at one point instead of, or around, the normal answer."""

    reply: bytes | None = None
    """The answer without its last CRLF; None: the normal one; empty: none, for ever."""
    end: bytes = b"\r\n"
    """What follows a non-empty answer."""
    delay: float = 0.0
    """Seconds to wait before answering; later commands wait too."""
    until: asyncio.Event | None = None
    """Set by the test to let the answer go; None: no such wait."""
    drop: bool = False
    """Whether the connection is closed: after the reply given, else instead of it."""


@dataclass(slots=True, kw_only=True)
class Peer:
    """What callables of a script are shown of the connection they answer for."""

    connection: int
    """Ordinal of the connection, from 1."""
    transaction: int = 0
    """Ordinal of the transaction on this connection, from 1."""
    sender: bytes = b""
    mail_args: bytes = b""
    recipients: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Accepted so far: address and arguments."""


Answer: TypeAlias = bytes | Act | None
"""A reply line, a full act, or None for the normal answer."""

Step: TypeAlias = Answer | Callable[[Peer], Answer]
"""An answer, or a function that picks one."""

Rcpt: TypeAlias = Mapping[bytes, Answer] | Callable[[bytes], Answer]
"""Answers to RCPT by address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The behaviour of a server."""

    greeting: Step = None
    ehlo: Step = None
    helo: Step = None
    starttls: Step = None
    """``Act(reply=b"220 go", drop=True)`` breaks the handshake."""
    auth: Step = None
    mail: Step = None
    rcpt: Rcpt = field(default_factory=dict)
    data: Step = None
    body: Step = None
    """When the first bytes after the 354 are there; a reply is an early one."""
    dot: Step = None
    """When the dot is seen, before the message is recorded; a refusal, silence or a
    drop here means that it is not."""
    verdict: Step = None
    """After the message was recorded, before its 250 leaves."""
    lmtp: bool = False
    """LMTP instead of SMTP (RFC 2033)."""
    verdicts: Rcpt = field(default_factory=dict)
    """LMTP: after the message was recorded, before each recipient's own reply; those
    refused here are not recorded."""
    rset: Step = None
    quit: Step = None
    extensions: tuple[bytes, ...] = (
        b"PIPELINING",
        b"8BITMIME",
        b"SMTPUTF8",
        b"DSN",
        b"ENHANCEDSTATUSCODES",
    )
    """EHLO lines; STARTTLS and AUTH are added where they can be used."""
    size: int | None = None
    """SIZE limit offered; None: SIZE is not offered."""
    max_recipients: int | None = None
    """Recipients accepted in a transaction; the rest get 452 4.5.3."""
    max_transactions: int | None = None
    """Transactions on a connection; the next MAIL gets 421."""
    empty_data: bool = False
    """Whether DATA gets 354 though every RCPT was refused (RFC 2920 §3.1)."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Passwords by user name; empty: AUTH is not offered."""
    tls: ssl.SSLContext | None = None
    """The certificate; None: no TLS."""
    implicit_tls: bool = False
    """TLS from the first byte instead of STARTTLS."""
    plain_auth: bool = False
    """Whether AUTH is offered without TLS."""
