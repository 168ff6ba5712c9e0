"""Repairs that ``tuiq check --repair`` makes; none of them deletes mail.

What cannot be made right is moved to ``reject/`` under a name of its own, with
everything that belongs to it.  Unlike the sequences of FORMAT.md these are no
part of the protocol: they run while a person watches, on files that no runner
touches because they are wrong, and call the operating system directly.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiq.errors import SpoolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Open *path* itself, never what a link points to, and yield (fd, fstat)."""
    fd = os.open(path, _OPEN)
    try:
        yield fd, os.fstat(fd)
    finally:
        os.close(fd)


def is_locked(path: Path) -> bool:
    """Say whether some process holds the lock of *path*, by trying to take it.

    Only for files that nobody claims (a df without a message): a probe makes
    another process's attempt fail.
    """
    with opened(path) as (fd, _):
        return not _lock(fd)


def _lock(fd: int) -> bool:
    """Take the lock of an open file for as long as it is open; False: it is held."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_or_refuse(path: Path, fd: int) -> None:
    if not _lock(fd):
        raise SpoolError(f"{path}: a process is working on it; try again later")


def set_mode(path: Path, mode: int) -> str:
    """Change the mode of a file or directory that has one name."""
    with opened(path) as (fd, info):
        _refuse_hard_link(path, info)
        os.fchmod(fd, mode)
    return f"mode set to {mode:04o}"


def set_owner(path: Path, uid: int, gid: int) -> str:
    """Give a file or directory that has one name to the queue user."""
    with opened(path) as (fd, info):
        _refuse_hard_link(path, info)
        os.fchown(fd, uid, gid)
    return f"given to uid {uid}"


def _refuse_hard_link(path: Path, info: os.stat_result) -> None:
    if stat.S_ISREG(info.st_mode) and info.st_nlink != 1:
        raise SpoolError(f"{path}: has {info.st_nlink} names; remove the others first")


def remove_garbage(path: Path, *, unless: Path | None = None) -> str:
    """Unlink a file that never was mail, unless a process is working on it.

    *unless*: the control file that would make it part of a message.
    """
    with opened(path) as (fd, _):
        _lock_or_refuse(path, fd)
        if unless is not None and os.path.lexists(unless):
            raise SpoolError(f"{path}: belongs to {unless}, which is there by now")
        if unless is not None:
            _sync_directory(unless.parent)  # it may have been unlinked just now
        path.unlink()
    return "removed"


def move_into_place(path: Path, target: Path) -> str:
    """Move a queue file to the subdirectory it belongs to."""
    if target.exists():
        raise SpoolError(f"{path}: {target} exists too; compare them by hand")
    os.rename(path, target)
    _sync_directory(target.parent)
    _sync_directory(path.parent)
    return f"moved to {target}"


def reject_message(spool: Path, control: Path, others: Sequence[Path]) -> str:
    """Move a message's files to ``reject/`` under its lock.

    The control file goes last: without it the data would count as an orphan.
    """
    with opened(control) as (fd, _):
        _lock_or_refuse(control, fd)
        return reject(spool, [*others, control])


def reject(spool: Path, paths: Sequence[Path], reason: str = "") -> str:
    """Move files to ``reject/`` under a new common name; return what was done.

    A *reason* is written to ``<name>.reason`` beside them.
    """
    directory = spool / "reject"
    owner = spool.stat()
    if not directory.is_dir():
        directory.mkdir(0o700)
        os.chown(directory, owner.st_uid, owner.st_gid)
    tag = secrets.token_hex(4)
    targets = []
    for path in paths:
        try:
            targets.append(_move(path, directory / f"{path.name}.{tag}"))
        except FileNotFoundError:
            continue
    if reason and targets:
        _write(directory / f"{targets[0].name}.reason", f"{reason}\n", owner)
    _sync_directory(directory)
    return "moved to " + ", ".join(map(str, targets))


def _move(path: Path, target: Path) -> Path:
    """Move one entry of any kind; across file systems only plain files go."""
    try:
        os.rename(path, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        if not stat.S_ISREG(path.lstat().st_mode):
            raise SpoolError(
                f"{path}: lies on another file system than {target.parent}; "
                "move it away by hand"
            ) from None
        _copy(path, target)
        path.unlink()
    return target


def _copy(path: Path, target: Path) -> None:
    """Copy a file with its times, durably, before its source may go."""
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with opened(path) as (source, _), os.fdopen(fd, "wb") as file:
        with os.fdopen(os.dup(source), "rb") as data:
            shutil.copyfileobj(data, file)
        file.flush()
        os.fsync(fd)
    shutil.copystat(path, target, follow_symlinks=False)
    _sync_directory(target.parent)


def _write(path: Path, text: str, owner: os.stat_result) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        os.chown(fd, owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
