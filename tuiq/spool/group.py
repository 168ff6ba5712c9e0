"""The group sync: many marks, few syncs, and nothing unlinked too early.

Claims join the group when they were marked or finished.  One ``take`` freezes
what is waiting; ``retiring`` unlinks the control files of finished messages, ``sync``
makes that and all marks durable (in a thread, if the caller likes), and ``complete``
unlinks what else finished messages had, and releases the rest.  A claim that joins
while a sync runs waits for the next one.

Most mail is delivered at the first try: its marks never have to be written, since
their files are gone before the kernel would do it.  One sync of the directory is for
all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.spool.finish import is_unique, unlink_all, unlink_control, unlink_rest
from tuiq.spool.syncing import Disks, Share, trusts_syncfs

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.passes import Pass

MAX_OPEN_MARKS = 1024
"""Marks without a sync at which no new final dot is sent."""
MAX_DELAY = 0.2
"""Seconds after which the oldest mark is being synced, at the latest."""
HEAVY = 4 * 1024 * 1024
"""Bytes of data from which an unlink is kept away from the event loop."""


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
        self._finished = [claim for claim in finished if is_unique(claim)]
        self._recurring = [claim for claim in finished if not is_unique(claim)]
        self._waiting = waiting
        self._stuck: set[str] = set()  # ids
        self._is_removed = False
        self.marks = marks

    def claims(self) -> Iterable[Claim]:
        """Yield every claim of the batch."""
        yield from self._dirty
        yield from self._finished
        yield from self._recurring
        for visit in self._waiting:
            yield visit.claim

    def retiring(self) -> Iterator[tuple[Claim, OSError] | None]:
        """Unlink the control files of what is ``removable``, before the ``sync``.

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

    def needs_sync(self, *, marks: bool = True) -> bool:
        """Say whether ``sync`` would do anything."""
        return len(self._unsynced(marks=marks)) > 0

    def sync(
        self, pool: ThreadPoolExecutor | None = None, *, marks: bool = True
    ) -> None:
        """Make the whole batch durable, in parallel if there is a *pool*.

        Without *marks* only what cannot be removed safely before.
        Raises OSError when that fails: then nothing of the batch may be believed.
        A dirty claim that its owner closed meanwhile was synced or unlinked by it.
        """
        self._disks.sync(self._unsynced(marks=marks), pool)

    def _unsynced(self, *, marks: bool) -> Share:
        if not marks:
            return Share(list(self._recurring))
        claims = [*self._dirty, *(visit.claim for visit in self._waiting)]
        claims += self._recurring
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
        """Unlink what finished messages still have, after the sync; release the rest.

        Yields after each message, and with an error what could not be unlinked or
        read again: it is let go all the same, and what its control file says holds.
        """
        for claim in self._finished:
            if self._is_removed or claim.queue_id in self._stuck:
                claim.close()
                yield None
            else:
                yield _end(claim, _unlink_rest)
        for claim in self._recurring:
            yield _end(claim, unlink_all)
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
        return [*self._finished, *self._recurring]

    @property
    def removable(self) -> Sequence[Claim]:
        """Return those of them that anybody may remove: their ids are unique."""
        return self._finished

    @property
    def is_heavy(self) -> bool:
        """Say whether giving the blocks of what is left to unlink will take long."""
        left = self._recurring if self._is_removed else self.finished
        return any(claim.header.data_length > HEAVY for claim in left)

    @property
    def held(self) -> int:
        """Return how many claims of the batch have no other owner."""
        return len(self._finished) + len(self._recurring) + len(self._waiting)

    def give_up(self, reason: str) -> None:
        """Close everything after a failed sync; no data is unlinked."""
        for claim in self.claims():
            claim.directory.blocked = claim.directory.blocked or reason
        for claim in self.finished:
            claim.close()
        for visit in self._waiting:
            visit.abandon()


def _end(claim: Claim, unlink: Callable[[Claim], None]) -> tuple[Claim, OSError] | None:
    """Unlink and close; return what could not be unlinked, and why."""
    try:
        unlink(claim)
    except OSError as error:
        return claim, error
    finally:
        claim.close()
    return None


def _unlink_rest(claim: Claim) -> None:
    unlink_rest(claim.directory, claim.queue_id, has_texts=claim.has_texts)
