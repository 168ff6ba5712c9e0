"""Making spools and queue directories: what ``tuiq init`` and ``check`` leave behind.

Everything is idempotent: what is there and sound is kept, what is missing is added,
what cannot be trusted is refused.  Nothing here touches a message.

The spool holds, beside the queue directories, ``reject/ pauses/ run/ journal/
audit/`` (0700) and, for mail of other local users, ``drop/``: mode 3733, so that
anybody may leave a file there and nobody but the queue user sees or removes one.  The
spool itself is 0700; with a drop directory 0711, so that submitters can pass through
it to ``drop/`` and to ``tuiq.toml`` by name and still list nothing.
"""

from __future__ import annotations

import os
import stat
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.config.kinds import RESERVED
from tuiq.errors import SpoolUnsafe
from tuiq.spool import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DROP = layout.DROP
SUBDIRECTORIES = tuple(sorted(RESERVED - {DROP}))
"""What lies beside the queue directories in every spool."""

_DROP_MODE = 0o3733
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The queue user: who everything in a spool belongs to."""

    uid: int
    gid: int

    @classmethod
    def caller(cls) -> Owner:
        """Return the user that this process runs as."""
        return cls(uid=os.geteuid(), gid=os.getegid())


def create_spool(
    path: Path,
    *,
    queues: int = 1,
    drop: bool = False,
    folders: bool = False,
    owner: Owner | None = None,
) -> list[str]:
    """Make the spool *path* with ``q.1`` to ``q.<queues>``; return what was missing.

    With *folders* new queue directories are divided into ``qf/ df/ xf/``: a sync of the
    control files' names writes no other names then, and a scan lists half as many.

    Durable on return.  Raises SpoolUnsafe when something there is not the queue
    user's or can be changed by others, FileNotFoundError when the parent is absent.
    """
    owner = owner or Owner.caller()
    made: list[str] = []
    mode = layout.DIRECTORY_MODE | (0o011 if drop else 0)
    with _directory(path, mode=mode, owner=owner, made=made, follow=True) as fd:
        if drop:
            os.fchmod(fd, stat.S_IMODE(os.fstat(fd).st_mode) | 0o011)
        for name in SUBDIRECTORIES:
            with _directory(path / name, owner=owner, made=made, parent=fd):
                pass
        for number in range(1, queues + 1):
            target = path / f"q.{number}"
            with _directory(
                target, owner=owner, made=made, parent=fd, follow=True
            ) as queue:
                if folders:
                    _add_folders(queue, target, owner=owner, made=made)
                _fill_queue_directory(queue, target, owner=owner, made=made)
        if drop:
            _create_drop(path / DROP, owner=owner, made=made, parent=fd)
        os.fsync(fd)
    return made


def create_queue_directory(path: Path, *, owner: Owner | None = None) -> list[str]:
    """Make one queue directory, or add what it lacks; return what was missing.

    Durable on return, but for the entry in the parent of a directory that was there.
    """
    owner = owner or Owner.caller()
    made: list[str] = []
    with _directory(path, owner=owner, made=made, follow=True) as fd:
        _fill_queue_directory(fd, path, owner=owner, made=made)
    return made


def _fill_queue_directory(
    fd: int, path: Path, *, owner: Owner, made: list[str]
) -> None:
    """Add the dot files of a queue directory that are not there."""
    files: dict[str, Callable[[], bytes]] = {
        layout.UUID_FILE: lambda: f"{uuid.uuid4()}\n".encode(),
        layout.LOCK_FILE: lambda: b"",
        layout.PROBE_FILE: lambda: b"",
        # Random, or a file system that compresses would set nothing aside.
        layout.RESERVE_FILE: lambda: os.urandom(layout.RESERVE_BYTES),
    }
    for name, content in files.items():
        if not _has_file(fd, name, path=path, owner=owner):
            _write_new(fd, name, content(), owner=owner)
            made.append(str(path / name))
    os.fsync(fd)


def _add_folders(fd: int, path: Path, *, owner: Owner, made: list[str]) -> None:
    """Divide a directory, unless it is a queue directory or has files of one."""
    if _has_file(fd, layout.UUID_FILE, path=path, owner=owner) or _has_mail(fd):
        return
    for name in layout.FOLDERS:
        with _directory(path / name, owner=owner, made=made, parent=fd):
            pass


def _has_mail(fd: int) -> bool:
    with os.scandir(fd) as entries:
        names = [entry.name for entry in entries]
    return any(layout.split_name(name) is not None for name in names)


def _create_drop(path: Path, *, owner: Owner, made: list[str], parent: int) -> None:
    """Make the drop directory and the lock of its ingester."""
    with _directory(path, mode=_DROP_MODE, owner=owner, made=made, parent=parent) as fd:
        if not _has_file(fd, layout.LOCK_FILE, path=path, owner=owner):
            _write_new(fd, layout.LOCK_FILE, b"", owner=owner)
            made.append(str(path / layout.LOCK_FILE))
        os.fsync(fd)


@contextmanager
def _directory(
    path: Path,
    *,
    owner: Owner,
    made: list[str],
    mode: int = layout.DIRECTORY_MODE,
    parent: int | None = None,
    follow: bool = False,
) -> Iterator[int]:
    """Make the directory unless it is there, check it, and lend it as an open fd.

    *parent* is the open directory above, for all but the spool itself.  *follow*
    lets the name be a symlink, for what may lie on another disk; what it leads to
    is checked all the same.
    """
    name = path if parent is None else path.name
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
        new = True
    except FileExistsError:
        new = False
    fd = _open_directory(path, name, parent=parent, follow=follow)
    try:
        if new:
            os.fchown(fd, owner.uid, owner.gid)
            os.fchmod(fd, mode)  # after the chown, which clears the setgid bit
            made.append(str(path))
            _sync_parent(path, parent)
        else:
            _refuse_unsafe(path, os.fstat(fd), mode=mode, owner=owner)
        yield fd
    finally:
        os.close(fd)


def _open_directory(
    path: Path, name: Path | str, *, parent: int | None, follow: bool
) -> int:
    """Open a directory, or say what stands in its place."""
    try:
        flags = _DIRECTORY if follow else _DIRECTORY | os.O_NOFOLLOW
        return os.open(name, flags, dir_fd=parent)
    except NotADirectoryError:
        raise SpoolUnsafe(
            str(path), "not a directory", f"mv {path} somewhere else"
        ) from None


def _sync_parent(path: Path, parent: int | None) -> None:
    """Make the entry of a new directory durable."""
    if parent is not None:
        return  # the caller syncs the open directory once, at the end
    fd = os.open(path.parent, _DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _refuse_unsafe(
    path: Path, found: os.stat_result, *, mode: int, owner: Owner
) -> None:
    """Raise SpoolUnsafe unless the directory is the queue user's alone to change."""
    if found.st_uid != owner.uid:
        raise SpoolUnsafe(
            str(path),
            f"belongs to uid {found.st_uid}, not to the queue user (uid {owner.uid})",
            f"chown {owner.uid} {path}, or choose another directory",
        )
    if mode == _DROP_MODE:
        if stat.S_IMODE(found.st_mode) != mode:
            wrong = f"mode {stat.S_IMODE(found.st_mode):04o} instead of {mode:04o}"
            raise SpoolUnsafe(str(path), wrong, f"chmod {mode:o} {path}")
    elif found.st_mode & 0o022:
        raise SpoolUnsafe(
            str(path), "other users can change it", f"chmod {mode:o} {path}"
        )


def _has_file(fd: int, name: str, *, path: Path, owner: Owner) -> bool:
    """Return whether the file is there; raise SpoolUnsafe if it is not the owner's."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_uid != owner.uid:
        raise SpoolUnsafe(
            str(path / name),
            f"not a file of the queue user (uid {owner.uid})",
            "remove it and run tuiq init again",
        )
    return True


def _write_new(fd: int, name: str, content: bytes, *, owner: Owner) -> None:
    """Write a file that appears whole or not at all."""
    temporary = f"{name}.tmp"
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=fd)  # of an init that died here
    file = os.open(temporary, _NEW_FILE, 0o600, dir_fd=fd)
    try:
        os.fchmod(file, layout.FILE_MODE)
        os.fchown(file, owner.uid, owner.gid)
        view = memoryview(content)
        while view:
            view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
    os.rename(temporary, name, src_dir_fd=fd, dst_dir_fd=fd)
