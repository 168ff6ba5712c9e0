"""From a command line, a header and whoever calls to the message that is queued.

What is decided where sendmails differ:

- ``-t`` with address arguments: both count (sendmail, Postfix; not Exim).  With
  Resent-To, -Cc or -Bcc in the header these count and To, Cc, Bcc do not.
- Bcc and Resent-Bcc are always removed, with ``-t`` or without (Postfix): the
  one mistake in this that nobody can take back is to show them.
- One bad recipient refuses the message as a whole, so nobody is left out unseen.
- The message needs SMTPUTF8 only where an envelope address does.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from tuiq.cli.sendmail_options import Options
from tuiq.config import SubmissionConfig
from tuiq.errors import ConfigError, InputError, UsageError
from tuiq.mail import address, aliases, headers, message, plain
from tuiq.mail.envelope import Envelope, Recipient

_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc")
_RESENT_FIELDS = (b"resent-to", b"resent-cc", b"resent-bcc")
_HIDDEN_FIELDS = frozenset({b"bcc", b"resent-bcc"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who runs the command, and when."""

    uid: int
    login: str
    full_name: str
    now: float
    """Epoch seconds."""
    utc_offset: int
    """Seconds east of Greenwich, for the fields that people read."""
    token: str
    """Random, for the Message-ID."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A message ready to be queued."""

    envelope: Envelope
    data: Iterator[bytes]
    """Wire form; reading it may raise InputError."""
    received: Callable[[str], bytes] | None
    """Makes the Received field from the queue id; None: none is wanted."""


def compose(
    options: Options, stdin: message.Readable, config: SubmissionConfig, caller: Caller
) -> Submission:
    """Read the header from *stdin* and make the message that will be queued.

    Raises InputError for what can never be accepted, ConfigError for an alias
    that cannot be used.
    """
    data = message.read(
        stdin, dot_ends=options.dot_ends, max_bytes=config.max_message_bytes
    )
    if headers.is_looping(data.header, config.max_hops):
        raise InputError(
            f"message: read header: {config.max_hops} or more Received fields, "
            "it is in a mail loop; find who forwards it back (submission.max_hops)"
        )
    host = config.hostname.encode()
    date = headers.date_value(caller.now, caller.utc_offset)
    envelope = _envelope(options, data.header, config, caller)
    kept = headers.without(data.header, _HIDDEN_FIELDS)
    added = headers.additions(
        kept,
        date=date,
        message_id=plain.message_id(caller.now, caller.token, host),
        sender=envelope.sender or b"MAILER-DAEMON@" + _origin(config),
        full_name=_full_name(options, caller),
    )

    def received(queue_id: str) -> bytes:
        return headers.received_line(
            hostname=host, queue_id=queue_id, uid=caller.uid, date=date
        )

    return Submission(
        envelope=envelope,
        data=_data(kept + added + b"\r\n", data.body),
        received=received if config.received_header else None,
    )


def caller_of_process() -> Caller:
    """Return who called this process (by uid, not by environment), and now."""
    uid = os.getuid()
    now = time.time()
    login, full_name = plain.user(uid)
    return Caller(
        uid=uid,
        login=login,
        full_name=full_name,
        now=now,
        utc_offset=time.localtime(now).tm_gmtoff,
        token=os.urandom(8).hex(),
    )


def _data(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from body


def _envelope(
    options: Options, header: bytes, config: SubmissionConfig, caller: Caller
) -> Envelope:
    raw = [item for word in options.recipients for item in address.read_list(word)]
    if options.from_headers:
        raw += _header_recipients(header)
    recipients = expanded(raw, config)
    sender = _sender(options, caller, _origin(config))
    is_ascii = sender.isascii() and all(map(bytes.isascii, recipients))
    return Envelope(
        sender=sender,
        recipients=tuple(
            Recipient(address=each, notify=options.notify) for each in recipients
        ),
        ret=options.ret,
        envid=options.envid,
        body=options.body,
        smtputf8=not is_ascii,
        uid=caller.uid,
        via=b"sendmail",
    )


def _header_recipients(header: bytes) -> Iterator[bytes]:
    """Yield the addresses of To, Cc, Bcc, or of their Resent- forms if any."""
    found = {
        name: headers.values(header, name)
        for name in (*_RESENT_FIELDS, *_RECIPIENT_FIELDS)
    }
    resent = any(found[name] for name in _RESENT_FIELDS)
    for name in _RESENT_FIELDS if resent else _RECIPIENT_FIELDS:
        for value in found[name]:
            yield from address.read_list(value)


def expanded(raw: Iterable[bytes], config: SubmissionConfig) -> list[bytes]:
    """Return the canonical recipients, aliases expanded, each of them once."""
    entries = read_aliases(config)
    origin = _origin(config)
    file = str(config.aliases)
    canonical: list[bytes] = []
    for item in raw:
        if entries and address.is_unqualified(item):
            canonical += aliases.expand(item, entries, origin=origin, file=file)
        else:
            canonical.append(address.parse(item, origin))
    recipients = address.dedupe(canonical)
    if not recipients:
        raise InputError("message: read recipients: there are none; fill in To")
    if len(recipients) > config.max_recipients:
        raise InputError(
            f"message: read recipients: {len(recipients)} are more than "
            f"{config.max_recipients}; send to fewer, or raise "
            "submission.max_recipients"
        )
    return recipients


def _sender(options: Options, caller: Caller, origin: bytes) -> bytes:
    """Return the reverse-path: -f, or the user; ``<>`` and ``''`` are null."""
    if options.sender is None:
        return address.parse(caller.login.encode(), origin)
    if options.sender.strip() in (b"", b"<>"):
        return b""
    items = address.read_list(options.sender)
    if len(items) != 1:
        raise UsageError("-f: read command line: not one address; give local@domain")
    return address.parse(items[0], origin)


def _full_name(options: Options, caller: Caller) -> str:
    if options.full_name is not None:
        return options.full_name
    return caller.full_name if options.sender is None else ""


def _origin(config: SubmissionConfig) -> bytes:
    return (config.origin or config.hostname).encode()


def read_aliases(config: SubmissionConfig) -> aliases.Aliases:
    """Return the aliases; a file that cannot be read stops all submission.

    Without it mail would go where nobody reads it.
    """
    if config.aliases is None:
        return {}
    try:
        text = config.aliases.read_bytes()
    except OSError as error:
        reason = (error.strerror or "not readable").lower()
        raise ConfigError(
            str(config.aliases), "", f"read aliases: {reason}; mend submission.aliases"
        ) from error
    return aliases.parse_aliases(text, file=str(config.aliases))
