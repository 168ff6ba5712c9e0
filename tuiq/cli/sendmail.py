"""``sendmail``, ``newaliases`` and the ``-bp`` of ``mailq``: mail in from programs.

What is decided where sendmails differ:

- ``-t`` with address arguments: both count (sendmail, Postfix; not Exim).  With
  Resent-To, -Cc or -Bcc in the header these count and To, Cc, Bcc do not.
- Bcc and Resent-Bcc are always removed, with ``-t`` or without (Postfix): the
  one mistake in this that nobody can take back is to show them.
- One bad recipient refuses the message as a whole, so nobody is left out unseen.
- The message needs SMTPUTF8 only where an envelope address does.

This runs for every mail that cron or a web server sends: what one mode alone
needs is imported there.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from tuiq import config as configuration
from tuiq.cli.diagnostics import ExitCode, complain, guarded
from tuiq.cli.sendmail_options import HELP, Mode, Options, parse
from tuiq.config import Config, SubmissionConfig
from tuiq.errors import ConfigError, InputError, NotQueueUser, UsageError
from tuiq.log import printable
from tuiq.mail import address, aliases, headers, message, plain
from tuiq.mail.envelope import Envelope, Recipient

_RECIPIENT_FIELDS = (b"to", b"cc", b"bcc")
_RESENT_FIELDS = (b"resent-to", b"resent-cc", b"resent-bcc")
_HIDDEN_FIELDS = frozenset({b"bcc", b"resent-bcc"})


class Submitter(Protocol):
    """The part of a spool that takes mail."""

    def submit(
        self,
        envelope: Envelope,
        data: Iterable[bytes],
        received: Callable[[str], bytes] | None = None,
    ) -> str:
        """Queue a message durably and return its queue id."""
        ...


Opener = Callable[[Config], AbstractContextManager[Submitter]]


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


class _Resumed:
    """Standard input with what somebody read of it in front."""

    def __init__(self, taken: bytes, rest: message.Readable) -> None:
        self._taken = io.BytesIO(taken)
        self._rest = rest

    def read(self, size: int, /) -> bytes:
        """Return up to *size* bytes, ``b""`` at the end."""
        return self._taken.read(size) or self._rest.read(size)


def main(taken: bytes = b"") -> int:
    """Run the command line of this process; return the exit status.

    *taken* was read from standard input already.
    """
    # Python has no stdin object when the descriptor is closed.
    stdin = _Resumed(taken, sys.stdin.buffer) if sys.stdin else None
    return guarded(lambda: run(sys.argv, stdin, opener=_open_spool))


def run(argv: Sequence[str], stdin: message.Readable | None, *, opener: Opener) -> int:
    """Do what *argv* asks for; return the exit status."""
    if list(argv[1:]) == ["--help"]:
        print(HELP)
        return ExitCode.OK
    if list(argv[1:2]) == ["--install"]:
        return _install(argv[2:])
    options = parse(argv)
    if options.verbose and options.ignored:
        complain(f"not known here and passed over: {' '.join(options.ignored)}")
    if options.mode is Mode.SMTP:
        raise UsageError(
            "-bs: read command line: SMTP on standard input is not offered; "
            "use -t, or name the recipients"
        )
    if options.mode in (Mode.LIST, Mode.FLUSH):
        return _act_on_queue(options)
    config = _configuration()
    if options.mode is Mode.ALIASES:
        _read_aliases(config.submission)
        return ExitCode.OK
    return _take_mail(options, stdin, config, opener=opener)


def _take_mail(
    options: Options,
    stdin: message.Readable | None,
    config: Config,
    *,
    opener: Opener,
) -> int:
    """Queue the message on *stdin*, or (``-bv``) say who would get it."""
    if not options.recipients and not options.from_headers:
        raise UsageError("sendmail: read command line: no recipients; name them or -t")
    if options.mode is Mode.VERIFY:
        return _verify(options, config.submission)
    if stdin is None:
        raise InputError("standard input: read message: it is closed; pipe the mail in")
    return _submit(options, stdin, config, opener=opener)


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


def _configuration() -> Config:
    """Return the settings; mail of a user who may not read them can be tried again.

    A mistake in a section that submission has no use for is no reason to refuse mail.
    """
    try:
        return configuration.load(sections=("spool", "submission"))
    except ConfigError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        raise NotQueueUser(
            f"{error.file}: not open to uid {os.getuid()}; let root or the queue user "
            f"run: tuiq init --drop {os.path.dirname(error.file)}"
        ) from error


def _open_spool(config: Config) -> AbstractContextManager[Submitter]:
    from tuiq.spool.intake import open_submission

    return open_submission(config)


def _submit(
    options: Options, stdin: message.Readable, config: Config, *, opener: Opener
) -> int:
    # Opening the spool as root changes the uid: look at it before.
    caller = caller_of_process()
    submission = compose(options, stdin, config.submission, caller)
    with opener(config) as spool:
        queue_id = spool.submit(
            submission.envelope, submission.data, submission.received
        )
    if options.verbose:
        print(printable(f"queued as {queue_id}"))
    return ExitCode.OK


def _data(head: bytes, body: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from body


def _envelope(
    options: Options, header: bytes, config: SubmissionConfig, caller: Caller
) -> Envelope:
    raw = [item for word in options.recipients for item in address.read_list(word)]
    if options.from_headers:
        raw += _header_recipients(header)
    recipients = _expanded(raw, config)
    sender = _sender(options, caller, _origin(config))
    plain = sender.isascii() and all(map(bytes.isascii, recipients))
    return Envelope(
        sender=sender,
        recipients=tuple(
            Recipient(address=each, notify=options.notify) for each in recipients
        ),
        ret=options.ret,
        envid=options.envid,
        body=options.body,
        smtputf8=not plain,
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


def _expanded(raw: Iterable[bytes], config: SubmissionConfig) -> list[bytes]:
    """Return the canonical recipients, aliases expanded, each of them once."""
    entries = _read_aliases(config)
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


def _read_aliases(config: SubmissionConfig) -> aliases.Aliases:
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


def _verify(options: Options, config: SubmissionConfig) -> int:
    """Print the addresses that the arguments stand for."""
    raw = [item for word in options.recipients for item in address.read_list(word)]
    for each in _expanded(raw, config):
        print(f"{printable(each)}... deliverable")
    return ExitCode.OK


def _install(files: Sequence[str]) -> int:
    """Write the program that starts faster than the one of the package installer."""
    from tuiq.cli.sendmail_install import install

    if len(files) != 1:
        raise UsageError("--install: read command line: name one file to be written")
    for line in install(files[0]):
        complain(line)
    return ExitCode.OK


def _act_on_queue(options: Options) -> int:
    """List or flush the messages that the ``-q`` flags select, or all."""
    from tuiq.cli.main import dispatch

    selection = ["--filter", " ".join(options.filters)] if options.filters else []
    if options.mode is Mode.LIST:
        return dispatch(["mailq", *selection])
    return dispatch(["flush", *(selection or ["ALL"]), "--yes"])
