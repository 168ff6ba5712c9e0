"""Delivery status notifications (RFC 3461, 3464, 6522): values in, bytes out.

A notice has three parts: text for people, ``message/delivery-status`` for
programs, and the header (or, with RET=FULL, all) of the message it is about.

Addresses that are not ASCII: the status part stays ``message/delivery-status``
and writes them as ``utf-8; caf\\x{E9}@...`` (RFC 6533 §3), not as
``message/global-delivery-status``: a notice must get through servers that know
neither SMTPUTF8 nor 8BITMIME, and the ASCII form loses nothing.  The returned
part keeps its bytes and is marked 8bit where it has any.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum

from tuiq.log import printable
from tuiq.mail import xtext
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.mail.headers import date_value

LISTED = 50
"""Recipients named in the text for people."""
MAX_RETURNED = 256 * 1024
"""Bytes of header, or with RET=FULL of message, that a notice gives back."""

_STATUS = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")
_SMTP = re.compile(rb"[2-5]\d\d\b")
_NOT_ASCII_TEXT = re.compile(rb"[^ -~]")
_FOLD_POINT = re.compile(rb"(?<=[^ ]) (?=[^ ])")
_WIDTH = 76
_LONGEST_WORD = 900
"""Bytes; with a field's name in front a line stays below 998."""


class Kind(Enum):
    """What a notice is about; the value is the RFC 3464 action."""

    FAILED = "failed"
    """Given up; this is the bounce."""
    DELAYED = "delayed"
    """Not delivered yet, still being tried."""
    RELAYED = "relayed"
    """Handed to a system that sends no success notices."""


