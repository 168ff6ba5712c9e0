"""Sequence G: a message is over; its files go in an order no crash can hurt.

The short way is for ids that never come again: the control file goes first, for it is
the message; what it needs goes when a sync of its directory has made that durable.
Others might be given to a new message as soon as the control file is gone (a notice,
a submission that failed and is repeated): their F is synced, and the control file
goes last, so that the lock keeps the id until nothing is left.  Either way a crash
leaves a message with all its files, one that says F, or files without a message.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged, MessageGone
from tuiq.spool import control
from tuiq.spool.claim import Claim, lock_message
from tuiq.spool.control import Origin
from tuiq.spool.flags import MState
from tuiq.spool.fs import pwrite_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.layout import QueueDirectory

_TEXTS = ("xf", "bf")
_ONCE = frozenset({Origin.LOCAL.value, Origin.DROP.value})


def mark_finished(claim: Claim) -> None:
    """Write MSTATE F (G1): until the control file is gone, nobody is to deliver it."""
    if claim.mstate != MState.FINISHED:
        claim.set_message(MState.FINISHED)


def is_unique(claim: Claim) -> bool:
    """Say whether no other message will ever have the id of this one.

    A notice's id follows from the message it is about; a message that nobody was
    tried for may be the rest of a submission that is repeated under its id.
    """
    return claim.header.origin in _ONCE and claim.states.strip(b"T") != b""


def unlink_control(directory: QueueDirectory, queue_id: str) -> None:
    """Unlink the control file of a message that says F (G2); the caller syncs.

    Where the id is unique this may be done for the holder of the lock by another
    process, even if the holder dies meanwhile.
    """
    _unlink(directory, "qf", queue_id)


def unlink_rest(directory: QueueDirectory, queue_id: str, *, has_texts: bool) -> None:
    """Unlink what belongs to a control file that is durably gone, or F (G4).

    With ``durability = "none"`` nobody waits for that: after a power loss the
    message may be back without its data.  Not followed by a sync: what a crash
    brings back is garbage.
    """
    _unlink(directory, "df", queue_id)
    if has_texts:
        for prefix in _TEXTS:
            _unlink(directory, prefix, queue_id)


def unlink_all(claim: Claim) -> None:
    """Unlink the files of a message whose F is durable, the control file last."""
    unlink_rest(claim.directory, claim.queue_id, has_texts=claim.has_texts)
    unlink_control(claim.directory, claim.queue_id)


def _unlink(directory: QueueDirectory, prefix: str, queue_id: str) -> None:
    with suppress(FileNotFoundError):
        directory.fs.unlink(prefix + queue_id, dir_fd=directory.fd_of(prefix))


def remove_finished(claim: Claim) -> None:
    """Remove a message whose F some other process wrote, maybe just before it died.

    The F may be one that no sync covered, or that a failed sync lost while the
    page cache kept it: written again, the sync cannot skip it.
    """
    pwrite_all(claim.fs, claim.fd, MState.FINISHED.value, control.MSTATE)
    claim.sync()
    unlink_all(claim)


def claim_message(
    directory: QueueDirectory,
    queue_id: str,
    *,
    over: Callable[[Claim], None] | None = None,
) -> Claim:
    """Lock a live message (C2-C4).

    A finished one is given to *over*, which closes it some time, or removed here;
    then MessageGone is raised.  One that a move left behind, or that waits for a
    person, raises MessageDamaged and is left alone.
    """
    claim = lock_message(directory, queue_id)
    if claim.buffer[control.MSTATE] == _QUEUED:
        return claim
    if claim.mstate == MState.FINISHED and over is not None and is_unique(claim):
        over(claim)
        raise MessageGone(queue_id)
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
