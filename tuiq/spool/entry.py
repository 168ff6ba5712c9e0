"""``QueueEntry``: a lock-free snapshot of one message, as listings show it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """The one word for a message; the first that fits, in this order."""

    DAMAGED = "damaged"
    TRASHED = "trashed"
    HELD = "held"
    ACTIVE = "active"
    DOUBT = "doubt"
    FAILED = "failed"
    PAUSED = "paused"
    DEFERRED = "deferred"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientView:
    """One recipient slot, decoded."""

    index: int
    address: bytes
    orcpt: bytes
    notify: bytes
    state: bytes
    """RSTATE byte; see ``flags.RState``."""
    request: bytes
    """RREQ byte; see ``flags.RReq``."""
    tries: int
    next_attempt: int
    """Epoch seconds; 0 = now."""
    code: bytes
    """Last reply code, three digits or empty."""
    status: bytes
    """Last enhanced status or empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueEntry:
    """What one read of a control file said; nothing is locked, nothing is kept open."""

    queue_id: str
    directory: str
    """The queue directory's name, ``q.1``."""
    birth: float
    """Epoch seconds."""
    size: int
    """Length of the data in bytes."""
    sender: bytes
    count: int
    """Number of recipients."""
    states: bytes
    """One RSTATE byte per recipient."""
    requests: bytes
    """One RREQ byte per recipient."""
    mstate: bytes
    hold: bytes
    request: bytes
    """MREQ byte."""
    flush_pending: bool
    warned: bool
    """A delay notice was queued."""
    opened: int
    """Claims without a verdict since the last finished pass."""
    next_attempt: int
    """Epoch seconds; 0 = now."""
    tries: int
    last_attempt: int
    """Epoch seconds; 0 = never."""
    trashed_at: int
    """Epoch seconds; 0 = not in the trash."""
    base: int
    """Epoch seconds from which lifetime and retry curve count."""
    last_reply: bytes
    """Escaped text of the last reply that concerned the message."""
    index_time: float
    """The file's mtime: when a runner looks next."""
    ret: bytes
    envid: bytes
    body: bytes
    smtputf8: bool
    uid: int | None
    via: bytes
    damage: str = ""
    """One sentence when the file cannot be trusted; other fields are then best effort."""

    def recipients(self) -> list[RecipientView]:
        """Return all recipients in slot order."""
        raise NotImplementedError
