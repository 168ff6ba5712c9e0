"""The group sync: many marks, few syncs, and nothing unlinked too early.

Claims join the group when they were marked or finished.  One ``take`` freezes
what is waiting, its ``sync`` makes exactly that durable (in a thread, if the
caller likes), and ``complete`` then unlinks finished messages and releases the
rest.  A claim that joins while a sync runs waits for the next one.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from tuiq.spool.finish import remove

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.claim import Claim
    from tuiq.spool.passes import Pass

MAX_OPEN_MARKS = 1024
"""Marks without a sync at which no new final dot is sent."""
MAX_DELAY = 0.2
"""Seconds after which the oldest mark is being synced, at the latest."""


class SyncGroup:
    """Claims whose last bytes are not known to be on disk yet."""

    def __init__(self) -> None:
        """Begin empty."""
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
        *,
        dirty: list[Claim],
        finished: list[Claim],
        waiting: list[Pass],
        marks: int,
    ) -> None:
        """Take over the claims; *dirty* ones stay their owners'."""
        self._dirty = dirty
        self._finished = finished
        self._waiting = waiting
        self.marks = marks

    def claims(self) -> Iterable[Claim]:
        """Yield every claim of the batch."""
        yield from self._dirty
        yield from self._finished
        for visit in self._waiting:
            yield visit.claim

    def sync(self, pool: ThreadPoolExecutor | None = None) -> None:
        """fdatasync every file of the batch, in parallel if there is a *pool*.

        Raises OSError when one fails: then nothing of the batch may be believed.
        A dirty claim that its owner closed meanwhile was synced or unlinked by it.
        """
        claims = [claim for claim in self.claims() if claim.fd >= 0]
        if pool is None or len(claims) == 1:
            for claim in claims:
                _sync_open(claim)
            return
        futures: list[Future[None]] = [pool.submit(_sync_open, c) for c in claims]
        for future in futures:
            future.result()

    def complete(self) -> list[tuple[Claim, OSError]]:
        """Unlink what is finished and release the rest; after ``sync`` only.

        Returns what could not be unlinked or read again: it is let go all the
        same, and what its control file says still holds.
        """
        failed: list[tuple[Claim, OSError]] = []
        for claim in self._finished:
            try:
                remove(claim)
            except OSError as error:
                failed.append((claim, error))
            finally:
                claim.close()
        for visit in self._waiting:
            try:
                visit.release()
            except OSError as error:
                failed.append((visit.claim, error))
                visit.abandon()
        return failed

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
