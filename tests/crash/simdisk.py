"""A disk in memory that forgets as much at a power loss as POSIX allows.

``SimDisk`` owns inodes, directories and their durability; ``simfs.SimFs`` is
one process's view of it (descriptors, locks, system calls).  The model is the
weakest one that the protocol claims to survive:

* file data: each 512-byte sector may hold any version written since the last
  fsync or fdatasync of that file (a sector itself is not torn: powersafe
  overwrite), and the size may be any size since then, whatever the data;
* mtime and ctime: any value since the last fsync (fdatasync persists neither);
* directories: each create, rename and unlink since the last fsync of the
  directory is on disk or not, as long as operations that share a name keep
  their order; a rename is one operation;
* fsync of a file persists nothing of its name, unless ``fsync_keeps_names``: what
  ext4, XFS and btrfs do, and what a submitter who may not open drop/ relies on.

Owner and mode are durable at once: no recovery step depends on an older mode.
"""

from __future__ import annotations

import math
import random
import stat as statmod
from typing import TYPE_CHECKING

from tests.crash.inode import SECTOR, DirOp, Inode
from tests.crash.losses import Choice, closed_subsets, components, picked

if TYPE_CHECKING:
    from collections.abc import Iterator


class SimDisk:
    """All inodes, and the crash states they may fall into."""

    def __init__(self, *, now_ns: int = 1_000_000_000 * 10**9) -> None:
        """Make an empty disk with a root directory."""
        self.now_ns = now_ns
        self.inodes: dict[int, Inode] = {}
        self.blocks = (1_000_000, 900_000, 1_000_000, 900_000)
        """Blocks, free blocks, inodes, free inodes for statvfs."""
        self.processes = 0
        self.tick_ns = 0
        """How much time each call of a process takes."""
        self.fsync_keeps_names = False
        self.root = self.add(1, statmod.S_IFDIR | 0o700, 0)
        self.root.nlink = 1

    def add(self, ino: int, mode: int, uid: int) -> Inode:
        """Make an inode without a name."""
        inode = Inode(ino, mode, uid, self.now_ns, self.now_ns)
        inode.mtimes, inode.ctimes = [self.now_ns], [self.now_ns]
        self.inodes[ino] = inode
        return inode

    def mkdir(self, path: str, *, mode: int = 0o700, uid: int = 0) -> Inode:
        """Make a durable directory (set-up, not a system call)."""
        parent = self.lookup(path.rpartition("/")[0])
        ino = 2 + len(self.inodes)
        inode = self.add(ino, statmod.S_IFDIR | mode, uid)
        inode.nlink = 1
        parent.perform(DirOp(None, path.rpartition("/")[2], ino))
        parent.sync(times=True)
        return inode

    def lookup(self, path: str) -> Inode:
        """Return the inode at *path*, '' or '/' being the root."""
        inode = self.root
        for part in filter(None, path.split("/")):
            inode = self.inodes[inode.entries[part]]
        return inode

    def settle(self) -> None:
        """Make everything durable (syncfs)."""
        for inode in self.inodes.values():
            inode.sync(times=True)

    def visible(self) -> int:
        """Return a hash of all that processes can see, locks included."""
        return hash(
            tuple(
                (i.visible(), hash(i.holder)) for i in self.inodes.values() if i.nlink
            )
        )

    def content(self) -> tuple[object, ...]:
        """Return the reachable files by name: equal disks have equal contents."""
        return _content(self, self.root)

    def keep_names(self, ino: int) -> None:
        """Make every directory operation durable that a name of *ino* rests on."""
        for inode in self.inodes.values():
            for group in components(inode.ops):
                if any(op.ino == ino for op in group):
                    for op in group:
                        op.apply(inode.durable)
                        inode.ops.remove(op)

    def _blank(self) -> SimDisk:
        disk = SimDisk(now_ns=self.now_ns)
        disk.blocks, disk.processes = self.blocks, self.processes
        disk.tick_ns, disk.fsync_keeps_names = self.tick_ns, self.fsync_keeps_names
        return disk

    # -- crashes ---------------------------------------------------------------

    def killed(self) -> SimDisk:
        """Return the disk as the survivors of a kill -9 of everybody see it."""
        copy = self._blank()
        copy.inodes = {
            i.ino: Inode(
                i.ino, i.mode, i.uid, i.mtime_ns, i.ctime_ns, i.data,
                {n: list(v) for n, v in i.sectors.items()}, list(i.sizes),
                list(i.mtimes), list(i.ctimes), dict(i.entries), dict(i.durable),
                list(i.ops), set(i.stuck), i.nlink, None, i.digest,
            )
            for i in self.inodes.values()
        }  # fmt: skip
        copy.root = copy.inodes[1]
        return copy

    def choices(self) -> list[Choice]:
        """Return the independent choices that a power loss makes."""
        found: list[Choice] = []
        for inode in self.inodes.values():
            found += (
                Choice(inode.ino, "names", [*closed_subsets(group)])
                for group in components(inode.ops)
            )
            if inode.is_dir():
                continue
            for number, versions in inode.sectors.items():
                if len(versions) > 1:
                    found.append(Choice(inode.ino, f"sector {number}", [*versions]))
            if len(inode.sizes) > 1:
                found.append(Choice(inode.ino, "size", [*dict.fromkeys(inode.sizes)]))
            for what, times in (("mtime", inode.mtimes), ("ctime", inode.ctimes)):
                if len(times) > 1:
                    found.append(Choice(inode.ino, what, [*dict.fromkeys(times)]))
        return found

    def combinations(self) -> int:
        """Return how many combinations of choices there are."""
        return math.prod(len(choice.options) for choice in self.choices())

    def crash_states(self, *, cap: int = 256, seed: int = 0) -> Iterator[SimDisk]:
        """Yield distinct disks that a power loss now may leave.

        All of them when there are at most *cap* combinations; otherwise nothing
        persisted, everything persisted, each inode and each single choice alone
        present or missing, and seeded samples up to *cap* in all.
        """
        choices = self.choices()
        seen: set[int] = set()
        for picks in picked(choices, cap, random.Random(seed)):
            disk = self._lose(choices, picks)
            key = hash(disk.content())
            if key not in seen:
                seen.add(key)
                yield disk

    def _lose(self, choices: list[Choice], picks: tuple[int, ...]) -> SimDisk:
        chosen: dict[tuple[int, str], object] = {}
        names: dict[int, list[DirOp]] = {}
        for choice, pick in zip(choices, picks, strict=True):
            option = choice.options[pick]
            if isinstance(option, tuple):
                names.setdefault(choice.ino, []).extend(option)
            else:
                chosen[choice.ino, choice.what] = option
        disk = self._blank()
        disk.inodes = {
            i.ino: _after_loss(i, chosen, names.get(i.ino, []))
            for i in self.inodes.values()
        }
        disk.root = disk.inodes[1]
        _count_links(disk)
        return disk


