"""The disk below a spool: its low-disk floor and the kinds that are refused.

A mark that cannot be written is a duplicate, so attempts stop and submissions are
answered 75 while there still is room: below min(5 %, 512 MiB) of free bytes or
min(5 %, 10,000) free inodes (settings ``min_free_*``; file systems that report no
inodes have no inode floor).

A queue needs a local disk: flock(2), inotify and fsync do not mean the same over
a network, and tmpfs forgets.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuiq.spool.handoff import floors

if TYPE_CHECKING:
    from tuiq.clock import Clock
    from tuiq.config import SpoolConfig
    from tuiq.spool.fs import Fs, StatvfsResult

CHECK_EVERY = 1.0
"""Seconds for which an answer about one file system is good."""
NETWORK_TYPES = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "afs",
        "ceph",
        "lustre",
        "gfs2",
        "ocfs2",
        "gpfs",
        "beegfs",
        "coda",
        "ncpfs",
        "orangefs",
        "pvfs2",
    ]
)
"""File systems that other hosts may write to."""
HOST_TYPES = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs"})
"""Shared with the machine that runs this one: usable, but inotify is blind there."""
LOCAL_FUSE = frozenset(
    [
        "fuseblk",
        "fuse.bindfs",
        "fuse.fuse-overlayfs",
        "fuse.lazyfs",
        "fuse.mergerfs",
        "fuse.ntfs-3g",
        "fuse.gocryptfs",
        "fuse.encfs",
    ]
)
"""FUSE file systems whose files lie on a disk of this host."""
MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LowDisk:
    """A file system below its floor."""

    what: str
    """``bytes`` or ``inodes``."""
    free: int
    floor: int

    def __str__(self) -> str:
        """Return the sentence for people, without the place."""
        if self.what == "inodes":
            return f"only {self.free} free inodes, the floor is {self.floor}"
        return f"only {_size(self.free)} free, the floor is {_size(self.floor)}"


class DiskFloor:
    """Answers whether there is room, asking each file system once a second."""

    def __init__(self, fs: Fs, clock: Clock, config: SpoolConfig) -> None:
        """Use the floors of *config*."""
        self._fs = fs
        self._clock = clock
        self._config = config
        # fd -> (boot time of the answer, the answer)
        self._answers: dict[int, tuple[float, LowDisk | None]] = {}

    def check(self, fd: int) -> LowDisk | None:
        """Return why the file system of *fd* is too full, None when it is not."""
        now = self._clock.boottime()
        asked, answer = self._answers.get(fd, (None, None))
        if asked is None or not 0 <= now - asked < CHECK_EVERY:
            answer = low_disk(self._fs.statvfs(fd), self._config)
            self._answers[fd] = now, answer
        return answer


def low_disk(space: StatvfsResult, config: SpoolConfig) -> LowDisk | None:
    """Compare free bytes and inodes with the floors of *config*."""
    in_bytes, in_inodes = floors(
        space, config.min_free_percent, config.min_free_bytes, config.min_free_inodes
    )
    free = space.f_bavail * space.f_frsize
    if free < in_bytes:
        return LowDisk(what="bytes", free=free, floor=in_bytes)
    if space.f_favail < in_inodes:
        return LowDisk(what="inodes", free=space.f_favail, floor=in_inodes)
    return None


def filesystem_type(fd: int, proc: Path = Path("/proc")) -> str:
    """Return the type of the file system that holds *fd*; empty when unknown.

    Matched by the mount id of the open file: the device numbers in mountinfo are
    not those of stat(2) on btrfs.
    """
    try:
        info = (proc / f"self/fdinfo/{fd}").read_text("ascii", "replace")
        mounts = (proc / "self/mountinfo").read_text("utf-8", "surrogateescape")
    except OSError:
        return ""
    ids = [line.split()[1] for line in info.splitlines() if line.startswith("mnt_id:")]
    for line in mounts.splitlines():
        mount, _, super_block = line.partition(" - ")
        if ids and mount.split(" ", 1)[0] == ids[0]:
            return super_block.split(" ", 1)[0]
    return ""


def is_remote(kind: str) -> bool:
    """Say whether others than this kernel may write to a file system of this type."""
    if kind in NETWORK_TYPES or kind in HOST_TYPES:
        return True
    return kind.startswith("fuse") and kind not in LOCAL_FUSE


def refusal(path: Path, fd: int, *, allow_tmpfs: bool = False) -> str | None:
    """Return the sentence why *path*, open as *fd*, cannot hold a queue, or None."""
    return refusal_of_type(path, filesystem_type(fd), allow_tmpfs=allow_tmpfs)


def refusal_of_type(path: Path, kind: str, *, allow_tmpfs: bool = False) -> str | None:
    """Return why a file system of type *kind* cannot hold the queue *path*."""
    if kind in MEMORY_TYPES and not allow_tmpfs:
        return (
            f"{os.fspath(path)}: is on {kind}, which loses all mail at a restart; "
            "put the queue on a local disk"
        )
    if is_remote(kind) and kind not in HOST_TYPES:
        return (
            f"{os.fspath(path)}: is on {kind}, where other hosts may write and locks "
            "do not hold; put the queue on a local disk"
        )
    return None


def _size(count: int) -> str:
    """Return *count* bytes in a unit for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
