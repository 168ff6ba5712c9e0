"""Sequence G: a message is over; its files go in an order no crash can hurt.

MSTATE F becomes durable before the first unlink, so whatever a crash leaves,
the control file says that nothing may be delivered from it any more.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged, MessageGone
from tuiq.spool.claim import Claim, lock_message
from tuiq.spool.flags import MState

if TYPE_CHECKING:
    from tuiq.spool.layout import QueueDirectory

_ORDER = ("df", "xf", "bf", "qf")
_ORDER_UNSYNCED = ("qf", "df", "xf", "bf")
"""Without a sync of F the control file must go first: garbage, never a live
message without its data."""


def mark_finished(claim: Claim) -> None:
    """Write MSTATE F (G2); the caller syncs before ``remove``."""
    if claim.mstate != MState.FINISHED:
        claim.set_message(MState.FINISHED)


def remove(claim: Claim, *, synced: bool = True) -> None:
    """Unlink the files of a finished message (G3-G5); keep the lock.

    Not followed by a directory sync: an unlink that a crash undoes brings back
    a message that says F.
    """
    directory = claim.directory
    for prefix in _ORDER if synced else _ORDER_UNSYNCED:
        with contextlib.suppress(FileNotFoundError):
            directory.fs.unlink(prefix + claim.queue_id, dir_fd=directory.fd_of(prefix))


def finish_now(claim: Claim) -> None:
    """Do all of G with a sync of its own, and release the lock."""
    try:
        mark_finished(claim)
        claim.sync()
        remove(claim)
    finally:
        claim.close()


def claim_message(directory: QueueDirectory, queue_id: str) -> Claim:
    """Lock a live message (C2-C4).

    A finished one is removed (G3) and MessageGone raised; one that a move left
    behind, or that waits for a person, raises MessageDamaged and is left alone.
    """
    claim = lock_message(directory, queue_id)
    if claim.mstate == MState.QUEUED:
        return claim
    try:
        if claim.mstate == MState.FINISHED:
            # The F may be a dead runner's that no sync has covered yet.
            claim.sync()
            remove(claim)
            raise MessageGone(queue_id)
        raise MessageDamaged(directory.path_of("qf" + queue_id), *_LEFT[claim.mstate])
    finally:
        claim.close()


_LEFT: dict[bytes, tuple[str, str]] = {
    b"P": ("is a copy that a move has not finished", "leave it to tuiq move"),
    b"M": ("was moved to another queue directory", "leave it to tuiq move"),
    b"C": ("was found damaged", "see tuiq check; then tuiq requeue or tuiq delete"),
}
