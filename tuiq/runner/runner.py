"""The runner's loop: wake, scan, feed messages to connections, put them away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tuiq.errors import TuiqError
from tuiq.runner.access import Access, OwnGovernor
from tuiq.runner.budget import OUT_OF_DESCRIPTORS, SPARE, Budget, in_use, raise_limit
from tuiq.runner.courier import Courier
from tuiq.runner.desk import Desk
from tuiq.runner.feeder import Feeder
from tuiq.runner.governor import Governor
from tuiq.runner.intake import Intake
from tuiq.runner.keeper import LONGEST_LOOK, Keeper
from tuiq.runner.marks import Marks
from tuiq.runner.outages import tell_change
from tuiq.runner.rounds import Rounds
from tuiq.runner.routes import Routes
from tuiq.runner.shares import shard_of
from tuiq.runner.threads import in_thread
from tuiq.runner.work import Destination, Fate, Key, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from tuiq.mail.reply import Reply
    from tuiq.runner.leases import Leases
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

STARVED_WAIT = 1.0
"""Seconds without new claims after descriptors ran out."""
LOW_DISK_LOOK = 5.0
"""Seconds between looks at a disk that is too full to send from."""
MAX_SLEEP = 60.0
_IS_SETTLED, _IS_BUSY = Fate.SETTLED, Fate.BUSY
_SETTLED = frozenset({Fate.SETTLED})
_COUNTERS = {fate: f"messages_{fate.name.lower()}" for fate in Fate}
"""What messages count as, by their fates."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a runner runs."""

    once: bool = False
    """One pass over what is due at the start and the notices it makes."""
    verbose: bool = False
    """One connection, SMTP dialogue on stderr."""
    max_messages: int | None = None
    """``once`` for so many messages at most; None: all that are due."""
    notices_only: bool = False
    """``once`` for notices alone: workers did the rest."""
    responsible: bool = True
    """Whether housekeeping is this process's; else the supervisor's."""
    shard: int = 0
    """Which of the ``shards`` of the messages are this process's."""
    shards: int = 1


