"""The group sync in an event loop: one at a time, started soon after a mark."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tuiq.runner.threads import in_thread
from tuiq.spool.group import MAX_OPEN_MARKS, SyncGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from tuiq.spool.claim import Claim
    from tuiq.spool.group import Batch
    from tuiq.spool.passes import Pass

GATHER = 0.06
"""Seconds that a sync waits for company, so that there are few; well below
``group.MAX_DELAY``."""
COMPANY = 16
"""Messages, or recipients, that are company enough for a sync."""
SLICE = 8
"""Messages put away before connections get their turn."""
REMOVED_SLICE = 64
"""The same where others unlinked them: they are quick to close, and have to be closed
before those others close them, since the last to do so sleeps."""
THREADS = 8
"""Parallel fdatasyncs; the file system joins them into few journal commits."""
_log = logging.getLogger(__name__)


class Removal(Protocol):
    """What became of messages that another process was to remove."""

    @property
    def failed(self) -> Mapping[str, str]:
        """Return why control files are still there, by queue id."""
        ...

    @property
    def problem(self) -> str:
        """Return why none of it may be believed to be durable; empty: it is."""
        ...


class Remover(Protocol):
    """Who removes finished messages in another process."""

    async def __call__(self, claims: Sequence[Claim], *, sync: bool) -> Removal | None:
        """Remove them, durably if *sync*; None: nobody is there to do it."""
        ...


class Marks:
    """Decides when marks become durable, by the ``durability`` setting."""

    def __init__(
        self,
        durability: str,
        *,
        on_failure: Callable[[Claim, str], None],
        on_sync: Callable[[], None],
        on_finished: Callable[[Sequence[Claim]], None],
    ) -> None:
        """Tell *on_failure* about each claim whose sync failed.

        *on_sync* is called after each sync, and when claims were let go; *on_finished*
        is told of messages that are about to be removed: nobody could tell of them
        when this process is killed meanwhile.
        """
        self.durability = durability
        self.remover: Remover | None = None
        """Removes finished messages in another process; see ``removing``."""
        self._on_failure = on_failure
        self._on_sync = on_sync
        self._on_finished = on_finished
        self._group = SyncGroup()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="tuiq-sync")
        self._wanted = asyncio.Event()
        self._hurried = asyncio.Event()
        self._synced = asyncio.Event()
        self._stopping = False
        # Loop time at which the last sync began; the timer of the next one, if no
        # message is open.
        self._began = 0.0
        self._resting: asyncio.TimerHandle | None = None
        self.held = 0
        """Messages kept open only for a sync, or until they are put away."""
        # What the running sync covers, as ids of claims, and passes to be dropped when
        # it is over.
        self._syncing: frozenset[int] = frozenset()
        self._dropped: list[Pass] = []

    def __len__(self) -> int:
        """Return how many claims wait for a sync."""
        return len(self._group)

    def marked(self, claim: Claim, count: int) -> None:
        """Note new marks on a claim in use."""
        if count and self.durability == "group":
            self._group.marked(claim, count)
            self._wanted.set()

    def finish(self, claim: Claim) -> None:
        """Dispose of a claim with MSTATE F: one of many is quicker to unlink."""
        self.held += 1
        self._group.finished(claim)
        self._wanted.set()

    def release(self, visit: Pass) -> None:
        """Dispose of an ended pass."""
        claim = visit.claim
        clean = not claim.changed and id(claim) not in self._syncing
        if clean or self.durability == "none":
            visit.release()
        else:
            self.held += 1
            self._group.waiting(visit)
            self._wanted.set()

    def drop(self, visit: Pass) -> None:
        """Dispose of a pass that cannot go on: its slots tell the truth."""
        if id(visit.claim) in self._syncing:
            self.held += 1
            self._dropped.append(visit)
        else:
            visit.abandon()

    @property
    def is_full(self) -> bool:
        """Say whether too many marks are open for another final dot."""
        return self._group.marks > MAX_OPEN_MARKS

    async def gate(self) -> None:
        """Wait while ``is_full``."""
        while self.is_full:
            self._synced.clear()
            self.hurry()
            await self._synced.wait()

    def hurry(self) -> None:
        """Sync as soon as possible: somebody waits for what it lets go."""
        if len(self._group):
            self._hurried.set()
            self._wanted.set()

    def rest(self) -> None:
        """Take note that no message is open: waiting would bring no company.

        Syncs for a few begin ``GATHER`` apart all the same: mail that comes one by
        one must not cost a sync each.
        """
        if max(len(self._group), self._group.marks) > COMPANY:
            self.hurry()
        elif self._resting is None:
            loop = asyncio.get_running_loop()
            when = max(loop.time(), self._began + GATHER)
            self._resting = loop.call_at(when, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self.hurry()

    async def sync_one(self, claim: Claim) -> None:
        """Sync one claim now, in a thread."""
        try:
            await in_thread(claim.sync, executor=self._pool)
        except OSError as error:
            self._on_failure(claim, error.strerror or "error")
            raise

    async def run(self) -> None:
        """Sync until ``stop``, and then what is left; put all of it away."""
        async with asyncio.TaskGroup() as putting:
            while not (self._stopping and not len(self._group)):
                await self._wanted.wait()
                self._wanted.clear()
                await self._gather()
                self._began = asyncio.get_running_loop().time()
                batch = self._group.take()
                if await self._sync(batch):
                    # Nobody waits for it: the next sync covers what came since.
                    putting.create_task(self._put_away(batch))
                else:
                    self.held -= batch.held
        if self._resting is not None:
            self._resting.cancel()
        self._pool.shutdown()

    async def _gather(self) -> None:
        """Wait for company, unless somebody cannot go on without the sync."""
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GATHER):
                    await self._hurried.wait()
        self._hurried.clear()

    async def _sync(self, batch: Batch) -> bool:
        """Make a batch durable if marks are to be; if that fails give it up: False."""
        self._syncing = frozenset(map(id, batch.claims()))
        is_good = True
        try:
            await self._retire(batch)
            marks = self.durability != "none"
            if batch.needs_sync(marks=marks):
                await in_thread(partial(batch.sync, self._pool, marks=marks))
        except OSError as error:
            is_good = False
            for claim in batch.claims():
                self._on_failure(claim, error.strerror or "error")
            batch.give_up(error.strerror or "error")
        self._syncing = frozenset()
        self._group.done(batch)
        while self._dropped:
            self.held -= 1
            self._dropped.pop().abandon()
        self._synced.set()
        self._on_sync()
        if len(self._group):
            self._wanted.set()
        return is_good

    async def _retire(self, batch: Batch) -> None:
        """Unlink control files of finished messages, or have that done.

        Here it is done on the loop, some messages at a time: a thread would fight it
        for the interpreter around every unlink, which costs more than the unlink.
        Raises OSError when it was to be made durable elsewhere and was not.
        """
        if batch.finished:
            self._on_finished(batch.finished)
        claims = batch.removable
        if not claims:
            return
        if self.remover is not None:
            removal = await self.remover(claims, sync=self.durability != "none")
            if removal is not None:
                if removal.problem:
                    raise OSError(errno.EIO, removal.problem)
                batch.removed(removal.failed)
                for claim in claims:
                    if claim.queue_id in removal.failed:
                        _tell_unfinished(claim, removal.failed[claim.queue_id])
                return
        await _in_slices(batch.retiring(), SLICE)

    async def _put_away(self, batch: Batch) -> None:
        """Let go of a batch that was synced, or needs no sync."""
        if batch.is_heavy:
            for claim, error in await in_thread(batch.complete):
                _tell_unfinished(claim, error.strerror or "error")
        else:
            size = REMOVED_SLICE if batch.is_removed else SLICE
            await _in_slices(batch.completing(), size)
        self.held -= batch.held
        self._on_sync()

    def stop(self) -> None:
        """Let ``run`` end after everything is synced."""
        self._stopping = True
        self._hurried.set()
        self._wanted.set()


async def _in_slices(steps: Iterable[tuple[Claim, OSError] | None], size: int) -> None:
    """Do all *steps*, *size* of them at a time; tell what could not be unlinked."""
    for number, failure in enumerate(steps, 1):
        if failure is not None:
            claim, error = failure
            _tell_unfinished(claim, error.strerror or "error")
        if number % size == 0:
            await asyncio.sleep(0)


def _tell_unfinished(claim: Claim, reason: str) -> None:
    _log.error(
        "%s: cannot be put away: %s; a later look at it will do it",
        claim.directory.path_of("qf" + claim.queue_id),
        reason.lower(),
    )
