"""Every error that crosses a layer of tuiq.

One root, ``TuiqError``.  A subclass says by its *type* whether the trouble is
temporary, permanent or a lost race; the text is for people only and is worded
``<what>: <reason>; <remedy>`` in lower case without a full stop.  Only
``tuiq.cli.diagnostics`` turns these into exit statuses and stderr lines.
"""

from __future__ import annotations


class TuiqError(Exception):
    """The root of all errors that tuiq raises on purpose."""


class UsageError(TuiqError):
    """A command line that cannot be understood (sysexits 64)."""


class ConfigError(TuiqError):
    """A configuration file or value that cannot be used (sysexits 78)."""

    def __init__(self, file: str, key: str, reason: str) -> None:
        """Name the *file*, the *key* in it (may be empty) and what to do."""
        self.file = file
        self.key = key
        self.reason = reason
        where = f"{file}: {key}" if key else file
        super().__init__(f"{where}: {reason}")


class NoConfig(ConfigError):
    """No file was named and none was found: nothing is set up yet."""


class InputError(TuiqError, ValueError):
    """A message or address that can never be accepted (sysexits 65)."""


class SpoolError(TuiqError):
    """Anything that goes wrong with files below a spool."""


class SpoolUnsafe(SpoolError):
    """A directory or file whose owner, mode or kind makes it untrustworthy."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        """Name the *path*, the *reason* and the *remedy*."""
        self.path = path
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{path}: {reason}; {remedy}")


class SpoolUnavailable(SpoolError):
    """The spool cannot take or give mail just now; try later (sysexits 75)."""


class NotQueueUser(SpoolUnavailable):
    """The caller's uid is neither root nor the queue user."""


class MessageGone(SpoolError, LookupError):
    """The message is no longer there: delivered, deleted or moved meanwhile."""

    def __init__(self, queue_id: str) -> None:
        """Name the message that is gone."""
        self.queue_id = queue_id
        super().__init__(
            f"{queue_id}: no such message in this spool; if it was here, tuiq trace "
            "tells what became of it"
        )


class MessageBusy(SpoolError):
    """Somebody else holds the lock of the message; an expected, lost race."""

    def __init__(self, queue_id: str) -> None:
        """Name the message that is locked."""
        self.queue_id = queue_id
        super().__init__(f"{queue_id}: locked by another process; try again later")


class MessageDamaged(SpoolError):
    """A queue file that must not be delivered from until a person looked at it."""

    def __init__(self, path: str, reason: str, remedy: str) -> None:
        """Name the file's *path*, the *reason* and the *remedy*."""
        self.path = path
        self.reason = reason
        self.remedy = remedy
        super().__init__(f"{path}: {reason}; {remedy}")


class UnknownFormat(MessageDamaged):
    """Not a queue file of this version: never written to, only reported."""


class IllegalTransition(SpoolError):
    """A state change that the format does not allow; nothing was written."""


class DeliveryError(TuiqError):
    """The next hop could not be used; no recipient was attempted."""