_SUBJECTS = {
    Kind.FAILED: b"Undelivered mail: returned to its sender",
    Kind.DELAYED: b"Delayed mail: still being tried",
    Kind.RELAYED: b"Relayed mail: no further notice will follow",
}
_OPENINGS = {
    Kind.FAILED: "The message described below could not be delivered to {count}. "
    "It will not be tried again.",
    Kind.DELAYED: "The message described below has not been delivered to {count} "
    "yet. It is still being tried{until}; there is no need to send it again.",
    Kind.RELAYED: "The message described below was handed to the next mail system "
    "for {count}. That system sends no notices of successful delivery.",
}
_DEFAULT_STATUS = {
    Kind.FAILED: b"5.0.0",
    Kind.DELAYED: b"4.0.0",
    Kind.RELAYED: b"2.0.0",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRecipient:
    """One recipient of the message and what is reported about it."""

    address: bytes
    orcpt: bytes = b""
    """RFC 3461 ORCPT as it was given, ``addr-type;xtext``, or empty."""
    status: bytes = b""
    """RFC 3463 status; where it is none of the kind's class, ``x.0.0`` stands."""
    diagnostic: bytes = b""
    """The reply or tuiq's own reason; hostile; empty: none."""
    remote_mta: bytes = b""
    """Host that gave the reply, or empty."""
    last_attempt: float | None = None
    """Epoch seconds; None: no attempt was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that goes into one notice.  Instants are epoch seconds."""

    kind: Kind
    queue_id: str
    """The message that is reported on."""
    to: bytes
    """Who gets the notice: the message's sender, or the postmaster."""
    from_address: bytes
    """Address for the From field (``MAILER-DAEMON@host``)."""
    reporting_mta: bytes
    arrival: float
    date: float
    """When the notice is made."""
    message_id: bytes
    """With angle brackets."""
    boundary: bytes
    """Up to 60 characters of ``A-Za-z0-9._-``; made longer if the mail has it."""
    recipients: tuple[ReportedRecipient, ...]
    header: bytes
    """The message's header block in wire form."""
    original: bytes | None = None
    """The whole message in wire form, for RET=FULL; None: only the header."""
    envid: bytes = b""
    """RFC 3461 ENVID in xtext, or empty."""
    ret: bytes = b""
    """RFC 3461 RET: ``FULL``, ``HDRS`` or empty."""
    retry_until: float | None = None
    """When a delayed message will be given up; None: not said."""


def wants_failure(recipient: Recipient) -> bool:
    """Say whether the sender is told of failure (RFC 3461 §4.1: the default)."""
    return not recipient.notify or b"FAILURE" in recipient.notify.upper().split(b",")


def wants_delay(recipient: Recipient) -> bool:
    """Say whether the sender is told of delay (by default, yes)."""
    return not recipient.notify or b"DELAY" in recipient.notify.upper().split(b",")


def wants_success(recipient: Recipient) -> bool:
    """Say whether the sender asked to be told of success."""
    return b"SUCCESS" in recipient.notify.upper().split(b",")


def envelope(report: Report) -> Envelope:
    """Return the envelope of the notice: null reverse-path, no notices about it."""
    return Envelope(
        sender=b"",
        recipients=(Recipient(address=report.to, notify=b"NEVER"),),
        smtputf8=not report.to.isascii(),
        via=b"dsn",
    )


def build(report: Report) -> bytes:
    """Return the notice in wire form."""
    returned_type, returned = _returned(report)
    parts = (
        (b"text/plain; charset=utf-8", _text_part(report)),
        (b"message/delivery-status", _status_part(report)),
        (returned_type, returned),
    )
    boundary = report.boundary
    while any(boundary in content for _, content in parts):
        boundary += b"_"
    body = b"".join(_part(boundary, *part) for part in parts)
    head = _head(report, boundary, eight_bit=not body.isascii())
    return b"%s\r\n%s--%s--\r\n" % (head, body, boundary)


def _head(report: Report, boundary: bytes, *, eight_bit: bool) -> bytes:
    return b"".join(
        b"%s: %s\r\n" % field
        for field in (
            (b"From", b"Mail Delivery System <%s>" % report.from_address),
            (b"To", b"<%s>" % report.to),
            (b"Date", date_value(report.date)),
            (b"Message-ID", report.message_id),
            (b"Subject", _SUBJECTS[report.kind]),
            (b"Auto-Submitted", b"auto-replied"),
            (b"MIME-Version", b"1.0"),
            (
                b"Content-Type",
                b"multipart/report; report-type=delivery-status;\r\n"
                b'\tboundary="%s"' % boundary,
            ),
            (b"Content-Transfer-Encoding", b"8bit" if eight_bit else b"7bit"),
        )
    )


def _part(boundary: bytes, kind: bytes, content: bytes) -> bytes:
    encoding = b"7bit" if content.isascii() else b"8bit"
    return (
        b"--%s\r\nContent-Type: %s\r\n"
        b"Content-Transfer-Encoding: %s\r\n\r\n%s\r\n"
        % (boundary, kind, encoding, content)
    )


def _text_part(report: Report) -> bytes:
    """Return the part for people: what happened, to whom, and why."""
    number = len(report.recipients)
    count = "one recipient" if number == 1 else f"{number} recipients"
    until = ""
    if report.retry_until is not None:
        until = f" until {date_value(report.retry_until).decode()}"
    opening = _OPENINGS[report.kind].format(count=count, until=until)
    lines = [f"This is the mail system at host {printable(report.reporting_mta)}.", ""]
    lines += [*_wrapped(opening), ""]
    for recipient in report.recipients[:LISTED]:
        lines.append(f"<{printable(recipient.address)}>")
        reason = printable(recipient.diagnostic) or _status(report, recipient).decode()
        lines += _wrapped(reason, indent="    ")
    if number > LISTED:
        more = f"and {number - LISTED} more; the delivery report names them all."
        lines += ["", *_wrapped(more)]
    lines += ["", f"Queue ID: {report.queue_id}"]
    lines.append(f"Arrived: {date_value(report.arrival).decode()}")
    if len(report.header) > MAX_RETURNED:
        lines.append(f"Only the first {MAX_RETURNED} bytes of its header follow.")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _status_part(report: Report) -> bytes:
    """Return the machine-readable part (RFC 3464 §2): groups of fields."""
    groups = [_message_fields(report)]
    groups += (_recipient_fields(report, each) for each in report.recipients)
    return b"\r\n".join(
        b"".join(_field(name, value) for name, value in group) for group in groups
    )


def _message_fields(report: Report) -> Iterable[tuple[bytes, bytes]]:
    if report.envid:
        yield b"Original-Envelope-Id", xtext.decode(report.envid)
    yield b"Reporting-MTA", b"dns; " + report.reporting_mta
    yield b"Arrival-Date", date_value(report.arrival)
    yield b"X-Tuiq-Queue-ID", report.queue_id.encode()


def _recipient_fields(
    report: Report, recipient: ReportedRecipient
) -> Iterator[tuple[bytes, bytes]]:
    if recipient.orcpt:
        yield b"Original-Recipient", _original(recipient.orcpt)
    yield b"Final-Recipient", _typed(recipient.address)
    yield b"Action", report.kind.value.encode()
    yield b"Status", _status(report, recipient)
    if recipient.remote_mta:
        yield b"Remote-MTA", b"dns; " + recipient.remote_mta
    if recipient.diagnostic:
        source = b"smtp" if _SMTP.match(recipient.diagnostic) else b"x-tuiq"
        words = b" ".join(recipient.diagnostic.split())
        yield b"Diagnostic-Code", b"%s; %s" % (source, words)
    if recipient.last_attempt is not None:
        yield b"Last-Attempt-Date", date_value(recipient.last_attempt)
    if report.kind is Kind.DELAYED and report.retry_until is not None:
        yield b"Will-Retry-Until", date_value(report.retry_until)


def _status(report: Report, recipient: ReportedRecipient) -> bytes:
    default = _DEFAULT_STATUS[report.kind]
    fits = _STATUS.fullmatch(recipient.status) and recipient.status[0] == default[0]
    return recipient.status if fits else default


def _typed(address: bytes) -> bytes:
    if address.isascii():
        return b"rfc822; " + address
    return b"utf-8; " + xtext.encode_utf8(address)


def _original(orcpt: bytes) -> bytes:
    """Return the decoded ORCPT; the ``utf-8`` type has an encoding of its own."""
    kind, _, value = orcpt.partition(b";")
    if kind.lower() == b"utf-8":
        return b"utf-8; " + (value if value.isascii() else xtext.encode_utf8(value))
    return b"%s; %s" % (kind, xtext.decode(value))


def _field(name: bytes, value: bytes) -> bytes:
    r"""Return one ASCII field, folded; other bytes are written as ``\xNN``."""
    safe = _NOT_ASCII_TEXT.sub(lambda byte: b"\\x%02x" % byte[0][0], value)
    line = b"%s: %s" % (name, safe)
    return (line if len(line) <= _WIDTH else _folded(line)) + b"\r\n"


def _folded(line: bytes) -> bytes:
    """Fold at single spaces; break words only where no line could hold them."""
    lines = [b""]
    for word in _FOLD_POINT.split(line):
        for start in range(0, len(word), _LONGEST_WORD):
            piece = word[start : start + _LONGEST_WORD]
            if lines[-1] and len(lines[-1]) + 1 + len(piece) > _WIDTH:
                lines.append(b"")
            lines[-1] += b" " + piece
    return b"\r\n".join(lines)[1:]


def _wrapped(text: str, *, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def _returned(report: Report) -> tuple[bytes, bytes]:
    """Return type and bytes of the third part.

    RET counts for failures only (RFC 3461 §4.3); a message too large to return
    is answered with its header, and a header too large is cut after a line.
    """
    full = report.original
    wanted = report.kind is Kind.FAILED and report.ret.upper() == b"FULL"
    if wanted and full is not None and len(full) <= MAX_RETURNED:
        return b"message/rfc822", full
    header = report.header
    if len(header) > MAX_RETURNED:
        header = b"".join(header[:MAX_RETURNED].rpartition(b"\r\n")[:2])
    return b"text/rfc822-headers", header
