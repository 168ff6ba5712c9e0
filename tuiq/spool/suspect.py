"""Suspect directories: a sync failed, so what the kernel shows may not be on disk.

After a failed sync the kernel counts the pages as clean: the next sync succeeds and
writes nothing.  So the directory is left alone, ``run/suspect.<uuid>`` keeps that
in mind, and a runner that finds it writes one byte of every block again, which
makes the next sync a true one.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.errors import MessageBusy, MessageGone, SpoolUnsafe, UnknownFormat
from tuiq.log import printable
from tuiq.spool import control
from tuiq.spool.fs import pread_all, pwrite_all, write_all
from tuiq.spool.lock import lock_control, open_control

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.layout import QueueDirectory

BLOCK = 4096
"""Bytes that the page cache writes at once; a multiple of a slot and of a sector."""


def marker(directory: QueueDirectory) -> str:
    """Return the name in run/ that says a directory is suspect."""
    return f"suspect.{directory.uuid}"


def sharers(
    directory: QueueDirectory, directories: Iterable[QueueDirectory]
) -> list[QueueDirectory]:
    """Return those of *directories* that lie on the file system of *directory*."""
    device = directory.fs.fstat(directory.top_fd).st_dev
    return [d for d in directories if d.fs.fstat(d.top_fd).st_dev == device]


def mark_suspect(run_fd: int, directory: QueueDirectory, reason: str) -> None:
    """Let nothing more be taken into *directory*, or sent from it, until cleared.

    The marker is durable if the disk of run/ still works; ``blocked`` counts for
    this process in any case.  Raises nothing.
    """
    directory.blocked = (
        f"{directory.path}: a sync failed ({printable(reason)}); check the disk and "
        "the kernel's log, then restart the runner"
    )
    fs = directory.fs
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with contextlib.suppress(OSError):
        fd = fs.open(marker(directory), flags, dir_fd=run_fd)
        try:
            write_all(fs, fd, directory.blocked.encode() + b"\n")
            fs.fsync(fd)
        finally:
            fs.close(fd)
        fs.fsync(run_fd)


def is_marked(run_fd: int, directory: QueueDirectory) -> bool:
    """Say whether some process found *directory* suspect; raise OSError."""
    try:
        directory.fs.stat(marker(directory), dir_fd=run_fd)
    except FileNotFoundError:
        return False
    return True


@dataclass(slots=True, kw_only=True)
class Cleared:
    """How far making a directory trustworthy came."""

    busy: list[str] = field(default_factory=list)
    """Messages whose holders have to let go first."""
    problem: str = ""
    """Why the disk still cannot be trusted."""

    @property
    def is_done(self) -> bool:
        """Say whether the directory may be used again."""
        return not self.busy and not self.problem


def clear_suspect(run_fd: int, directory: QueueDirectory) -> Cleared:
    """Write every control file of a suspect directory anew, and sync it.

    When all are on disk the marker goes, durably, and ``blocked`` with it; until
    then both stay.  For a runner before it claims anything in there.
    """
    cleared = Cleared()
    try:
        for queue_id in sorted(directory.ids()):
            try:
                _rewrite(directory, queue_id)
            except MessageBusy:
                cleared.busy.append(queue_id)
            except (MessageGone, SpoolUnsafe, UnknownFormat):
                continue  # nothing is ever sent from such a file
        directory.fs.fsync(directory.qf_fd)
        if cleared.is_done:
            with contextlib.suppress(FileNotFoundError):
                directory.fs.unlink(marker(directory), dir_fd=run_fd)
            directory.fs.fsync(run_fd)
            directory.blocked = ""
    except OSError as error:
        mark_suspect(run_fd, directory, error.strerror or "error")
        cleared.problem = directory.blocked
    return cleared


def _rewrite(directory: QueueDirectory, queue_id: str) -> None:
    """Dirty and sync one control file; its bytes and its index time stay."""
    fs = directory.fs
    fd, seen = open_control(directory, queue_id)
    try:
        lock_control(directory, queue_id, fd, seen)
        head = pread_all(fs, fd, control.SLOTS, 0)
        header = control.decode_header(head, directory.path_of("qf" + queue_id))
        index_time = fs.fstat(fd).st_mtime_ns
        for offset in holder_bytes(header.count):
            pwrite_all(fs, fd, fs.pread(fd, 1, offset), offset)
        fs.futimens(fd, index_time)
        fs.fsync(fd)
    finally:
        fs.close(fd)


def holder_bytes(count: int) -> list[int]:
    """Return the offset of one byte of the lock holder in each block with any.

    The first block has MSTATE, each later one begins with a slot, whose first byte
    is RSTATE; behind the slots nothing ever changes.
    """
    return [control.MSTATE, *range(BLOCK, control.slot_at(count), BLOCK)]
