"""What to do with a message that has come due, decided from one unlocked read."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tuiq.spool.flags import MState
from tuiq.spool.lifecycle import due_indexes, sane

if TYPE_CHECKING:
    from tuiq.spool.entry import QueueEntry


class Lot(Enum):
    """The four things a due message can need."""

    DELIVER = "deliver"
    """Somebody is to be tried: it queues for a connection."""
    VISIT = "visit"
    """No attempt, but a claim: requests, bounces, trash, a wrong index time."""
    REPORT = "report"
    """It is damaged, or a move left it: only a person can help."""


def sort_out(entry: QueueEntry, now: float, *, retry_doubt: bool) -> Lot:
    """Say what a message needs; the claim decides again, on locked bytes."""
    if entry.damage or entry.mstate != MState.QUEUED:
        return Lot.REPORT
    # What a dead runner left open is todo again once it is claimed.
    states = entry.states.replace(b"A", b"T")
    if retry_doubt:
        states = states.replace(b"U", b"T")
    if entry.is_held or b"T" not in states:
        return Lot.VISIT
    if sane(entry.next_attempt, now) > now and not entry.flush_pending:
        return Lot.VISIT
    due = due_indexes(
        states, entry.requests, entry.nexts(), now=now, flush=entry.flush_pending
    )
    return Lot.DELIVER if due else Lot.VISIT
