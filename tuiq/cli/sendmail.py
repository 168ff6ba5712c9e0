"""``sendmail``, ``newaliases`` and the ``-bp`` of ``mailq``: mail in from programs.

This runs for every mail that cron or a web server sends: what one mode alone
needs is imported there.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from tuiq import config as configuration
from tuiq.cli.diagnostics import ExitCode, complain, guarded
from tuiq.cli.sendmail_message import (
    caller_of_process,
    compose,
    expanded,
    read_aliases,
)
from tuiq.cli.sendmail_options import HELP, Mode, Options, parse
from tuiq.config import Config, SubmissionConfig
from tuiq.errors import ConfigError, InputError, NotQueueUser, UsageError
from tuiq.log import printable
from tuiq.mail import address, message
from tuiq.mail.envelope import Envelope


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
        read_aliases(config.submission)
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


def _verify(options: Options, config: SubmissionConfig) -> int:
    """Print the addresses that the arguments stand for."""
    raw = [item for word in options.recipients for item in address.read_list(word)]
    for each in expanded(raw, config):
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
