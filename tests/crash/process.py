"""A simulated process: what it has open, and the gate before each system call.

The gate is the crash point, the fault injection point and the scheduling point of
the explorers.  Descriptors, inode numbers and lock owners are numbered per process,
so that two interleavings that differ only in the order of independent calls end in
equal states.
"""

from __future__ import annotations

import errno
import functools
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.crash.inode import Inode
    from tests.crash.simdisk import SimDisk

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Process")

INVISIBLE = frozenset({"fsync", "fdatasync", "syncfs", "statvfs"})
"""Calls whose effect no other process can see and which see nothing of others:
no scheduling points.  (They are crash points all the same.)"""


class CrashNow(BaseException):
    """The process is dead; no handler may do anything that counts."""


@dataclass(frozen=True, slots=True)
class Call:
    """One system call, about to be executed."""

    process: Process
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
    method: Callable[Concatenate[S, P], R],
) -> Callable[Concatenate[S, P], R]:
    """Make *method* a system call: gate, count, and remember what it answered."""
    op = method.__name__.strip("_")

    @functools.wraps(method)
    def gated(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
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

    return cast("Callable[Concatenate[S, P], R]", gated)


def fail(code: int, name: object = None) -> OSError:
    """Return the OSError (of the right subclass) for *code*."""
    return OSError(code, os.strerror(code), name)


class Process:
    """A process without system calls: descriptors, gates, life and death."""

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
        self._serial = numbers_of(self.number)

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


def numbers_of(process: int) -> Iterator[int]:
    """Yield numbers that no other process of the disk uses."""
    number = process * 100_000
    while True:
        number += 1
        yield number
