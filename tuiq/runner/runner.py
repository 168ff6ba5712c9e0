"""The runner's loop: wake, scan, feed messages to connections, put them away."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.config import split_host_port
from tuiq.delivery.transport import NextHop
from tuiq.errors import MessageBusy, MessageGone, TuiqError
from tuiq.runner.budget import Budget, raise_limit
from tuiq.runner.courier import Courier
from tuiq.runner.desk import BUSY_DELAYS, Desk
from tuiq.runner.due import DueList, index_time, scan
from tuiq.runner.keeper import Keeper
from tuiq.runner.marks import Marks
from tuiq.runner.triage import Lot, sort_out
from tuiq.runner.work import Destination, Fate, Work
from tuiq.spool.finish import claim_message
from tuiq.spool.spool import read_entry
from tuiq.spool.watch import SpoolWatch

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from typing import Any

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

MAX_ACTIVE = 20_000
"""Messages in the runner's hands at a time (Postfix's active queue)."""
STARVED_WAIT = 1.0
"""Seconds without new claims after descriptors ran out."""
MAX_SLEEP = 60.0
PAUSES = "pauses"
DROP = "drop"
NO_SMARTHOST = (
    "no smarthost is configured, so nothing can be delivered; set it in [delivery]"
)
_LEFT_ALONE = "%s: waits for tuiq check, or belongs to an unfinished move; left alone"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a runner runs."""

    once: bool = False
    """One pass over what is due at the start and the notices it makes."""
    verbose: bool = False
    """One connection, SMTP dialogue on stderr."""


