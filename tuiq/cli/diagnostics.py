"""Exit statuses and the lines on stderr; nothing else writes there or maps errors.

An entry point hands its work to ``guarded``, which turns whatever comes out of it
into one sentence and one of the statuses of sysexits(3).
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from enum import IntEnum
from typing import TYPE_CHECKING

from tuiq import errors
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Callable


class ExitCode(IntEnum):
    """The statuses of sysexits(3) that tuiq uses, and those of signals."""

    OK = 0
    """All that was asked for is done."""
    USAGE = 64
    """The command line makes no sense; nothing was done."""
    DATAERR = 65
    """The message or file can never be accepted as it is."""
    NOINPUT = 66
    """There is no such message or file."""
    UNAVAILABLE = 69
    """A program or service that is needed is not there."""
    SOFTWARE = 70
    """A fault in tuiq itself."""
    OSERR = 71
    """The operating system could not do it."""
    CANTCREAT = 73
    """A file could not be made."""
    IOERR = 74
    """Reading or writing failed."""
    TEMPFAIL = 75
    """Not now; the same command may work later."""
    NOPERM = 77
    """The caller is not allowed to."""
    CONFIG = 78
    """The configuration or the set-up of the spool has to be mended first."""
    INTERRUPTED = 130
    """Stopped from the keyboard."""
    BROKEN_PIPE = 141
    """Whoever read the output has gone."""


# The first class that fits counts: a subclass stands before its parent.
_EXIT_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (errors.UsageError, ExitCode.USAGE),
    (errors.ConfigError, ExitCode.CONFIG),
    (errors.InputError, ExitCode.DATAERR),
    (errors.SpoolUnsafe, ExitCode.CONFIG),
    (errors.MessageGone, ExitCode.NOINPUT),
    (errors.MessageDamaged, ExitCode.DATAERR),
    (errors.TuiqError, ExitCode.TEMPFAIL),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
    (BrokenPipeError, ExitCode.BROKEN_PIPE),
    (FileNotFoundError, ExitCode.NOINPUT),
    (PermissionError, ExitCode.NOPERM),
)
_TEMPORARY_ERRNOS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.EINTR}
)


def exit_code_for(error: BaseException) -> ExitCode:
    """Return the status that *error* ends a process with."""
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return code
    if isinstance(error, OSError):
        temporary = error.errno in _TEMPORARY_ERRNOS
        return ExitCode.TEMPFAIL if temporary else ExitCode.IOERR
    return ExitCode.SOFTWARE


def describe(error: BaseException) -> str:
    """Return the sentence for *error*: ``what: reason``, without the program."""
    if isinstance(error, OSError) and error.strerror:
        reason = error.strerror[:1].lower() + error.strerror[1:]
        return f"{error.filename}: {reason}" if error.filename else reason
    return str(error) or type(error).__name__


def complain(trouble: BaseException | str) -> None:
    """Write ``tuiq: <sentence>`` on stderr, escaped, after what stdout still holds."""
    text = trouble if isinstance(trouble, str) else describe(trouble)
    # ValueError: the stream is closed.  Whoever has gone cannot be told.
    with suppress(OSError, ValueError):
        sys.stdout.flush()  # in a pipe the line would overtake what it speaks of
    with suppress(OSError, ValueError):
        sys.stderr.write(f"tuiq: {printable(text)}\n")
        sys.stderr.flush()


def guarded(work: Callable[[], int]) -> int:
    """Run *work* and return its status, or complain and return the error's."""
    try:
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.BROKEN_PIPE
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except (errors.TuiqError, OSError) as error:
        complain(error)
        return exit_code_for(error)
    except Exception as error:  # noqa: BLE001 - the outermost border
        return _fault(error)
    return code


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush stays quiet."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def _fault(error: Exception) -> ExitCode:
    """Report a fault of tuiq itself, with what somebody needs to mend it."""
    import traceback

    for line in "".join(traceback.format_exception(error)).splitlines():
        complain(line)
    complain(f"fault: {type(error).__name__}: {error}; please report the lines above")
    return ExitCode.SOFTWARE
