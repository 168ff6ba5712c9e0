"""From the due list to the destinations: what is taken in hand, and in what order."""

from __future__ import annotations

import contextlib
import logging
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from tuiq.errors import MessageBusy, MessageGone, TuiqError
from tuiq.runner.due import is_fresh
from tuiq.runner.routes import Way
from tuiq.runner.threads import in_thread
from tuiq.runner.triage import needs_connection
from tuiq.runner.work import Fate, Key, Work
from tuiq.spool.finish import claim_message
from tuiq.spool.lifecycle import MAX_OPENED
from tuiq.spool.reading import read_entry

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from typing import Any

    from tuiq.runner.desk import Desk
    from tuiq.runner.intake import Intake
    from tuiq.runner.keeper import Keeper
    from tuiq.runner.routes import Routes
    from tuiq.runner.work import Destination
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

CHUNK = 256
"""Messages looked at before connections get their turn."""
GROUP = 32
"""Messages taken in hand before they are read."""
SWEPT = 60.0
"""Seconds for which a message that is over is not looked at again: closing a file that
cannot be unlinked tells of a change as well."""
_log = logging.getLogger(__name__)


class Host(Protocol):
    """What a feeder needs of its runner."""

    spool: Spool
    desk: Desk
    intake: Intake
    routes: Routes
    keeper: Keeper

    def ended(self, work: Work, fate: Fate) -> None:
        """Forget a message."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run what takes longer."""
        ...

    def wake(self) -> None:
        """Look whether a connection is wanted."""
        ...


