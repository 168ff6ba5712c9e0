"""Which messages to look at, and when: events, scans, and what was put aside."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.runner.due import DueList, index_time, scan
from tuiq.runner.threads import in_thread
from tuiq.spool.layout import DROP
from tuiq.spool.lifecycle import PAUSE_LOOK
from tuiq.spool.reading import read_entry
from tuiq.spool.watch import SpoolWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Container, Iterable

    from tuiq.runner.due import Mine
    from tuiq.runner.keeper import Keeper
    from tuiq.runner.rounds import Rounds
    from tuiq.runner.work import Key, Work
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

UNWATCHED_RESCAN = 10.0
"""Seconds between scans, at most, where the kernel tells of no changes."""
PAUSES = "pauses"
PARKED_KEPT = 10_000
"""Messages put aside that are kept by name; for more, a scan has to find them."""
PROMPT = 0.003
"""Seconds within which a disk that need not be waited for has told of a few files."""
THREADED = 16
"""Parts of a scan that are left to a thread after one that was slow."""
TOLD = 4096
"""Messages that a scan finds, at most, before it tells of them."""
BREATH = 0.002
"""Seconds of work after which a scan rests as long."""
BUSY_DELAYS = (0.1, 1.0, 10.0)
"""Seconds after which a message that somebody else holds is tried again."""
_log = logging.getLogger(__name__)


class Intake:
    """Lists messages as they come due; owned by the event loop."""

    def __init__(
        self,
        spool: Spool,
        directories: list[QueueDirectory],
        keeper: Keeper,
        *,
        wake: Callable[[], None],
        once: bool,
        mine: Mine | None = None,
    ) -> None:
        """Look after *directories*; call *wake*, on the loop, when one changed.

        *mine* says of a queue id whether this process is to deliver it; None: all.
        """
        self._spool = spool
        self._directories = directories
        self._keeper = keeper
        self._wake = wake
        self._once = once
        self._mine = mine
        self.rounds: Rounds | None = None
        """What limits this run, if anything does."""
        self.due = DueList()
        self.next_scan = 0.0
        """Epoch seconds of the next scan; 0 = now."""
        self.has_drops = False
        """Whether files came into drop/ that nobody took in yet."""
        self._chosen = False
        self._parked: dict[Key, QueueDirectory] = {}
        self._parked_more = False
        self._ahead = 0.0  # seconds by which the next scan looks ahead
        self._busy: dict[Key, int] = {}
        self._watch: SpoolWatch | None = None
        self._blind = False
        self.stopping = False
        """Whether scans are to end early."""

    # -- events ----------------------------------------------------------------

    def start_watching(self) -> None:
        """Let the kernel tell of changes; without that, scan more often."""
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake)

        try:
            self._watch = SpoolWatch(wake)
        except SpoolUnavailable as error:
            _log.warning("%s; polling until then", error)
            self._blind = True
            return
        for directory in self._directories:
            self._watch_place(directory.name, directory.qf_fd)
        for name, fd in self._keeper.watched().items():
            self._watch_place(name, fd)

    def _watch_place(self, name: str, fd: int) -> None:
        assert self._watch is not None
        reason = self._watch.add(name, fd)
        if reason:
            _log.warning("%s", reason)
            self._blind = True

    def adopt(self, directory: QueueDirectory) -> None:
        """Look after one more directory."""
        self._directories.append(directory)
        if self._watch is not None:
            self._watch_place(directory.name, directory.qf_fd)
        self.next_scan = 0.0

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()

    def take_events(self) -> None:
        """List what the kernel told of since the last time."""
        dirty = self._watch.drain() if self._watch is not None else None
        if not dirty:
            return
        places = {directory.name: directory for directory in self._directories}
        for name, files in dirty.names.items():
            if name == PAUSES:
                if any(not file.startswith(".") for file in files):
                    self.unpark()
            elif name == DROP:
                self.has_drops |= any(file.startswith("m.") for file in files)
            else:
                ids = (file[2:] for file in files if file.startswith("qf"))
                self.note(places[name], filter(self._mine, ids))
        if dirty.rescan or dirty.lost:
            self.next_scan = 0.0

    def note(self, directory: QueueDirectory, queue_ids: Iterable[str]) -> None:
        """List messages that changed, if they come due before the next scan.

        Not those found busy: closing a file whose lock could not be had is an
        event as well, and trying again at each would go round for ever.
        """
        now = self._spool.clock.now()
        horizon = now if self._once else max(self.next_scan, now)
        for queue_id in queue_ids:
            if (queue_id, directory.name) in self._busy:
                continue
            when = index_time(directory, queue_id)
            if when is not None and when <= horizon:
                self.due.add(directory, queue_id, when)

    # -- scans -----------------------------------------------------------------

    async def rescan(self) -> None:
        """List what comes due before the next scan: the truth, beside the hints.

        What is found can be taken at once.  The scan pauses as often as it works,
        so that connections get their turn.
        """
        now = self._spool.clock.now()
        interval = self._spool.config.runner.rescan_interval
        if self._blind:
            interval = min(interval, UNWATCHED_RESCAN)
        until = now if self._once else now + interval + 1.0
        self.next_scan = now + interval
        if self.rounds is not None:
            await self._take_turns(self.rounds, now)
            return
        ahead, self._ahead = now + self._ahead, 0.0
        until = max(until, ahead)
        for directory in list(self._directories):
            self.due.begin_scan(directory)
            async for found in self._scan(directory, now, until):
                if ahead > now:
                    found = [(i, now if now < t <= ahead else t) for i, t in found]
                self.due.add_scanned(directory, found)
                self._wake()

    async def _take_turns(self, rounds: Rounds, now: float) -> None:
        """List as many of the due messages as a limited run may take, once."""
        if self._chosen:
            return
        self._chosen = True
        choices = {}
        for directory in self._directories:
            choice = choices[directory.uuid] = rounds.choice(directory.uuid)
            async for found in self._scan(directory, now, now):
                choice.see(queue_id for queue_id, _ in found)
        places = {directory.uuid: directory for directory in self._directories}
        for uuid, queue_id in rounds.take(choices):
            self.due.add(places[uuid], queue_id, now)

    async def find_notices(self, known: Container[Key]) -> bool:
        """List the notices that this pass made; say whether there were any."""
        now = self._spool.clock.now()
        rounds = self.rounds
        any_found = False
        if rounds is not None:
            rounds.left = 0
        for directory in self._directories:
            async for found in self._scan(directory, now, now):
                for queue_id, when in found:
                    if (queue_id, directory.name) in known:
                        continue
                    if rounds is not None and not rounds.limit:
                        rounds.left += 1
                    elif self._is_notice(directory, queue_id):
                        self.due.add(directory, queue_id, when)
                        any_found = True
        return any_found

    def _is_notice(self, directory: QueueDirectory, queue_id: str) -> bool:
        entry = read_entry(directory, queue_id)
        if entry is None or entry.via != b"dsn":
            return False
        if self.rounds is not None:
            self.rounds.limit -= 1
        return True

    async def _scan(
        self, directory: QueueDirectory, now: float, until: float
    ) -> AsyncIterator[list[tuple[str, float]]]:
        """Yield what comes due, as ``scan`` finds it: a little first, then more.

        A thread would fight the loop for the interpreter around every stat, which
        costs both more than the scan.  So it is for disks that let one wait.
        """
        blocks = scan(directory, now=now, until=until, mine=self._mine)
        found: list[tuple[str, float]] = []
        enough, in_threads, rest = 1, 1, 0.0
        while not self.stopping:
            began = time.perf_counter()
            if in_threads:
                in_threads -= 1
                block = await in_thread(next, blocks, None)
            else:
                block = next(blocks, None)
            if block is None:
                break
            found += block
            took = time.perf_counter() - began
            if took > PROMPT:
                in_threads = in_threads or THREADED
            if len(found) >= enough:
                yield found
                found, enough = [], min(2 * enough, TOLD)
            rest += took
            await asyncio.sleep(rest if rest > BREATH else 0)
            rest = 0.0 if rest > BREATH else rest
        if found:
            yield found

    # -- putting aside ---------------------------------------------------------

    def park(self, work: Work) -> None:
        """Put a message aside until a pause ends or a directory has room."""
        if len(self._parked) < PARKED_KEPT:
            self._parked[work.key] = work.directory
        else:
            self._parked_more = True

    def unpark(self) -> None:
        """Look again at what was put aside: one of the reasons has gone."""
        now = self._spool.clock.now()
        for (queue_id, _), directory in self._parked.items():
            self.due.add(directory, queue_id, now)
        self._parked.clear()
        if self._parked_more:
            # Their index times are no further ahead than this.
            self._parked_more = False
            self._ahead = PAUSE_LOOK
            self.next_scan = 0.0

    def forget(self, work: Work) -> None:
        """Take note that a message is being looked at."""
        if self._parked:
            self._parked.pop(work.key, None)

    def try_later(self, work: Work) -> None:
        """Look again at a message that somebody else holds, a few times."""
        tries = self._busy.pop(work.key, 0)
        if tries < len(BUSY_DELAYS):
            self._busy[work.key] = tries + 1
            when = self._spool.clock.now() + BUSY_DELAYS[tries]
            self.due.add(work.directory, work.queue_id, when)

    def not_busy(self, work: Work) -> None:
        """Take note that nobody else holds a message any more."""
        if self._busy:
            self._busy.pop(work.key, None)
