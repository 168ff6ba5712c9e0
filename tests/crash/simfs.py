"""``SimFs``: the ``Fs`` protocol for one simulated process on a ``SimDisk``.

Every system call goes through one gate, which is the crash point, the fault
injection point and the scheduling point of the explorers.  Descriptors, inode
numbers and lock owners are numbered per process, so that two interleavings
that differ only in the order of independent calls end in equal states.
"""

from __future__ import annotations

import errno
import functools
import os
import stat as statmod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from tests.crash.simdisk import DirOp, Inode, SimDisk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
R = TypeVar("R")

INVISIBLE = frozenset({"fsync", "fdatasync", "syncfs", "statvfs"})
"""Calls whose effect no other process can see and which see nothing of others:
no scheduling points.  (They are crash points all the same.)"""


class CrashNow(BaseException):
    """The process is dead; no handler may do anything that counts."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call, about to be executed."""

    process: SimFs
    op: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        """Show the call as a strace line would."""
        return f"{self.process.name}: {self.op}{self.args}"

    def file(self) -> str:
        """Return the name of the file that the call is about."""
        first = self.args[0]
        return first if isinstance(first, str) else self.process.name_of(first)


@dataclass(frozen=True, slots=True)
class SimStat:
    """The members of ``os.stat_result`` that the protocol looks at."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int

    @property
    def st_mtime(self) -> float:
        """Return the modification time in seconds."""
        return self.st_mtime_ns / 1e9


@dataclass(frozen=True, slots=True)
class SimStatvfs:
    """The members of ``os.statvfs_result`` that the low-disk floor looks at."""

    f_blocks: int
    f_bavail: int
    f_files: int
    f_favail: int
    f_frsize: int = 4096


class Description:
    """An open file description: position, flags, and owner of a flock."""

    def __init__(
        self, owner: tuple[int, int], inode: Inode, flags: int, name: str
    ) -> None:
        """Open *inode* as *owner* (process number, descriptor)."""
        self.owner = owner
        self.name = name
        self.inode = inode
        self.flags = flags
        self.position = 0

    def __hash__(self) -> int:
        """Hash by owner, so that equal states have equal hashes."""
        return hash(self.owner)

    def __eq__(self, other: object) -> bool:
        """Compare by owner."""
        return isinstance(other, Description) and self.owner == other.owner

    def writable(self) -> bool:
        """Return whether the description was opened for writing."""
        return self.flags & os.O_ACCMODE != os.O_RDONLY


def call(
    method: Callable[Concatenate[SimFs, P], R],
) -> Callable[Concatenate[SimFs, P], R]:
    """Make *method* a system call: gate, count, and remember what it answered."""
    op = method.__name__.strip("_")

    @functools.wraps(method)
    def gated(self: SimFs, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.dead:
            raise CrashNow
        for gate in self.gates:
            gate(Call(self, op, (*args, *kwargs.values())))
            if self.dead:
                raise CrashNow
        self.calls += 1
        self.disk.now_ns += self.disk.tick_ns
        if not self.remembers:
            return method(self, *args, **kwargs)
        try:
            result = method(self, *args, **kwargs)
        except OSError as error:
            self.history = hash((self.history, op, error.errno))
            raise
        answer = tuple(result) if isinstance(result, list) else result
        self.history = hash((self.history, op, answer))
        return result

    return cast("Callable[Concatenate[SimFs, P], R]", gated)


def fail(code: int, name: object = None) -> OSError:
    """Return the OSError (of the right subclass) for *code*."""
    return OSError(code, os.strerror(code), name)


class SimFs:
    """One process: its descriptors and its system calls."""

    def __init__(self, disk: SimDisk, name: str = "", *, uid: int = 0) -> None:
        """Start a process on *disk*."""
        disk.processes += 1
        self.disk = disk
        self.number = disk.processes
        self.name = name or f"p{self.number}"
        self.uid = uid
        self.table: dict[int, Description] = {}
        self.dead = False
        self.calls = 0
        self.history = 0
        """Hash of all answers so far: stands for the process's local state."""
        self.remembers = False
        """Whether the history is kept."""
        self.write_limit: int | None = None
        """Most bytes that one write takes; None: all."""
        self.gates: list[Callable[[Call], None]] = []
        """Called before each system call; may raise, kill, or switch away."""
        self._serial = itertools_count(self.number)

    # -- control by the explorers ----------------------------------------------

    def kill(self) -> None:
        """End the process as kill -9 does: descriptors and locks vanish."""
        self.dead = True
        for description in self.table.values():
            self._drop(description)
        self.table.clear()

    def opendir(self, path: str) -> int:
        """Return a descriptor of the directory at *path* (not a crash point)."""
        return self._install(self.disk.lookup(path), os.O_RDONLY, path)

    def name_of(self, fd: int) -> str:
        """Return the name under which *fd* was opened; empty when it is not open."""
        description = self.table.get(fd)
        return description.name.rpartition("/")[2] if description else ""

    def _install(self, inode: Inode, flags: int, name: str) -> int:
        fd = next(self._serial)
        self.table[fd] = Description((self.number, fd), inode, flags, name)
        return fd

    def _drop(self, description: Description) -> None:
        if description.inode.holder is description:
            description.inode.holder = None

    def _get(self, fd: int) -> Description:
        if fd not in self.table:
            raise fail(errno.EBADF, fd)
        return self.table[fd]

    def _writable(self, fd: int) -> Description:
        description = self._get(fd)
        if not description.writable():
            raise fail(errno.EBADF, fd)
        return description

    def _dir(self, dir_fd: int) -> Inode:
        inode = self._get(dir_fd).inode
        if not inode.is_dir():
            raise fail(errno.ENOTDIR, dir_fd)
        return inode

    def _named(self, name: str, dir_fd: int) -> Inode:
        if "/" in name:
            raise AssertionError(f"not a single path component: {name}")
        entries = self._dir(dir_fd).entries
        if name not in entries:
            raise fail(errno.ENOENT, name)
        return self.disk.inodes[entries[name]]

    def _unlinked(self, inode: Inode) -> None:
        inode.nlink -= 1
        inode.set_times(inode.mtime_ns, self.disk.now_ns)

    # -- the Fs protocol -------------------------------------------------------

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


def itertools_count(process: int) -> Iterator[int]:
    """Yield numbers that no other process of the disk uses."""
    number = process * 100_000
    while True:
        number += 1
        yield number
