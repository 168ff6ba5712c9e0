"""Making many changes durable with few syncs: file by file, or all of a file system.

More than a few files of one ext4 or btrfs become durable by one syncfs, the rest by
an fdatasync each, in threads.  Measured on ext4 (``bench_durability``): 1,000 marks
take 10 ms against 60, beside a program that writes 100 MiB/s 17 against 63; a single
mark is faster by itself.  A syncfs also waits for what others wrote: one that was
slow is not repeated for a while.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tuiq.spool.disk import filesystem_type

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future, ThreadPoolExecutor
    from pathlib import Path

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory

FEW = 4
"""Up to this many files of a file system are synced one by one."""
SLOW = 0.5
"""Seconds after which a syncfs was in the way of other programs' data."""
REST = 60.0
"""Seconds for which files are synced one by one after that."""
_WHOLE = frozenset({"ext4", "btrfs"})
_TELLING = (5, 8)
"""The Linux since which syncfs(2) tells of write errors."""


def trusts_syncfs(directory: QueueDirectory) -> bool:
    """Say whether a syncfs makes bytes durable that were changed in place.

    ext4 and btrfs flush the disk's cache even when nothing but data was written;
    xfs may not where no inode changed.
    """
    release = os.uname().release.split(".")
    numbers = tuple(int(word) for word in release[:2] if word.isdigit())
    return numbers >= _TELLING and filesystem_type(directory.qf_fd) in _WHOLE


@dataclass(slots=True)
class Share:
    """What is to be made durable."""

    claims: list[Claim] = field(default_factory=list)
    """Their bytes."""
    directories: list[QueueDirectory] = field(default_factory=list)
    """The names of their control files."""

    def __len__(self) -> int:
        """Return how many syncs that would take."""
        return len(self.claims) + len(self.directories)


class Disks:
    """What is known of the file systems; used by one sync at a time."""

    def __init__(self, trusts: Callable[[QueueDirectory], bool]) -> None:
        """Ask *trusts* once for each file system."""
        self._trusts = trusts
        self._trusted: dict[int, bool] = {}  # by device
        self._rests_until: dict[int, float] = {}

    def sync(self, wanted: Share, pool: ThreadPoolExecutor | None = None) -> None:
        """Make all of it durable, file by file in parallel if there is a *pool*.

        Raises OSError when that fails.  A claim that its owner closed meanwhile was
        synced or unlinked by it.
        """
        left = self._sync_wholes(wanted)
        syncs = [partial(_sync_open, claim) for claim in left.claims]
        syncs += [partial(_sync_names, directory) for directory in left.directories]
        if pool is None or len(syncs) == 1:
            for sync in syncs:
                sync()
        else:
            futures: list[Future[None]] = [pool.submit(sync) for sync in syncs]
            for future in futures:
                future.result()

    def _sync_wholes(self, wanted: Share) -> Share:
        """Sync what may be synced as a whole; return what is left.

        Where a syncfs failed, each file has to be asked: the data that were lost may
        be another program's.
        """
        shares: dict[int, Share] = {}  # by device
        known: dict[Path, Share] = {}

        def share_of(directory: QueueDirectory) -> Share:
            share = known.get(directory.path)
            if share is None:
                device = directory.fs.fstat(directory.qf_fd).st_dev
                share = known[directory.path] = shares.setdefault(device, Share())
            return share

        for claim in wanted.claims:
            share_of(claim.directory).claims.append(claim)
        for directory in wanted.directories:
            share_of(directory).directories.append(directory)
        left = Share()
        for device, share in shares.items():
            if len(share) <= FEW or not self._sync_whole(device, share):
                left.claims += share.claims
                left.directories += share.directories
        return left

    def _sync_whole(self, device: int, share: Share) -> bool:
        directory = next(chain(share.directories, (c.directory for c in share.claims)))
        if device not in self._trusted:
            self._trusted[device] = self._trusts(directory)
        began = time.monotonic()
        if not self._trusted[device] or began < self._rests_until.get(device, began):
            return False
        for claim in share.claims:
            claim.changed = False  # first: a mark made meanwhile needs the next sync
        try:
            directory.fs.syncfs(directory.qf_fd)
        except OSError:
            return False
        now = time.monotonic()
        if now - began > SLOW:
            self._rests_until[device] = now + REST
        return True


def _sync_open(claim: Claim) -> None:
    """Sync a claim, unless its owner closes it just now."""
    try:
        claim.sync()
    except OSError:
        if claim.fd >= 0:
            raise


def _sync_names(directory: QueueDirectory) -> None:
    """Make it durable that control files are gone."""
    directory.fs.fsync(directory.qf_fd)
