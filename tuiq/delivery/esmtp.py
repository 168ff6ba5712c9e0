"""What a server offers, and the command lines that follow from it.  No I/O.

Covers SIZE (RFC 1870), 8BITMIME (RFC 6152), SMTPUTF8 (RFC 6531) and DSN (RFC 3461).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tuiq.delivery.transport import Transaction
    from tuiq.mail.envelope import Recipient

_UNSAFE = re.compile(rb"[\x00-\x1f\x7f]")
_PIECE = 256 * 1024

NO_SMTPUTF8 = Reply(
    code=550,
    enhanced=b"5.6.7",
    text=b"the message needs SMTPUTF8, which the next hop does not offer",
)
NO_8BITMIME = Reply(
    code=550,
    enhanced=b"5.6.3",
    text=b"the message needs 8BITMIME, which the next hop does not offer",
)
BAD_SENDER = Reply(
    code=553, enhanced=b"5.1.7", text=b"control characters in the sender's address"
)
BAD_RECIPIENT = Reply(
    code=553, enhanced=b"5.1.3", text=b"control characters in the recipient's address"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """The service extensions of a session that matter to a transaction."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    dsn: bool = False
    size: int | None = None
    """The SIZE limit in bytes, 0 where none is named; None: SIZE is not offered."""

    @classmethod
    def read(cls, extensions: Mapping[str, str]) -> Self:
        """Take the keywords (lower case) of an EHLO answer."""
        named = extensions.get("size", "")
        size = int(named) if named.isascii() and named.isdigit() else 0
        return cls(
            pipelining="pipelining" in extensions,
            eight_bit="8bitmime" in extensions,
            smtputf8="smtputf8" in extensions,
            dsn="dsn" in extensions,
            size=size if "size" in extensions else None,
        )


def refusal(
    transaction: Transaction, mail: bytes, offers: Offers, eight_bit: str
) -> Reply | None:
    """Return why nobody can be sent this message, if so.

    *mail* is its MAIL line; *eight_bit* is the setting: ``send`` or ``fail``.
    """
    envelope = transaction.envelope
    if offers.size and transaction.size > offers.size:
        return Reply(
            code=552,
            enhanced=b"5.3.4",
            text=b"the message has %d bytes, the next hop takes %d"
            % (transaction.size, offers.size),
        )
    if not offers.smtputf8 and (envelope.smtputf8 or not envelope.sender.isascii()):
        return NO_SMTPUTF8
    if transaction.eight_bit and not offers.eight_bit and eight_bit == "fail":
        return NO_8BITMIME
    return BAD_SENDER if _UNSAFE.search(mail) else None


def mail_command(
    transaction: Transaction, offers: Offers, *, utf8: bool = False
) -> bytes:
    """Return the MAIL line without CRLF; *utf8*: a recipient needs SMTPUTF8."""
    envelope = transaction.envelope
    parts = [b"MAIL FROM:<%b>" % envelope.sender]
    if offers.size is not None:
        parts.append(b"SIZE=%d" % transaction.size)
    if offers.eight_bit and (transaction.eight_bit or envelope.body == b"8BITMIME"):
        parts.append(b"BODY=8BITMIME")
    utf8 = utf8 or envelope.smtputf8 or not envelope.sender.isascii()
    if offers.smtputf8 and utf8:
        parts.append(b"SMTPUTF8")
    if offers.dsn and envelope.ret:
        parts.append(b"RET=" + envelope.ret)
    if offers.dsn and envelope.envid:
        parts.append(b"ENVID=" + envelope.envid)
    return b" ".join(parts)


def rcpt_command(recipient: Recipient, offers: Offers) -> bytes | Reply:
    """Return the RCPT line without CRLF, or why this recipient cannot be sent to."""
    line = b"RCPT TO:<%b>" % recipient.address
    if offers.dsn:
        if recipient.notify:
            line += b" NOTIFY=" + recipient.notify
        if recipient.orcpt:
            line += b" ORCPT=" + recipient.orcpt
    if not line.isascii() and not offers.smtputf8:
        return NO_SMTPUTF8
    return BAD_RECIPIENT if _UNSAFE.search(line) else line


def stuffed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield wire-form data with dots doubled at line starts (RFC 5321 §4.5.2).

    Where a chunk ends does not matter.  What is yielded ends in CRLF, so that the
    dot that follows is always one.
    """
    tail = b"\r\n"
    for chunk in chunks:
        for start in range(0, len(chunk), _PIECE):
            joined = tail + chunk[start : start + _PIECE]
            yield joined.replace(b"\r\n.", b"\r\n..")[len(tail) :]
            tail = joined[-2:]
    if tail != b"\r\n":
        yield b"\r\n"
