"""The group sync: many marks, few syncs, and nothing unlinked too early.

Claims join the group when they were marked or finished.  One ``take`` freezes
what is waiting; ``retiring`` unlinks the control files of finished messages, ``sync``
makes that and all marks durable (in a thread, if the caller likes), and ``complete``
unlinks what else finished messages had, and releases the rest.  A claim that joins
while a sync runs waits for the next one.

Most mail is delivered at the first try: its marks never have to be written, since
their files are gone before the kernel would do it.  One sync of the directory is for
all of them.

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
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from tuiq.spool.disk import filesystem_type
from tuiq.spool.finish import unlink_control, unlink_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
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

    def sync(self, wanted: Share) -> Share:
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
        """Take over a claim with MSTATE F: removed with the next sync."""
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
        self._stuck: set[str] = set()  # ids
        self._is_removed = False
        self.marks = marks

    def claims(self) -> Iterable[Claim]:
        """Yield every claim of the batch."""
        yield from self._dirty
        yield from self._finished
        for visit in self._waiting:
            yield visit.claim

    def retiring(self) -> Iterator[tuple[Claim, OSError] | None]:
        """Unlink the control files of what is finished, before the ``sync``.

        Yields after each, and with an error what could not be unlinked: its F is
        synced, and a later look at it tries again.
        """
        for claim in self._finished:
            try:
                unlink_control(claim.directory, claim.queue_id)
            except OSError as error:
                self._stuck.add(claim.queue_id)
                yield claim, error
            else:
                yield None

    def removed(self, stuck: Container[str]) -> None:
        """Take note that somebody else does all of ``retiring``, syncs, and unlinks.

        Only what is *stuck*, by id, has a control file still.
        """
        self._stuck.update(c.queue_id for c in self._finished if c.queue_id in stuck)
        self._is_removed = True

    @property
    def needs_sync(self) -> bool:
        """Say whether there is anything to sync."""
        return len(self._unsynced()) > 0

    def sync(self, pool: ThreadPoolExecutor | None = None) -> None:
        """Make the whole batch durable, in parallel if there is a *pool*.

        Raises OSError when that fails: then nothing of the batch may be believed.
        A dirty claim that its owner closed meanwhile was synced or unlinked by it.
        """
        left = self._disks.sync(self._unsynced())
        syncs = [partial(_sync_open, claim) for claim in left.claims]
        syncs += [partial(_sync_names, directory) for directory in left.directories]
        if pool is None or len(syncs) == 1:
            for sync in syncs:
                sync()
        else:
            futures: list[Future[None]] = [pool.submit(sync) for sync in syncs]
            for future in futures:
                future.result()

    def _unsynced(self) -> Share:
        claims = [*self._dirty, *(visit.claim for visit in self._waiting)]
        places: dict[int, QueueDirectory] = {}
        for claim in self._finished:
            if claim.queue_id in self._stuck:
                claims.append(claim)
            elif not self._is_removed:
                places[id(claim.directory)] = claim.directory
        return Share([c for c in claims if c.fd >= 0], list(places.values()))

    def complete(self) -> list[tuple[Claim, OSError]]:
        """Do all of ``completing``; return what failed."""
        return [failure for failure in self.completing() if failure is not None]

    def completing(self) -> Iterator[tuple[Claim, OSError] | None]:
        """Unlink what else finished messages had, after the sync; release the rest.

        Yields after each message, and with an error what could not be unlinked or
        read again: it is let go all the same, and what its control file says holds.
        """
        for claim in self._finished:
            failure = None
            try:
                if not (self._is_removed or claim.queue_id in self._stuck):
                    unlink_rest(
                        claim.directory, claim.queue_id, has_texts=claim.has_texts
                    )
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
    def is_removed(self) -> bool:
        """Say whether somebody else unlinks what is finished."""
        return self._is_removed

    @property
    def finished(self) -> Sequence[Claim]:
        """Return the messages that are over."""
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
        """Close everything after a failed sync; no data is unlinked."""
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


def _sync_names(directory: QueueDirectory) -> None:
    """Make it durable that control files are gone."""
    directory.fs.fsync(directory.qf_fd)
