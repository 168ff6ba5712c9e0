"""The group sync: many marks, few syncs, and nothing unlinked too early.

Claims join the group when they were marked or finished.  One ``take`` freezes
what is waiting, its ``sync`` makes exactly that durable (in a thread, if the
caller likes), and ``complete`` then unlinks finished messages and releases the
rest.  A claim that joins while a sync runs waits for the next one.

More than a few files of one ext4 or btrfs become durable by one syncfs, the rest by
an fdatasync each, in threads.  Measured on ext4 (``bench_durability``): 1,000 marks
take 10 ms against 60, beside a program that writes 100 MiB/s 17 against 63; a single
mark is faster by itself.  A syncfs also waits for what others wrote: one that was
slow is not repeated for a while.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from tuiq.spool.disk import filesystem_type
from tuiq.spool.finish import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.passes import Pass

MAX_OPEN_MARKS = 1024
"""Marks without a sync at which no new final dot is sent."""
MAX_DELAY = 0.2
"""Seconds after which the oldest mark is being synced, at the latest."""
FEW = 4
"""Up to this many files of a file system are synced one by one."""
SLOW = 0.5
"""Seconds after which a syncfs was in the way of other programs' data."""
REST = 60.0
"""Seconds for which files are synced one by one after that."""
HEAVY = 4 * 1024 * 1024
"""Bytes of data from which an unlink is kept away from the event loop."""
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


class Disks:
    """What is known of the file systems; used by one sync at a time."""

    def __init__(self, trusts: Callable[[QueueDirectory], bool]) -> None:
        """Ask *trusts* once for each file system."""
        self._trusts = trusts
        self._trusted: dict[int, bool] = {}  # by device
        self._rests_until: dict[int, float] = {}

    def sync(self, claims: Iterable[Claim]) -> list[Claim]:
        """Sync what may be synced as a whole; return the others.

        Where a syncfs failed, each file has to be asked: the data that were lost
        may be another program's.
        """
        shares: dict[int, list[Claim]] = {}
        devices: dict[Path, int] = {}
        for claim in claims:
            directory = claim.directory
            device = devices.get(directory.path)
            if device is None:
                device = directory.fs.fstat(directory.qf_fd).st_dev
                devices[directory.path] = device
            shares.setdefault(device, []).append(claim)
        left: list[Claim] = []
        for device, share in shares.items():
            if len(share) <= FEW or not self._sync_whole(device, share):
                left += share
        return left

    def _sync_whole(self, device: int, claims: Sequence[Claim]) -> bool:
        directory = claims[0].directory
        if device not in self._trusted:
            self._trusted[device] = self._trusts(directory)
        began = time.monotonic()
        if not self._trusted[device] or began < self._rests_until.get(device, began):
            return False
        for claim in claims:
            claim.changed = False  # first: a mark made meanwhile needs the next sync
        try:
            directory.fs.syncfs(directory.qf_fd)
        except OSError:
            return False
        now = time.monotonic()
        if now - began > SLOW:
            self._rests_until[device] = now + REST
        return True


class SyncGroup:
    """Claims whose last bytes are not known to be on disk yet."""

    def __init__(
        self, trusts: Callable[[QueueDirectory], bool] = trusts_syncfs
    ) -> None:
        """Begin empty; *trusts* says where a syncfs will do."""
        self._disks = Disks(trusts)
        # Owned by the thread that calls; a Batch owns what it took.
        self._dirty: dict[int, Claim] = {}
        self._finished: dict[int, Claim] = {}
        self._waiting: dict[int, Pass] = {}
        self.marks = 0
        """Marks that no finished sync covers."""

    def marked(self, claim: Claim, count: int) -> None:
        """Note *count* new marks on a claim that stays open."""
        self._dirty[id(claim)] = claim
        self.marks += count

    def finished(self, claim: Claim) -> None:
        """Take over a claim with MSTATE F: unlinked after the next sync."""
        self._dirty.pop(id(claim), None)
        self._finished[id(claim)] = claim

    def waiting(self, visit: Pass) -> None:
        """Take over an ended pass: released after the next sync."""
        self._dirty.pop(id(visit.claim), None)
        self._waiting[id(visit)] = visit

    def __len__(self) -> int:
        """Return how many claims wait for a sync."""
        return len(self._dirty) + len(self._finished) + len(self._waiting)

    @property
    def held(self) -> int:
        """Return how many claims the group keeps open by itself."""
        return len(self._finished) + len(self._waiting)

    def take(self) -> Batch:
        """Freeze what is waiting now; everything later belongs to the next batch."""
        batch = Batch(
            self._disks,
            dirty=list(self._dirty.values()),
            finished=list(self._finished.values()),
            waiting=list(self._waiting.values()),
            marks=self.marks,
        )
        self._dirty.clear()
        self._finished.clear()
        self._waiting.clear()
        return batch

    def done(self, batch: Batch) -> None:
        """Count the marks of a completed batch as durable."""
        self.marks -= batch.marks


