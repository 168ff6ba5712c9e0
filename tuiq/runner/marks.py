"""The group sync in an event loop: one at a time, started soon after a mark."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tuiq.spool.finish import remove
from tuiq.spool.group import MAX_OPEN_MARKS, SyncGroup

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.claim import Claim
    from tuiq.spool.passes import Pass

GATHER = 0.02
"""Seconds that a sync waits for company; far below ``group.MAX_DELAY``."""
THREADS = 8
"""Parallel fdatasyncs; the file system joins them into few journal commits."""


class Marks:
    """Decides when marks become durable, by the ``durability`` setting."""

    def __init__(
        self, durability: str, on_failure: Callable[[Claim, str], None]
    ) -> None:
        """Tell *on_failure* about each directory whose sync failed."""
        self._durability = durability
        self._on_failure = on_failure
        self._group = SyncGroup()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tuiq-sync")
        self._wanted = asyncio.Event()
        self._synced = asyncio.Event()
        self._stopping = False
        self._syncing: frozenset[int] = frozenset()  # ids of claims under a sync

    def __len__(self) -> int:
        """Return how many claims wait for a sync."""
        return len(self._group)

    @property
    def held(self) -> int:
        """Return how many messages are kept open only for a sync."""
        return self._group.held

    def marked(self, claim: Claim, count: int) -> None:
        """Note new marks on a claim in use."""
        if count and self._durability == "group":
            self._group.marked(claim, count)
            self._wanted.set()

    def finish(self, claim: Claim) -> None:
        """Dispose of a claim with MSTATE F."""
        if self._durability == "none":
            remove(claim, synced=False)
            claim.close()
        else:
            self._group.finished(claim)
            self._wanted.set()

    def release(self, visit: Pass) -> None:
        """Dispose of an ended pass."""
        claim = visit.claim
        clean = not claim.changed and id(claim) not in self._syncing
        if clean or self._durability == "none":
            visit.release()
        else:
            self._group.waiting(visit)
            self._wanted.set()

    async def gate(self) -> None:
        """Wait while too many marks are open for another final dot."""
        while self._group.marks > MAX_OPEN_MARKS:
            await self.next_sync()

    async def next_sync(self) -> None:
        """Wait until a sync has ended."""
        self._synced.clear()
        self._wanted.set()
        await self._synced.wait()

    async def sync_one(self, claim: Claim) -> None:
        """Sync one claim now, in a thread."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._pool, claim.sync)
        except OSError as error:
            self._on_failure(claim, error.strerror or "error")
            raise

    async def run(self) -> None:
        """Sync until ``stop``, and then what is left."""
        while not (self._stopping and not len(self._group)):
            await self._wanted.wait()
            self._wanted.clear()
            if not self._stopping:
                await asyncio.sleep(GATHER)
            await self._sync()
        self._pool.shutdown()

    async def _sync(self) -> None:
        batch = self._group.take()
        self._syncing = frozenset(map(id, batch.claims()))
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, batch.sync, self._pool)
        except OSError as error:
            for claim in batch.claims():
                self._on_failure(claim, error.strerror or "error")
            batch.give_up(error.strerror or "error")
        else:
            batch.complete()
        self._syncing = frozenset()
        self._group.done(batch)
        self._synced.set()
        if len(self._group):
            self._wanted.set()

    def stop(self) -> None:
        """Let ``run`` end after everything is synced."""
        self._stopping = True
        self._wanted.set()
