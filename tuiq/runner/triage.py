"""Whether a message that has come due needs a connection, from one unlocked read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.spool.flags import MState
from tuiq.spool.lifecycle import due_indexes, sane

if TYPE_CHECKING:
    from tuiq.spool.entry import QueueEntry


def needs_connection(entry: QueueEntry, now: float, *, retry_doubt: bool) -> bool:
    """Say whether somebody is to be tried; the claim decides again, under the lock.

    False: a claim alone does what there is to do, be it requests, bounces, trash, a
    wrong index time, or to name what is wrong with the file.
    """
    if entry.damage or entry.mstate != MState.QUEUED or entry.is_held:
        return False
    # What a dead runner left open is todo again once it is claimed.
    states = entry.states.replace(b"A", b"T")
    if retry_doubt:
        states = states.replace(b"U", b"T")
    if sane(entry.next_attempt, now) > now and not entry.flush_pending:
        return False
    due = due_indexes(
        states, entry.requests, entry.nexts(), now=now, flush=entry.flush_pending
    )
    return bool(due)
