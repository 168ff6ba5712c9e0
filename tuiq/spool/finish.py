"""Sequence G: a message is over; its files go in an order no crash can hurt.

MSTATE F becomes durable before the first unlink, so whatever a crash leaves,
the control file says that nothing may be delivered from it any more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged, MessageGone
from tuiq.spool import control
from tuiq.spool.claim import Claim, lock_message
from tuiq.spool.flags import MState
from tuiq.spool.fs import pwrite_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.spool.layout import QueueDirectory

ORDER = ("df", "xf", "bf", "qf")
_TEXTS = frozenset({"xf", "bf"})
ORDER_UNSYNCED = ("qf", "df", "xf", "bf")
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
    order = ORDER if synced else ORDER_UNSYNCED
    remove_files(
        claim.directory, claim.queue_id, has_texts=claim.has_texts, order=order
    )


def remove_files(
    directory: QueueDirectory,
    queue_id: str,
    *,
    has_texts: bool,
    order: Sequence[str] = ORDER,
) -> None:
    """Unlink the files of a message that says F, in *order*.

    Ids are never used again and F is final, so this may be done for the holder of
    the lock by another process, even if the holder dies meanwhile.
    """
    unlink = directory.fs.unlink
    for prefix in order:
        if prefix in _TEXTS and not has_texts:
            continue
        try:
            unlink(prefix + queue_id, dir_fd=directory.fd_of(prefix))
        except FileNotFoundError:
            continue


def remove_finished(claim: Claim) -> None:
    """Remove a message whose F some other process wrote, maybe just before it died.

    The F may be one that no sync covered, or that a failed sync lost while the
    page cache kept it: written again, the sync cannot skip it.
    """
    directory = claim.directory
    pwrite_all(directory.fs, claim.fd, MState.FINISHED.value, control.MSTATE)
    claim.sync()
    remove(claim)


def claim_message(directory: QueueDirectory, queue_id: str) -> Claim:
    """Lock a live message (C2-C4).

    A finished one is removed (G3) and MessageGone raised; one that a move left
    behind, or that waits for a person, raises MessageDamaged and is left alone.
    """
    claim = lock_message(directory, queue_id)
    if claim.buffer[control.MSTATE] == _QUEUED:
        return claim
    try:
        if claim.mstate == MState.FINISHED:
            remove_finished(claim)
            raise MessageGone(queue_id)
        raise MessageDamaged(directory.path_of("qf" + queue_id), *_LEFT[claim.mstate])
    finally:
        claim.close()


def remove_withdrawn(directory: QueueDirectory, queue_id: str) -> bool:
    """Say whether a control file is only the rest of a failed submission; remove it.

    Such a one says F although no recipient was ever attempted: its message was not
    accepted.  True too when it is gone by now.  Raises MessageBusy.
    """
    if not _says_finished(directory, queue_id):
        return False
    try:
        claim = lock_message(directory, queue_id)
    except MessageGone:
        return True
    try:
        if claim.mstate != MState.FINISHED or claim.states.strip(b"T"):
            return False
        remove_finished(claim)
        return True
    finally:
        claim.close()


def _says_finished(directory: QueueDirectory, queue_id: str) -> bool:
    """Look at MSTATE without the lock; F is final, and so is absence."""
    fs = directory.fs
    try:
        fd = fs.open("qf" + queue_id, os.O_RDONLY, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return True
    try:
        return fs.pread(fd, 1, control.MSTATE) == MState.FINISHED.value
    finally:
        fs.close(fd)


_QUEUED = MState.QUEUED[0]
_LEFT: dict[bytes, tuple[str, str]] = {
    b"P": ("is a copy that a move has not finished", "leave it to tuiq move"),
    b"M": ("was moved to another queue directory", "leave it to tuiq move"),
    b"C": ("was found damaged", "see tuiq check; then tuiq requeue or tuiq delete"),
}
