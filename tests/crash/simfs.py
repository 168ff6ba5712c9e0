"""``SimFs``: the ``Fs`` protocol of one simulated process on a ``SimDisk``."""

from __future__ import annotations

import errno
import os
import stat as statmod
from typing import TYPE_CHECKING

from tests.crash.inode import DirOp, Inode
from tests.crash.process import (
    Call,
    CrashNow,
    Description,
    Process,
    SimStat,
    SimStatvfs,
    call,
    fail,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Call", "CrashNow", "SimFs"]


class SimFs(Process):
    """One process: its system calls."""

    @call
    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        """See ``Fs``."""
        parent = self._dir(dir_fd)
        if name not in parent.entries and flags & os.O_CREAT:
            inode = self.disk.add(next(self._serial), statmod.S_IFREG | mode, self.uid)
            inode.nlink = 1
            parent.perform(DirOp(None, name, inode.ino))
            parent.touch(self.disk.now_ns)
            return self._install(inode, flags, name)
        inode = self._named(name, dir_fd)
        if flags & os.O_CREAT and flags & os.O_EXCL:
            raise fail(errno.EEXIST, name)
        if statmod.S_ISLNK(inode.mode):
            raise fail(errno.ELOOP, name)
        if inode.is_dir() and flags & os.O_ACCMODE != os.O_RDONLY:
            raise fail(errno.EISDIR, name)
        if flags & os.O_DIRECTORY and not inode.is_dir():
            raise fail(errno.ENOTDIR, name)
        if flags & os.O_TRUNC:
            inode.truncate(0)
        return self._install(inode, flags, name)

    def close(self, fd: int) -> None:
        """See ``Fs``; in a dead process nothing is left to close."""
        if not self.dead:
            self._close(fd)

    @call
    def _close(self, fd: int) -> None:
        self._drop(self._get(fd))
        del self.table[fd]

    @call
    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """See ``Fs``."""
        return self._get(fd).inode.data[offset : offset + size]

    @call
    def read(self, fd: int, size: int) -> bytes:
        """read(2) at the file position."""
        description = self._get(fd)
        start = description.position
        data = description.inode.data[start : start + size]
        description.position += len(data)
        return data

    @call
    def pwrite(self, fd: int, data: bytes, offset: int) -> int:
        """See ``Fs``; with O_APPEND the kernel ignores the offset."""
        description = self._writable(fd)
        if description.flags & os.O_APPEND:
            offset = len(description.inode.data)
        return self._store(description, bytes(data), offset)

    @call
    def write(self, fd: int, data: bytes | memoryview) -> int:
        """See ``Fs``."""
        description = self._writable(fd)
        if description.flags & os.O_APPEND:
            description.position = len(description.inode.data)
        done = self._store(description, bytes(data), description.position)
        description.position += done
        return done

    def _store(self, description: Description, data: bytes, offset: int) -> int:
        data = data[: self.write_limit]
        description.inode.write(data, offset)
        description.inode.touch(self.disk.now_ns)
        return len(data)

    @call
    def truncate(self, fd: int, size: int) -> None:
        """See ``Fs``."""
        inode = self._writable(fd).inode
        inode.truncate(size)
        inode.touch(self.disk.now_ns)

    @call
    def fsync(self, fd: int) -> None:
        """See ``Fs``."""
        inode = self._get(fd).inode
        inode.sync(times=True)
        if self.disk.fsync_keeps_names and not inode.is_dir():
            self.disk.keep_names(inode.ino)

    @call
    def fdatasync(self, fd: int) -> None:
        """See ``Fs``."""
        self._get(fd).inode.sync(times=False)

    @call
    def syncfs(self, fd: int) -> None:
        """See ``Fs``."""
        self._get(fd)
        self.disk.settle()

    def begin_writing(self, fd: int) -> None:
        """See ``Fs``; what a power loss leaves of unsynced data is anything anyway."""
        self._get(fd)

    def is_cached(self, fd: int) -> bool:
        """See ``Fs``."""
        self._get(fd)
        return True

    def begin_reading(self, fd: int, size: int) -> None:
        """See ``Fs``."""
        self._get(fd)

    @call
    def flock(self, fd: int) -> None:
        """See ``Fs``."""
        description = self._get(fd)
        holder = description.inode.holder
        if holder is not None and holder is not description:
            raise fail(errno.EWOULDBLOCK, fd)
        description.inode.holder = description

    def _stat(self, inode: Inode) -> SimStat:
        return SimStat(
            inode.mode, inode.ino, 7, inode.nlink, inode.uid, inode.uid,
            len(inode.data), inode.mtime_ns, inode.ctime_ns,
        )  # fmt: skip

    @call
    def fstat(self, fd: int) -> SimStat:
        """See ``Fs``."""
        return self._stat(self._get(fd).inode)

    @call
    def stat(self, name: str, *, dir_fd: int) -> SimStat:
        """See ``Fs``."""
        return self._stat(self._named(name, dir_fd))

    @call
    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        parent = self._dir(dir_fd)
        inode = self._named(old, dir_fd)
        replaced = parent.entries.get(new)
        if replaced == inode.ino:
            return
        if replaced is not None:
            self._unlinked(self.disk.inodes[replaced])
        parent.perform(DirOp(old, new, inode.ino))
        parent.touch(self.disk.now_ns)
        inode.set_times(inode.mtime_ns, self.disk.now_ns)

    @call
    def unlink(self, name: str, *, dir_fd: int) -> None:
        """See ``Fs``."""
        inode = self._named(name, dir_fd)
        if inode.is_dir():
            raise fail(errno.EISDIR, name)
        parent = self._dir(dir_fd)
        parent.perform(DirOp(name, None, inode.ino))
        parent.touch(self.disk.now_ns)
        self._unlinked(inode)

    @call
    def futimens(self, fd: int, mtime_ns: int) -> None:
        """See ``Fs``."""
        inode = self._get(fd).inode
        inode.set_times(mtime_ns, self.disk.now_ns)

    @call
    def fchmod(self, fd: int, mode: int) -> None:
        """See ``Fs``."""
        inode = self._get(fd).inode
        inode.mode = statmod.S_IFMT(inode.mode) | mode
        inode.set_times(inode.mtime_ns, self.disk.now_ns)

    @call
    def listdir(self, dir_fd: int) -> list[str]:
        """See ``Fs``."""
        return sorted(self._dir(dir_fd).entries)

    def names(self, dir_fd: int) -> Iterator[str]:
        """See ``Fs``: one getdents."""
        yield from self.listdir(dir_fd)

    def scan(self, dir_fd: int) -> Iterator[tuple[str, int]]:
        """See ``Fs``: one getdents, then one stat per name."""
        for name in self.listdir(dir_fd):
            try:
                mtime_ns = self.stat(name, dir_fd=dir_fd).st_mtime_ns
            except FileNotFoundError:
                continue
            yield name, mtime_ns

    @call
    def statvfs(self, fd: int) -> SimStatvfs:
        """See ``Fs``."""
        self._get(fd)
        return SimStatvfs(*self.disk.blocks)
