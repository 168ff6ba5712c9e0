"""The one-byte states and requests of a control file, and their legal changes.

The value of a member *is* the byte on disk (FORMAT.md).  A byte that is no
member means "do not deliver, report": readers fail closed.
"""

from __future__ import annotations

from enum import Enum


class MState(bytes, Enum):
    """The state of a message; only the lock holder changes it."""

    QUEUED = b"Q"
    """Live: recipients' own states count."""
    PENDING = b"P"
    """A copy that a move has not activated yet: never delivered."""
    MOVED = b"M"
    """A move decided that the copy elsewhere is the message."""
    FINISHED = b"F"
    """Over: only its files remain to be unlinked."""
    CORRUPT = b"C"
    """A person has to look at it."""


class RState(bytes, Enum):
    """The state of a recipient; only the lock holder changes it."""

    TODO = b"T"
    ATTEMPT = b"A"
    """An attempt is open; the final dot was not sent."""
    UNKNOWN = b"U"
    """The final dot was sent and no verdict is known: in doubt."""
    DELIVERED = b"D"
    """A 2xx was seen.  Final, no undo."""
    FAILED = b"F"
    """Failed, the sender was not told yet."""
    BOUNCED = b"B"
    """Failed and reported.  Final."""
    CANCELLED = b"X"
    """By an operator; with reply code 250: delivered, by operator's word."""


OPEN = b"TAUF"
"""The states in which a recipient is not settled."""
UNDECIDED = b"TAU"
"""Those of them in which a server may still decide."""


class MReq(bytes, Enum):
    """What an operator asks of the whole message; written without the lock."""

    NONE = b"-"
    DELETE = b"X"
    BOUNCE = b"B"
    PURGE = b"P"


class RReq(bytes, Enum):
    """What an operator asks of one recipient; written without the lock."""

    NONE = b"-"
    HOLD = b"H"
    CANCEL = b"X"
    BOUNCE = b"B"


class MHold(bytes, Enum):
    """Whether an operator holds the message."""

    NONE = b"-"
    HELD = b"H"


class Notice(bytes, Enum):
    """Whether the delay notice was queued."""

    NONE = b"-"
    WARNED = b"W"


FINAL = frozenset({RState.DELIVERED, RState.BOUNCED, RState.CANCELLED})
"""Recipient states that no delivery leaves again."""

LEGAL_MESSAGE: dict[bytes, bytes] = {
    b"P": b"Q",
    b"Q": b"MFC",
    b"C": b"QF",
    b"M": b"F",
    b"F": b"",
}
"""MSTATE -> the states it may change to (C -> F: an operator removes it)."""

LEGAL_RECIPIENT: dict[bytes, bytes] = {
    b"T": b"AXF",
    b"A": b"TUFX",
    b"U": b"DFTX",
    b"F": b"BTX",
    b"X": b"T",
    b"D": b"",
    b"B": b"",
}
"""RSTATE -> the states it may change to."""

GENERATIONS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""FLUSHGEN and FLUSHACK cycle through these."""
