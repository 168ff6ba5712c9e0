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
from tuiq.spool.layout import FILE_MODE

if TYPE_CHECKING:
    from tuiq.spool.fs import StatResult
    from tuiq.spool.layout import QueueDirectory


NOT_A_FILE = frozenset({errno.ELOOP, errno.ENXIO, errno.EISDIR})
"""What open(2) says of a symlink, a socket, a directory."""
_NO_WAIT = os.O_NONBLOCK
_TYPE_AND_OTHERS = 0o170022
"""The bits of a mode that tell a file's type and whether others may write to it."""


def open_control(directory: QueueDirectory, queue_id: str) -> tuple[int, StatResult]:
    """Open a control file for reading and writing, unlocked, and look at it.

    Raises MessageGone, SpoolUnsafe for anything but a regular file of the queue user.
    """
    try:
        return open_file(directory, "qf" + queue_id, os.O_RDWR)
    except FileNotFoundError:
        raise MessageGone(queue_id) from None


def open_file(
    directory: QueueDirectory, name: str, flags: int
) -> tuple[int, StatResult]:
    """Open a queue file, look at it, and make sure that it is what it has to be (L2).

    Raises FileNotFoundError, SpoolUnsafe for anything but a regular file of the
    queue user with one name that nobody else can write.
    """
    fs = directory.fs
    dir_fd = directory.df_fd if name.startswith("df") else directory.qf_fd
    try:
        fd = fs.open(name, flags | _NO_WAIT, dir_fd=dir_fd)
    except OSError as error:
        if error.errno in NOT_A_FILE:
            raise unsafe(directory, name) from None
        raise
    try:
        info = fs.fstat(fd)
        check_file(directory, name, info)
    except BaseException:
        fs.close(fd)
        raise
    return fd, info


def lock_control(
    directory: QueueDirectory, queue_id: str, fd: int, held: StatResult
) -> None:
    """Take the message lock on *fd* without waiting, then prove it is the file.

    *held* is what ``open_control`` saw: which file it is does not change.

    Raises MessageBusy, or MessageGone when the name means another file by now.
    The caller closes *fd* when this raises.
    """
    try:
        directory.fs.flock(fd)
    except BlockingIOError:
        raise MessageBusy(queue_id) from None
    if not is_same_file(directory, queue_id, held):
        raise MessageGone(queue_id)


def is_same_file(directory: QueueDirectory, queue_id: str, held: StatResult) -> bool:
    """Say whether the message's name still leads to the file *held*."""
    try:
        named = directory.fs.stat("qf" + queue_id, dir_fd=directory.qf_fd)
    except FileNotFoundError:
        return False
    return named.st_ino == held.st_ino and named.st_dev == held.st_dev


def check_file(directory: QueueDirectory, name: str, info: StatResult) -> None:
    """Refuse kinds, owners, modes and links that a queue file cannot have (L2).

    Raises SpoolUnsafe, or FileNotFoundError for a file whose name is gone.
    """
    mode = info.st_mode
    is_plain = mode & _TYPE_AND_OTHERS == stat.S_IFREG
    if is_plain and info.st_nlink == 1 and info.st_uid == directory.uid:
        return
    if not stat.S_ISREG(mode):
        raise unsafe(directory, name)
    if info.st_nlink == 0:
        raise FileNotFoundError(errno.ENOENT, "unlinked meanwhile", name)
    if info.st_nlink != 1:
        reason = f"has {info.st_nlink} hard links"
        raise unsafe(directory, name, reason, "remove the other names")
    if info.st_uid != directory.uid:
        reason = f"belongs to uid {info.st_uid} instead of {directory.uid}"
        raise unsafe(directory, name, reason, f"chown {directory.uid} it")
    reason = f"is writable by others (mode {stat.S_IMODE(mode):04o})"
    raise unsafe(directory, name, reason, f"chmod {FILE_MODE:04o} it")


def unsafe(
    directory: QueueDirectory,
    name: str,
    reason: str = "is not a regular file",
    remedy: str = "move it out of the spool",
) -> SpoolUnsafe:
    """Return the error about a queue file that cannot be trusted."""
    return SpoolUnsafe(directory.path_of(name), reason, remedy)
