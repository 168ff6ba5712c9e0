"""Reading control files without a lock."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.spool.entry import QueueEntry, decode_entry
from tuiq.spool.fs import pread_all

if TYPE_CHECKING:
    from tuiq.spool.layout import QueueDirectory


def read_entry(directory: QueueDirectory, queue_id: str) -> QueueEntry | None:
    """Read one message without locking; None when it is gone or finished.

    Raises OSError only when there is no file descriptor left.
    """
    name = "qf" + queue_id
    try:
        raw, mtime = _read_control(directory, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise
        entry = decode_entry(b"", directory=directory.name, name=name, mtime=0.0)
        reason = (error.strerror or "cannot be read").lower()
        return replace(entry, damage=f"{directory.path_of(name)}: {reason}")
    entry = decode_entry(raw, directory=directory.name, name=name, mtime=mtime)
    return None if entry.mstate == b"F" and not entry.damage else entry


def _read_control(directory: QueueDirectory, name: str) -> tuple[bytes, float]:
    """Return content and mtime of a control file; raise OSError for anything else."""
    fs = directory.fs
    fd = fs.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=directory.qf_fd)
    try:
        info = fs.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file; see tuiq check")
        return pread_all(fs, fd, info.st_size, 0), info.st_mtime_ns / 1e9
    finally:
        fs.close(fd)


def mstate_of(directory: QueueDirectory, queue_id: str) -> bytes:
    """Return the MSTATE byte of a message; empty when it is gone."""
    entry = read_entry(directory, queue_id)
    return b"" if entry is None else entry.mstate