class Batch:
    """What one sync covers."""

    def __init__(
        self,
        disks: Disks,
        *,
        dirty: list[Claim],
        finished: list[Claim],
        waiting: list[Pass],
        marks: int,
    ) -> None:
        """Take over the claims; *dirty* ones stay their owners'."""
        self._disks = disks
        self._dirty = dirty
        self._finished = finished
        self._waiting = waiting
        self.marks = marks
        self.is_synced = False
        """Whether its bytes are durable; it may be put away without (``none``)."""

    def claims(self) -> Iterable[Claim]:
        """Yield every claim of the batch."""
        yield from self._dirty
        yield from self._finished
        for visit in self._waiting:
            yield visit.claim

    def sync(self, pool: ThreadPoolExecutor | None = None) -> None:
        """Make every file of the batch durable, in parallel if there is a *pool*.

        Raises OSError when one fails: then nothing of the batch may be believed.
        A dirty claim that its owner closed meanwhile was synced or unlinked by it.
        """
        claims = self._disks.sync(c for c in self.claims() if c.fd >= 0)
        if pool is None or len(claims) == 1:
            for claim in claims:
                _sync_open(claim)
        else:
            futures: list[Future[None]] = [pool.submit(_sync_open, c) for c in claims]
            for future in futures:
                future.result()
        self.is_synced = True

    def complete(self) -> list[tuple[Claim, OSError]]:
        """Do all of ``completing``; return what failed."""
        return [failure for failure in self.completing() if failure is not None]

    def completing(
        self, *, removed: bool = False
    ) -> Iterator[tuple[Claim, OSError] | None]:
        """Unlink what is finished and release the rest.

        *removed*: somebody else has unlinked it.  Without a ``sync`` before, control
        files go first.

        Yields after each message, and with an error what could not be unlinked or
        read again: it is let go all the same, and what its control file says holds.
        """
        for claim in self._finished:
            failure = None
            try:
                if not removed:
                    remove(claim, synced=self.is_synced)
            except OSError as error:
                failure = claim, error
            finally:
                claim.close()
            yield failure
        for visit in self._waiting:
            failure = None
            try:
                visit.release()
            except OSError as error:
                failure = visit.claim, error
                visit.abandon()
            yield failure

    @property
    def finished(self) -> Sequence[Claim]:
        """Return the messages that ``completing`` unlinks."""
        return self._finished

    @property
    def is_heavy(self) -> bool:
        """Say whether giving the blocks of its files back will take long."""
        return any(claim.header.data_length > HEAVY for claim in self._finished)

    @property
    def held(self) -> int:
        """Return how many claims of the batch have no other owner."""
        return len(self._finished) + len(self._waiting)

    def give_up(self, reason: str) -> None:
        """Close everything after a failed sync; nothing is unlinked."""
        for claim in self.claims():
            claim.directory.blocked = claim.directory.blocked or reason
        for claim in self._finished:
            claim.close()
        for visit in self._waiting:
            visit.abandon()


def _sync_open(claim: Claim) -> None:
    """Sync a claim, unless its owner closes it just now."""
    try:
        claim.sync()
    except OSError:
        if claim.fd >= 0:
            raise