def _content(disk: SimDisk, inode: Inode) -> tuple[object, ...]:
    if not inode.is_dir():
        return (inode.mode, inode.mtime_ns, inode.data)
    return tuple(
        (name, _content(disk, disk.inodes[ino]))
        for name, ino in sorted(inode.entries.items())
    )


def _after_loss(
    inode: Inode, chosen: dict[tuple[int, str], object], ops: list[DirOp]
) -> Inode:
    entries = dict(inode.durable)
    for op in ops:
        op.apply(entries)
    size = chosen.get((inode.ino, "size"), inode.sizes[-1])
    mtime = chosen.get((inode.ino, "mtime"), inode.mtime_ns)
    assert isinstance(size, int)
    ctime = chosen.get((inode.ino, "ctime"), inode.ctime_ns)
    assert isinstance(mtime, int)
    assert isinstance(ctime, int)
    data = bytearray(inode.data.ljust(size, b"\0"))
    for number in inode.sectors:
        version = chosen.get((inode.ino, f"sector {number}"))
        if isinstance(version, bytes):
            start = number * SECTOR
            data = data.ljust(start, b"\0")
            data[start : start + SECTOR] = version
    content = bytes(data[:size])
    lost = Inode(inode.ino, inode.mode, inode.uid, mtime, ctime, content)
    lost.sizes, lost.mtimes, lost.ctimes = [size], [mtime], [ctime]
    lost.entries, lost.durable = entries, dict(entries)
    return lost


def _count_links(disk: SimDisk) -> None:
    disk.root.nlink = 1
    for inode in disk.inodes.values():
        for ino in inode.entries.values():
            disk.inodes[ino].nlink += 1
    disk.inodes = {ino: i for ino, i in disk.inodes.items() if i.nlink}
