"""The message lock: flock on the control file itself, with the inode re-check.

Rules L1-L4 of FORMAT.md.  The lock belongs to the open file description and
dies with it; nobody ever blocks on one.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from tuiq.errors import MessageBusy, MessageGone, SpoolUnsafe

if TYPE_CHECKING:
    from tuiq.spool.fs import StatResult
    from tuiq.spool.layout import QueueDirectory


_NOT_A_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})
"""What open(2) says of a symlink, a socket, a directory."""


def open_control(directory: QueueDirectory, queue_id: str) -> int:
    """Open a control file for reading and writing, unlocked; raise MessageGone.

    Raises SpoolUnsafe for anything but a regular file of the queue user.
    """
    name = "qf" + queue_id
    try:
        fd = directory.fs.open(name, os.O_RDWR | os.O_NONBLOCK, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        raise MessageGone(queue_id) from None
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise SpoolUnsafe(
                directory.path_of(name),
                "is not a regular file",
                "move it out of the spool",
            ) from None
        raise
    try:
        check_file(directory, name, directory.fs.fstat(fd), queue_id)
    except BaseException:
        directory.fs.close(fd)
        raise
    return fd


def lock_control(directory: QueueDirectory, queue_id: str, fd: int) -> None:
    """Take the message lock on *fd* without waiting, then prove it is the file.

    Raises MessageBusy, or MessageGone when the name means another file by now.
    The caller closes *fd* when this raises.
    """
    fs = directory.fs
    try:
        fs.flock(fd)
    except BlockingIOError:
        raise MessageBusy(queue_id) from None
    if not is_same_file(directory, queue_id, fd):
        raise MessageGone(queue_id)


def is_same_file(directory: QueueDirectory, queue_id: str, fd: int) -> bool:
    """Say whether *fd* is still what the message's name leads to."""
    fs = directory.fs
    held = fs.fstat(fd)
    try:
        named = fs.stat("qf" + queue_id, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return False
    return (held.st_dev, held.st_ino) == (named.st_dev, named.st_ino)


def check_file(
    directory: QueueDirectory, name: str, info: StatResult, queue_id: str
) -> None:
    """Refuse kinds, owners, modes and links that a queue file cannot have (L2)."""
    path = directory.path_of(name)
    if not stat.S_ISREG(info.st_mode):
        raise SpoolUnsafe(path, "is not a regular file", "move it out of the spool")
    if info.st_nlink == 0:
        raise MessageGone(queue_id)
    if info.st_nlink != 1:
        raise SpoolUnsafe(
            path, f"has {info.st_nlink} hard links", "remove the other names"
        )
    if info.st_uid != directory.uid:
        raise SpoolUnsafe(
            path,
            f"belongs to uid {info.st_uid} instead of {directory.uid}",
            f"chown {directory.uid} {path}",
        )
    loose = stat.S_IMODE(info.st_mode) & 0o022 & ~directory.file_mode
    if loose:
        raise SpoolUnsafe(
            path,
            f"is writable by others (mode {stat.S_IMODE(info.st_mode):04o})",
            f"chmod {directory.file_mode:04o} {path}",
        )