class Runner:
    """Delivers from the queue directories it was given."""

    def __init__(
        self,
        spool: Spool,
        directories: list[QueueDirectory],
        options: Options,
        *,
        leases: Leases | None = None,
    ) -> None:
        """Serve *directories* of *spool*; their ``.lock`` is the caller's business.

        *leases* leads to the governor of all limits; None: there are no others.
        """
        self.spool = spool
        self.directories = directories
        self.options = options
        config = spool.config
        self.budget = Budget(raise_limit(), reserved=in_use() + SPARE)
        self.marks = Marks(
            config.spool.durability,
            on_failure=self._sync_failed,
            on_sync=self._room_changed,
            on_finished=self._tell_finished,
        )
        self.routes = Routes(spool, one_connection=options.verbose)
        self.routes.crowds.limit //= options.shards
        self.desk = Desk(
            spool, self.marks, self.budget, routes=self.routes, on_end=self.ended
        )
        self.leases = leases or OwnGovernor(
            Governor(partial(tell_change, spool)), spool.clock
        )
        self.access = Access(self.leases, self)
        self.courier = self._make_courier()
        self.keeper = Keeper(
            spool,
            directories,
            responsible=options.responsible,
            longest_look=math.inf if options.once else LONGEST_LOOK,
        )
        self.intake = self._make_intake()
        self.feeder = Feeder(self)
        self.on_suspect: Callable[[QueueDirectory, str], None] | None = None
        """Told of a directory in which a sync failed, for other processes' sake."""
        # Owned by the event loop; nothing here is touched by another thread.
        self.fates: dict[Key, Fate] = {}
        """What became of each message; kept by ``once`` only."""
        self.stirred = asyncio.Event()
        """Set at every turn of the loop, for whoever tells about the runner."""
        self._wake = asyncio.Event()
        self._stopping = False
        self._scanning = False
        self._starved_until = 0.0
        self._tasks: asyncio.TaskGroup | None = None

    def _make_courier(self) -> Courier:
        courier = Courier(
            self.spool,
            self.desk,
            verbose=self.options.verbose,
            on_change=self.wake,
            on_starved=self._starved,
        )
        courier.access = self.access
        return courier

    def _make_intake(self) -> Intake:
        spool, options = self.spool, self.options
        intake = Intake(
            spool,
            self.directories,
            self.keeper,
            wake=self.wake,
            once=options.once,
            mine=shard_of(options.shard, options.shards),
        )
        if options.max_messages is not None:
            intake.rounds = Rounds(spool.fs, spool.run_fd, options.max_messages)
        return intake

    # -- the loop --------------------------------------------------------------

    async def run(self) -> bool:
        """Deliver until stopped, or (``once``) until what was due is settled.

        Returns whether nothing is left that a runner could do (``once``).
        """
        async with asyncio.TaskGroup() as outer:
            # Should it fail, by a fault of this program, all ends: nobody would sync.
            syncing = outer.create_task(self.marks.run(), name="marks")
            try:
                await self._deliver()
            finally:
                self.intake.close()
                await self._put_away()
                await self.routes.close()
                self.marks.stop()
                await syncing
        rounds = self.intake.rounds
        left = rounds is not None and rounds.left > 0
        return _SETTLED.issuperset(self.fates.values()) and not left

    async def _deliver(self) -> None:
        if not self.options.once:
            self.intake.start_watching()
        elif self.options.notices_only:
            self.intake.next_scan = float("inf")
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            await self._loop()
            if not self._stopping:
                self.courier.finish()
                self._room_changed()

    async def _loop(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self.stirred.set()
            self.intake.take_events()
            if not self._scanning and self.spool.clock.now() >= self.intake.next_scan:
                await self._rescan()
            self._ingest_drops()
            self.feeder.look_for_room()
            self._feed_and_connect()
            if self.options.once and self._is_done():
                if not await self.intake.find_notices(self.fates):
                    return
                continue
            await self._sleep()

    async def _sleep(self) -> None:
        """Wait for an event, or until something is due by the clock."""
        wait = self._next_time() - self.spool.clock.now()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait) + 0.001):
                await self._wake.wait()

    def _next_time(self) -> float:
        """Return when there is something to do by the clock."""
        now = self.spool.clock.now()
        times = [now + MAX_SLEEP]
        if not self._scanning:
            times.append(max(now, self.intake.next_scan))
        if self.feeder.waits_for_room:
            times.append(now + LOW_DISK_LOOK)
        if self._starved_until > now:
            return min(*times, self._starved_until)
        due = self.intake.due.next_time()
        if due is not None and self.feeder.may_admit():
            times.append(due)
        times.append(self.leases.next_time())
        return min(times)

    def wake(self) -> None:
        """Let the loop look around; to be called on its thread."""
        self._wake.set()

    def look_at_everything(self) -> None:
        """Scan now, and try every destination (ALRM, HUP)."""
        self.leases.try_again()
        self.intake.next_scan = 0.0
        self.wake()

    def adopt(self, directory: QueueDirectory) -> None:
        """Serve one more directory."""
        self.intake.adopt(directory)  # the list of directories is shared
        self.wake()

    def _is_done(self) -> bool:
        idle = self.feeder.is_idle and not len(self.intake.due)
        return idle and not self._scanning

    # -- finding work ----------------------------------------------------------

    async def _rescan(self) -> None:
        """Do the rounds, then begin a scan beside the loop, which takes its time."""
        try:
            self.desk.expire_allowed = await in_thread(self.keeper.housekeep)
        except (TuiqError, OSError) as error:
            self._scan_failed(error)
        else:
            self._scanning = True
            self.routes.crowds.clear()  # the scan finds them again
            self.spawn(self._scan())

    async def _scan(self) -> None:
        try:
            await self.intake.rescan()
            if not self.options.once and not self._stopping:
                await in_thread(self.keeper.collect)
        except (TuiqError, OSError) as error:
            self._scan_failed(error)
        finally:
            self._scanning = False
            self.wake()

    def _scan_failed(self, error: TuiqError | OSError) -> None:
        if isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
            self._starved()
        else:
            _log.error("scan: %s; it is repeated", error)
        self.intake.next_scan = self.spool.clock.now() + STARVED_WAIT

    def _ingest_drops(self) -> None:
        if self.intake.has_drops or self.keeper.has_drops:
            self.intake.has_drops = self.keeper.has_drops = False
            self.spawn(self._ingest())

    async def _ingest(self) -> None:
        await in_thread(self.keeper.ingest)
        self.wake()

    # -- destinations ----------------------------------------------------------

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something beside the loop; the runner ends after it."""
        assert self._tasks is not None
        self._tasks.create_task(coroutine)

    def _feed_and_connect(self) -> None:
        """Queue what is due, and start the connections that would find it."""
        assert self._tasks is not None
        now = self.spool.clock.now()
        if now < self._starved_until:
            return
        self.feeder.feed(now)
        self.leases.poll()
        for destination in self.routes:
            if self.options.once and destination.dead_until > now:
                self._give_up_on(destination)
            self.access.ask(destination, room=self._room())

    def _room(self) -> int:
        """Return for how many more connections there are descriptors."""
        if self._stopping or self.courier.is_broken:
            return 0
        if self.spool.clock.now() < self._starved_until:
            return 0
        return max(0, self.budget.connections - len(self.courier.watchers))

    def granted(self, destination: Destination) -> bool:
        """Connect to a destination, unless nothing wants it any more."""
        if not destination.wanted(room=self._room()):
            return False
        assert self._tasks is not None
        self.courier.connect(destination, self._tasks)
        return True

    def found_dead(self, destination: Destination, reply: Reply) -> None:
        """Defer what waits for a destination that cannot be used."""
        self.spawn(self.courier.outages.defer_waiting(destination, reply))

    def _give_up_on(self, destination: Destination) -> None:
        """Defer what came up for a dead destination since it was found dead."""
        if destination.queue and not destination.active and not destination.deferring:
            self.spawn(self.courier.outages.defer_again(destination))

    # -- endings ---------------------------------------------------------------

    def ended(self, work: Work, fate: Fate) -> None:
        """Forget a message; remember what became of it, and look again if asked."""
        key = work.key
        self.feeder.works.pop(key, None)
        work.units.clear()  # what is still queued of it counts no more
        if self.options.once:
            self.fates[key] = fate
        self.courier.count(_COUNTERS[fate])
        if fate is not _IS_SETTLED:
            self._left(work, fate)
        if fate is not _IS_BUSY:
            self.intake.not_busy(work)
        if work.again:
            self.intake.note(work.directory, (work.queue_id,))
        self._wake.set()

    def _left(self, work: Work, fate: Fate) -> None:
        """See to it that a message is looked at again when that makes sense."""
        if fate is Fate.BUSY:
            self.intake.try_later(work)
        elif fate is Fate.STARVED:
            self._starved()
            when = self.spool.clock.now() + STARVED_WAIT
            self.intake.due.add(work.directory, work.queue_id, when)
        elif fate is Fate.HELD_BACK and not self.options.once:
            self.intake.park(work)

    def _starved(self) -> None:
        """Go on with less after the kernel had no descriptor left."""
        before = self.budget.messages, self.budget.connections
        self.budget.shrink(
            open_messages=self.desk.open_messages + self.marks.held,
            open_connections=len(self.courier.watchers),
        )
        self._starved_until = self.spool.clock.now() + STARVED_WAIT
        after = self.budget.messages, self.budget.connections
        if after != before:
            _log.warning(
                "out of file descriptors; going on with %d messages and %d connections "
                "at a time",
                *after,
            )
        self.wake()

    def _sync_failed(self, claim: Claim, reason: str) -> None:
        if self.on_suspect is not None and not claim.directory.blocked:
            self.on_suspect(claim.directory, reason)
        self.keeper.suspect(claim.directory, reason)

    def _tell_finished(self, claims: Sequence[Claim]) -> None:
        """Journal the ends of messages, those of one sync by one write."""
        self.spool.journal.finished(
            (claim.queue_id, claim.directory.name) for claim in claims
        )

    def _room_changed(self) -> None:
        """Let who waits for room to open a message look again."""
        self.desk.room_changed()
        self.routes.wake()

    # -- changes of mind -------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Say whether the runner is draining."""
        return self._stopping

    def reconfigure(self) -> None:
        """Take over settings that were read again; open connections keep theirs."""
        self.marks.durability = self.spool.config.spool.durability
        self.feeder.queue_again(self.routes.reconfigure())
        self.courier.forget_tls()
        self.intake.unpark()
        self.look_at_everything()

    async def stop(self) -> None:
        """Drain: no new transaction, and an end within ``drain_timeout``."""
        if self._stopping:
            return
        self._stopping = True
        self.intake.stopping = True
        self.desk.stop()
        self._room_changed()
        self._wake.set()
        patience = self.spool.config.runner.drain_timeout
        left = await self.courier.stop(patience)
        if left:
            _log.warning(
                "no answer to the final dot within %.0f s, so these have recipients "
                "in doubt: %s",
                patience,
                " ".join(left),
            )

    async def _put_away(self) -> None:
        """End every pass that is still open: slots untried stay todo."""
        for work in list(self.feeder.works.values()):
            if work.visit is not None and not work.running:
                await self.desk.conclude(work)