class Runner:
    """Delivers from the queue directories it was given."""

    def __init__(
        self,
        spool: Spool,
        directories: list[QueueDirectory],
        options: Options,
    ) -> None:
        """Serve *directories* of *spool*; their ``.lock`` is the caller's business."""
        self.spool = spool
        self.directories = directories
        self.options = options
        self.budget = Budget(
            raise_limit(), connections=spool.config.delivery.concurrency
        )
        self.marks = Marks(spool.config.spool.durability, self._sync_failed)
        self.desk = Desk(
            spool,
            self.marks,
            self.budget,
            on_end=self._ended,
            on_starved=self._starved,
        )
        self.courier = Courier(spool, self.desk, self.marks, verbose=options.verbose)
        self.keeper = Keeper(spool, directories)
        # Owned by the event loop; nothing here is touched by another thread.
        self.due = DueList()
        self.destinations: dict[str, Destination] = {}
        """By name of the next hop."""
        self.fates: dict[str, Fate] = {}
        self._works: dict[str, Work] = {}
        self._parked: dict[str, QueueDirectory] = {}
        self._solo: list[Work] = []
        self._busy: dict[str, int] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        self._next_scan = 0.0
        self._starved_until = 0.0
        self._watch: SpoolWatch | None = None
        self._watched = {d.name: d for d in directories}
        self._tasks: asyncio.TaskGroup | None = None
        self._visits: set[asyncio.Task[None]] = set()

    # -- the loop --------------------------------------------------------------

    async def run(self) -> None:
        """Deliver until stopped, or (``once``) until what was due is settled."""
        syncing = asyncio.create_task(self.marks.run(), name="marks")
        try:
            if not self.options.once:
                self._start_watching()
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._loop()
                if not self._stopping:
                    await self._quit_idle()
        finally:
            if self._watch is not None:
                self._watch.close()
            await self._put_away()
            self.marks.stop()
            await syncing

    async def _loop(self) -> None:
        notices_done = False
        while not self._stopping:
            self._wake.clear()
            self._take_events()
            now = self.spool.clock.now()
            if now >= self._next_scan:
                await self._rescan(now)
            self._feed()
            self._connect()
            if self.options.once and self._is_done():
                if notices_done:
                    return
                notices_done = not await self._find_notices()
                continue
            await self._sleep()

    async def _sleep(self) -> None:
        """Wait for an event, or until something is due by the clock."""
        now = self.spool.clock.now()
        times = [self._next_scan, now + MAX_SLEEP, self.due.next_time()]
        times += [
            max(d.dead_until, d.capped_until)
            for d in self.destinations.values()
            if d.queue
        ]
        if len(self._works) >= MAX_ACTIVE or self._starved_until > now:
            times = [self._next_scan, max(self._starved_until, now + 0.1)]
        wait = min(when for when in times if when is not None) - now
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, wait) + 0.001):
                await self._wake.wait()

    def wake(self) -> None:
        """Let the loop look around; to be called on its thread."""
        self._wake.set()

    def look_at_everything(self) -> None:
        """Scan now (ALRM, HUP)."""
        self._next_scan = 0.0
        self.wake()

    def _is_done(self) -> bool:
        return not self._works and not self._solo and not len(self.due)

    # -- finding work ----------------------------------------------------------

    def _start_watching(self) -> None:
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        self._watch = SpoolWatch(wake)
        places = {d.name: d.qf_fd for d in self.directories}
        places |= self.keeper.watched()
        for name, fd in places.items():
            reason = self._watch.add(name, fd)
            if reason:
                _log.warning("%s", reason)

    def _take_events(self) -> None:
        if self._watch is None:
            return
        dirty = self._watch.drain()
        if not dirty:
            return
        now = self.spool.clock.now()
        for name, files in dirty.names.items():
            self._take_names(name, files, now)
        if dirty.rescan or dirty.lost:
            self._next_scan = 0.0

    def _take_names(self, name: str, files: frozenset[str], now: float) -> None:
        if name == PAUSES:
            if any(not file.startswith(".") for file in files):
                self._unpark()
        elif name == DROP:
            if any(file.startswith("m.") for file in files):
                self._spawn(self._ingest())
        else:
            ids = (file[2:] for file in files if file.startswith("qf"))
            self._note(self._watched[name], ids, now)

    def _note(
        self, directory: QueueDirectory, queue_ids: Iterable[str], now: float
    ) -> None:
        """List messages that changed, if they come due before the next scan."""
        for queue_id in queue_ids:
            when = index_time(directory, queue_id)
            if when is not None and when <= max(self._next_scan, now):
                self.due.add(directory, queue_id, when)

    async def _rescan(self, now: float) -> None:
        """List what comes due before the next scan: the truth, beside the hints."""
        interval = self.spool.config.runner.rescan_interval
        until = now if self.options.once else now + interval + 1.0
        self._next_scan = now + interval
        self.desk.expire_allowed = await asyncio.to_thread(
            self.keeper.housekeep, once=self.options.once
        )
        for directory in self.directories:
            found = await asyncio.to_thread(scan, directory, now=now, until=until)
            for queue_id, when in found:
                self.due.add(directory, queue_id, when)
        self._parked.clear()

    async def _ingest(self) -> None:
        await asyncio.to_thread(self.keeper.ingest)

    async def _find_notices(self) -> bool:
        """List the notices that this pass made; say whether there were any."""
        now = self.spool.clock.now()
        found = False
        for directory in self.directories:
            for queue_id, when in await asyncio.to_thread(
                scan, directory, now=now, until=now
            ):
                if queue_id in self.fates:
                    continue
                entry = read_entry(directory, queue_id)
                if entry is not None and entry.via == b"dsn":
                    self.due.add(directory, queue_id, when)
                    found = True
        return found

    # -- feeding ---------------------------------------------------------------

    def _feed(self) -> None:
        """Hand due messages to their destinations, up to what memory may hold."""
        now = self.spool.clock.now()
        if now < self._starved_until:
            return
        while len(self._works) < MAX_ACTIVE:
            item = self.due.pop(now)
            if item is None:
                break
            self._admit(*item, now)
        if self._solo and not self._works:
            work = self._solo.pop()
            self._works[work.queue_id] = work
            self._queue(work)

    def _admit(self, directory: QueueDirectory, queue_id: str, now: float) -> None:
        work = self._works.get(queue_id)
        if work is not None:
            work.again = True
            return
        if directory.blocked:
            self.fates[queue_id] = Fate.HELD_BACK
            return
        entry = read_entry(directory, queue_id)
        if entry is None:
            self._sweep_finished(directory, queue_id)
            return
        work = self._works[queue_id] = Work(directory=directory, queue_id=queue_id)
        retry_doubt = self.spool.config.spool.in_doubt == "retry"
        lot = sort_out(entry, now, retry_doubt=retry_doubt)
        if lot is Lot.REPORT:
            self.desk.tell_damage(work, entry.damage or _LEFT_ALONE % queue_id)
        elif lot is Lot.VISIT or self._is_paused(directory):
            self._spawn(self._visit(work))
        elif entry.opened >= 5 and not entry.flush_pending:
            del self._works[queue_id]
            self._solo.append(work)
        else:
            self._queue(work)

    def _sweep_finished(self, directory: QueueDirectory, queue_id: str) -> None:
        """Remove what a dead runner finished but could not unlink any more."""
        try:
            claim_message(directory, queue_id).close()
        except (MessageGone, MessageBusy):
            return
        except (TuiqError, OSError) as error:
            _log.error("%s", error)

    def _is_paused(self, directory: QueueDirectory) -> bool:
        pauses = self.spool.pauses.current()
        if not pauses.by_file:
            return False
        hop = self._next_hop()
        name = str(hop) if hop else ""
        return bool(
            pauses.spool or pauses.directory(directory.uuid) or pauses.destination(name)
        )

    async def _visit(self, work: Work) -> None:
        """Claim a message that needs no connection."""
        hop = self._next_hop()
        if await self.desk.open(work, str(hop) if hop else ""):
            # Its recipients became due between the look and the claim.
            self._queue(work)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        assert self._tasks is not None
        task = self._tasks.create_task(coroutine)
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)

    def _next_hop(self) -> NextHop | None:
        smarthost = self.spool.config.delivery.smarthost
        if not smarthost:
            return None
        host, port = split_host_port(smarthost)
        return NextHop(host=host, port=port)

    def _queue(self, work: Work) -> None:
        hop = self._next_hop()
        if hop is None:
            self.desk.tell(work, NO_SMARTHOST)
            self._ended(work, Fate.HELD_BACK)
            return
        destination = self.destinations.get(str(hop))
        if destination is None:
            config = self.spool.config.delivery
            destination = self.destinations[str(hop)] = Destination(
                hop,
                limit=1 if self.options.verbose else config.concurrency,
                batch=config.recipients_per_transaction,
            )
        destination.put(work)

    def _connect(self) -> None:
        """Start the connections that would find something to do."""
        assert self._tasks is not None
        now = self.spool.clock.now()
        for destination in self.destinations.values():
            if self.options.once and destination.dead_until > now and destination.queue:
                reply = destination.last_failure
                assert reply is not None
                self._spawn(self.courier.defer_waiting(destination, reply))
                continue
            while (
                destination.wants_connection(now)
                and len(self.courier.watchers) < self.budget.connections
            ):
                self.courier.connect(destination, self._tasks)

    # -- endings ---------------------------------------------------------------

    def _ended(self, work: Work, fate: Fate) -> None:
        """Forget a message; remember what became of it, and look again if asked."""
        self._works.pop(work.queue_id, None)
        self.fates[work.queue_id] = fate
        self.courier.count(f"messages_{fate.name.lower()}")
        if fate is Fate.HELD_BACK and not work.directory.blocked:
            self._parked[work.queue_id] = work.directory
        if fate is Fate.BUSY:
            self._try_later(work)
        else:
            self._busy.pop(work.queue_id, None)
        if work.again and not self.options.once:
            self._note(work.directory, (work.queue_id,), self.spool.clock.now())
        self._wake.set()

    def _try_later(self, work: Work) -> None:
        """Look again at a message that somebody else holds, a few times."""
        tries = self._busy.get(work.queue_id, 0)
        if tries >= len(BUSY_DELAYS):
            self._busy.pop(work.queue_id, None)
            return
        self._busy[work.queue_id] = tries + 1
        when = self.spool.clock.now() + BUSY_DELAYS[tries]
        self.due.add(work.directory, work.queue_id, when)

    def _unpark(self) -> None:
        """Look again at what pauses kept back: one of them changed."""
        now = self.spool.clock.now()
        for queue_id, directory in self._parked.items():
            self.due.add(directory, queue_id, now)
        self._parked.clear()

    def _starved(self) -> None:
        """Go on with less after the kernel had no descriptor left."""
        self.budget.shrink(
            open_messages=self.desk.open_messages,
            open_connections=len(self.courier.watchers),
        )
        self._starved_until = self.spool.clock.now() + STARVED_WAIT
        _log.warning("out of file descriptors; going on with less: %r", self.budget)

    def _sync_failed(self, claim: Claim, reason: str) -> None:
        self.keeper.suspect(claim.directory, reason)

    # -- telling ---------------------------------------------------------------

    @property
    def is_stopping(self) -> bool:
        """Say whether the runner is draining."""
        return self._stopping

    def why_idle(self) -> str:
        """Say why nothing is being sent; empty while something is."""
        if self.courier.watchers:
            return ""
        if self._next_hop() is None:
            return NO_SMARTHOST
        now = self.spool.clock.now()
        for destination in self.destinations.values():
            if destination.queue and destination.dead_until > now:
                reply = bytes(destination.last_failure or b"").decode(errors="replace")
                seconds = destination.dead_until - now
                return f"{destination.name} is left alone for {seconds:.0f} s: {reply}"
        pause = self.spool.pauses.current().spool
        if pause is not None:
            return f"the spool is paused: {pause.reason or 'no reason given'}"
        return "nothing is due"

    def notes(self) -> list[str]:
        """Return sentences that an operator should read."""
        notes = [d.blocked for d in self.directories if d.blocked]
        for directory in self.directories:
            low = self.spool.floor.check(directory.qf_fd)
            if low is not None:
                notes.append(f"{directory.path}: {low}; nothing is sent from it")
        return notes

    def reconfigure(self) -> None:
        """Take over settings that were read again; open connections keep theirs."""
        config = self.spool.config.delivery
        for destination in self.destinations.values():
            destination.limit = 1 if self.options.verbose else config.concurrency
            destination.batch = config.recipients_per_transaction
        self.courier.forget_tls()
        self.look_at_everything()

    # -- stopping --------------------------------------------------------------

    async def stop(self) -> None:
        """Drain: no new transaction, and an end within ``drain_timeout``."""
        if self._stopping:
            return
        self._stopping = True
        patience = self.spool.config.runner.drain_timeout
        left = await self.courier.stop(patience)
        if left:
            _log.warning(
                "%d transactions had no answer within %.0f s: their recipients are "
                "in doubt",
                left,
                patience,
            )
        self._wake.set()

    async def _quit_idle(self) -> None:
        """Close idle connections after a pass."""
        self.courier.stopping = True
        for destination in self.destinations.values():
            destination.changed.set()

    async def _put_away(self) -> None:
        """End every pass that is still open: slots untried stay todo."""
        for work in list(self._works.values()):
            if work.visit is not None and not work.running:
                await self.desk.conclude(work)
