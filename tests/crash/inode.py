"""Files and directories of the simulated disk, and what a power loss may undo."""

from __future__ import annotations

import stat as statmod
from dataclasses import dataclass, field

SECTOR = 512


@dataclass(frozen=True, slots=True)
class DirOp:
    """One directory operation: names removed, names set."""

    removed: str | None
    added: str | None
    ino: int

    def names(self) -> set[str]:
        """Return the names that order this operation against others."""
        return {name for name in (self.removed, self.added) if name is not None}

    def apply(self, entries: dict[str, int]) -> None:
        """Perform the operation on *entries*."""
        if self.removed is not None:
            entries.pop(self.removed, None)
        if self.added is not None:
            entries[self.added] = self.ino


@dataclass(slots=True)
class Inode:
    """A file or a directory: what processes see, and what the disk may hold."""

    ino: int
    mode: int
    uid: int
    mtime_ns: int
    ctime_ns: int
    data: bytes = b""
    sectors: dict[int, list[bytes]] = field(default_factory=dict)
    """Sector number -> its versions since the last sync, the durable one first."""
    sizes: list[int] = field(default_factory=lambda: [0])
    mtimes: list[int] = field(default_factory=list)
    ctimes: list[int] = field(default_factory=list)
    entries: dict[str, int] = field(default_factory=dict)
    durable: dict[str, int] = field(default_factory=dict)
    ops: list[DirOp] = field(default_factory=list)
    stuck: set[int] = field(default_factory=set)
    """Sectors whose write-back failed: clean to the kernel, unknown on the disk; no
    sync helps until they are written again."""
    nlink: int = 0
    holder: object | None = None
    """The open file description that holds the flock."""
    digest: int | None = None
    """Cached hash of what other processes can see; None: changed since."""

    def is_dir(self) -> bool:
        """Return whether this is a directory."""
        return statmod.S_ISDIR(self.mode)

    def touch(self, now_ns: int) -> None:
        """Note a change of the content at *now_ns*."""
        self.set_times(now_ns, now_ns)

    def set_times(self, mtime_ns: int, ctime_ns: int) -> None:
        """Set both times; durable only by fsync."""
        self.digest = None
        self.mtime_ns, self.ctime_ns = mtime_ns, ctime_ns
        if self.mtimes[-1:] != [mtime_ns]:
            self.mtimes.append(mtime_ns)
        if self.ctimes[-1:] != [ctime_ns]:
            self.ctimes.append(ctime_ns)

    def sector(self, number: int) -> bytes:
        """Return the current content of sector *number*, zero-filled."""
        return self.data[number * SECTOR : (number + 1) * SECTOR].ljust(SECTOR, b"\0")

    def write(self, data: bytes, offset: int) -> None:
        """Replace bytes at *offset*."""
        end = offset + len(data)
        before = self.data.ljust(offset, b"\0")
        self._become(before[:offset] + data + before[end:], offset, end)

    def truncate(self, size: int) -> None:
        """Cut or extend to *size* bytes."""
        start, end = sorted((size, len(self.data)))
        self._become(self.data[:size].ljust(size, b"\0"), start, end)

    def _become(self, data: bytes, start: int, end: int) -> None:
        """Take on *data*, remembering the versions of the sectors in the range."""
        touched = range(start // SECTOR, -(-end // SECTOR))
        self.stuck.difference_update(touched)
        for number in touched:
            self.sectors.setdefault(number, [self.sector(number)])
        self.data, self.digest = data, None
        for number in touched:
            versions = self.sectors[number]
            if (now := self.sector(number)) != versions[-1]:
                versions.append(now)
        if self.sizes[-1] != len(data):
            self.sizes.append(len(data))

    def sync(self, *, times: bool) -> None:
        """Make the content durable; mtime and ctime too if *times*."""
        self.sectors = {n: v for n, v in self.sectors.items() if n in self.stuck}
        self.sizes = [len(self.data)]
        self.durable = dict(self.entries)
        self.ops.clear()
        if times:
            self.mtimes, self.ctimes = [self.mtime_ns], [self.ctime_ns]

    def fail_sync(self) -> None:
        """Let a sync fail: what was dirty may or may not have reached the disk."""
        self.stuck.update(self.sectors)

    def perform(self, op: DirOp) -> None:
        """Perform a directory operation."""
        op.apply(self.entries)
        self.ops.append(op)
        self.digest = None

    def visible(self) -> int:
        """Return a hash of all that a process could see of this inode."""
        if self.digest is None:
            names = tuple(sorted(self.entries.items()))
            self.digest = hash((self.ino, self.mode, self.mtime_ns, self.data, names))
        return self.digest