class Feeder:
    """Takes due messages in hand; owned by the event loop."""

    def __init__(self, host: Host) -> None:
        """Feed the runner *host*."""
        self._host = host
        self._desk = host.desk
        self._intake = host.intake
        self._routes = host.routes
        self.works: dict[Key, Work] = {}
        """Everything in hand."""
        host.routes.crowds.in_hand = self.works
        self._solo: list[tuple[Work, QueueEntry]] = []  # their runners kept dying
        self._is_alone = False
        # Directories that wait for room, and those that nothing may be sent from,
        # both by name.
        self._low: set[str] = set()
        self._full: set[str] = set()
        self._swept: dict[Key, float] = {}  # epoch seconds

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is in hand, nor waits to be tried alone."""
        return not (self.works or self._solo or len(self._routes.crowds))

    @property
    def waits_for_room(self) -> bool:
        """Say whether messages wait until a disk has room."""
        return bool(self._low)

    def look_for_room(self) -> None:
        """Go on with directories whose disk has room again."""
        if not self._low:
            return
        with contextlib.suppress(OSError):
            self._host.keeper.heed_suspicion()
        directories = self._host.spool.directories
        still = {d.name for d in directories if self._desk.obstacle(d)}
        if self._low - still:
            self._intake.unpark()
        self._low &= still

    async def _make_room(self, directory: QueueDirectory) -> None:
        """Sacrifice trash while the disk is too full to send."""
        _log.warning("%s; nothing is sent from it", self._desk.obstacle(directory))
        if directory.blocked:
            return
        try:
            await in_thread(self._host.keeper.make_room, directory)
        except OSError as error:
            _log.error("%s: cannot be cleared: %s", directory.path, error.strerror)

    def may_admit(self) -> bool:
        """Say whether another message may be taken in hand."""
        has_place = len(self.works) < self._routes.crowds.limit
        return has_place and not self._solo and not self._is_alone

    def feed(self, now: float) -> None:
        """Hand due messages to their destinations, up to what memory may hold."""
        count = 0
        directories = self._host.spool.directories
        self._full = {d.name for d in directories if self._desk.obstacle(d)}
        outside = self._routes.waiting_outside(self.may_admit)
        for directory, queue_id in islice(outside, CHUNK):
            # One by one: each that is queued leaves less room for the next.
            count += 1
            work = Work(directory, queue_id)
            if self._admit(work, None):
                self._read(work, now)
        due = self._due(now)
        while count < CHUNK:
            fed = self._feed_group(due, now)
            count += fed
            if fed < GROUP:
                break
        if count >= CHUNK:
            self._host.wake()
        if not self.works:
            self._is_alone = bool(self._solo)
            if self._solo:
                work, entry = self._solo.pop()
                self.works[work.key] = work
                self._queue(work, entry)

    def _due(self, now: float) -> Iterator[tuple[QueueDirectory, str, bool]]:
        """Yield what is due while it may be taken in hand.

        With it, whether it is known never to have been deferred.
        """
        due = self._intake.due
        while self.may_admit():
            item = due.pop(now)
            if item is None:
                return
            yield *item, due.took_first_try

    def _feed_group(
        self, due: Iterator[tuple[QueueDirectory, str, bool]], now: float
    ) -> int:
        """Take up to ``GROUP`` messages in hand, and return how many there were.

        Those that have to be read are read last, while the disk works on all of them.
        """
        count = 0
        only = self._routes.only_way()
        unread: list[Work] = []
        for directory, queue_id, is_new in islice(due, GROUP):
            count += 1
            work = Work(directory, queue_id)
            if self._admit(work, only if is_new else None):
                unread.append(work)
        self._desk.ahead.ask_for_controls(unread)
        for work in unread:
            self._read(work, now)
        return count

    def _admit(self, work: Work, only: Destination | None) -> bool:
        """Take a message in hand; say whether it has to be read to know where it goes.

        *only*: it is new, and all such mail goes there.
        """
        known = self.works.setdefault(work.key, work)
        if known is not work:
            known.again = True
            return False
        self._intake.forget(work)
        if work.directory.name in self._full:
            self._hold_back(work)
            return False
        if only is not None:
            # The claim finds whatever else there is to it.
            self._desk.ahead.expect(work)
            work.share(only).put()
            return False
        return True

    def _read(self, work: Work, now: float) -> None:
        """Read who a message is for, and send it where it has to go next."""
        try:
            entry = read_entry(work.directory, work.queue_id)
        except OSError:
            self._host.ended(work, Fate.STARVED)
            return
        if entry is None:
            del self.works[work.key]
            self._sweep_finished(work.directory, work.queue_id)
        else:
            work.fresh = is_fresh(work.queue_id, entry.index_time)
            self._place(work, entry, now)

    def _hold_back(self, work: Work) -> None:
        """Put a message aside until its directory may be sent from again."""
        directory = work.directory
        if directory.name not in self._low:
            self._low.add(directory.name)
            self._host.spawn(self._make_room(directory))
        self._host.ended(work, Fate.HELD_BACK)

    def _place(self, work: Work, entry: QueueEntry, now: float) -> None:
        """Send a message where it has to go next."""
        doubt = self._host.spool.config.spool.in_doubt == "retry"
        wanted = needs_connection(entry, now, retry_doubt=doubt)
        if not wanted or self._is_paused(work.directory):
            self._host.spawn(self._visit(work))
        elif entry.opened >= MAX_OPENED and not entry.flush_pending:
            del self.works[work.key]
            self._solo.append((work, entry))
        else:
            self._queue(work, entry)

    def _sweep_finished(self, directory: QueueDirectory, queue_id: str) -> None:
        """Remove what a dead runner finished but could not unlink any more."""
        desk, key = self._desk, (queue_id, directory.name)
        now = self._host.spool.clock.now()
        if now - self._swept.get(key, 0.0) < SWEPT:
            return
        if len(self._swept) > CHUNK:
            self._swept.clear()
        self._swept[key] = now
        over = desk.marks.finish if desk.has_room else None
        try:
            claim_message(directory, queue_id, over=over).close()
        except (MessageGone, MessageBusy):
            return
        except (TuiqError, OSError) as error:
            _log.error("%s", error)

    def _is_paused(self, directory: QueueDirectory) -> bool:
        pauses = self._host.spool.pauses.current()
        if not pauses.by_file:
            return False
        return bool(pauses.spool or pauses.directory(directory.uuid))

    async def _visit(self, work: Work) -> None:
        """Claim a message that needs no connection."""
        await self._desk.wait_for_room()
        await self._desk.visit(work)
        self._host.wake()

    def _queue(self, work: Work, entry: QueueEntry) -> None:
        way = self._routes.queue(work, entry)
        if way is Way.QUEUED:
            self._desk.ahead.expect(work)
        elif way is Way.VISIT:
            self._host.spawn(self._visit(work))
        elif way is Way.CROWDED:
            del self.works[work.key]
        elif way is Way.HELD:
            self._host.ended(work, Fate.HELD_BACK)

    def queue_again(self, works: list[Work]) -> None:
        """Queue unopened messages anew: their ways out have changed."""
        for work in works:
            self.works.pop(work.key, None)
            self._intake.note(work.directory, (work.queue_id,))
        now = self._host.spool.clock.now()
        for directory, queue_id in self._routes.crowds.empty():
            self._intake.due.add(directory, queue_id, now)
