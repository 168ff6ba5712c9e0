"""Reading control files without a lock."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnsafe
from tuiq.spool.entry import QueueEntry, decode_entry
from tuiq.spool.fs import pread_all
from tuiq.spool.lock import NOT_A_FILE, check_file, unsafe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.spool.layout import QueueDirectory


def read_entries(
    directory: QueueDirectory, queue_ids: Iterable[str]
) -> Iterator[QueueEntry]:
    """Read messages without locking; what is gone or finished is left out."""
    for queue_id in queue_ids:
        entry = read_entry(directory, queue_id)
        if entry is not None:
            yield entry


def read_entry(directory: QueueDirectory, queue_id: str) -> QueueEntry | None:
    """Read one message without locking; None when it is gone or finished.

    Raises OSError only when there is no file descriptor left.
    """
    name = "qf" + queue_id
    raw, mtime, damage = b"", 0.0, ""
    try:
        raw, mtime, damage = _read_control(directory, name)
    except FileNotFoundError:
        return None
    except SpoolUnsafe as error:
        damage = str(error)
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise
        reason = (error.strerror or "cannot be read").lower()
        damage = f"{directory.path_of(name)}: {reason}; see tuiq check"
    entry = decode_entry(
        raw, directory=directory.name, name=name, mtime=mtime, damage=damage
    )
    return None if entry.mstate == b"F" and not entry.damage else entry


def _read_control(directory: QueueDirectory, name: str) -> tuple[bytes, float, str]:
    """Return content, mtime and what is wrong with a control file as a file.

    Raises SpoolUnsafe for what is no file at all, OSError when it cannot be read.
    """
    fs = directory.fs
    try:
        fd = fs.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=directory.qf_fd)
    except OSError as error:
        if error.errno in NOT_A_FILE:
            raise unsafe(directory, name) from None
        raise
    try:
        info = fs.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise unsafe(directory, name)
        damage = ""
        try:
            check_file(directory, name, info)
        except SpoolUnsafe as error:
            damage = str(error)
        return pread_all(fs, fd, info.st_size, 0), info.st_mtime_ns / 1e9, damage
    finally:
        fs.close(fd)


def mstate_of(directory: QueueDirectory, queue_id: str) -> bytes:
    """Return the MSTATE byte of a message; empty when it is gone."""
    entry = read_entry(directory, queue_id)
    return b"" if entry is None else entry.mstate
