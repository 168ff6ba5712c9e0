"""Housekeeping at each scan: drop files, orphans, pauses, trash, the clock."""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING

from tuiq.spool.answers import Result, Target, Verb
from tuiq.spool.disk import low_disk
from tuiq.spool.ingest import Ingester
from tuiq.spool.journal import Event, Kind
from tuiq.spool.layout import ALPHABET, DROP
from tuiq.spool.orphans import NamesNotSynced, collect, collect_services
from tuiq.spool.reading import read_entry
from tuiq.spool.suspect import clear_suspect, is_marked

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.disk import LowDisk
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.orphans import Share
    from tuiq.spool.spool import Spool

LONGEST_LOOK = 1.0
"""Seconds for which a daemon takes in dropped mail before it looks around."""
CLOCK_JUMP = 3600.0
"""Seconds by which wall clock and boot clock may part before tuiq says so."""
COLLECTED = 100_000
"""Files among which orphans are looked for at a time, about."""
_log = logging.getLogger(__name__)


class Keeper:
    """What a runner does beside delivering; synchronous, run in a thread."""

    def __init__(
        self,
        spool: Spool,
        directories: list[QueueDirectory],
        *,
        responsible: bool = True,
        longest_look: float = math.inf,
    ) -> None:
        """Keep *directories* of *spool* in order.

        Where several processes share them one is *responsible*; the others only
        heed what it finds.  One look takes in what was dropped for *longest_look*
        seconds.
        """
        self._spool = spool
        self._responsible = responsible
        self.on_low_disk: Callable[[QueueDirectory], None] | None = None
        """Asked for room by a process that is not responsible; in any thread."""
        self._waiting: dict[str, str] = {}
        """Why each suspect directory is blocked until somebody has cleared it."""
        self._directories = directories
        self._turns: dict[str, int] = {}
        self._collected = 0.0
        self._ingester = Ingester(spool)
        self._ingesting = threading.Lock()
        self._longest_look = longest_look
        self.has_drops = False
        """Whether the last look left some."""
        self._problem = ""
        self._offset = self._clock_offset()
        self._distrust_until = 0.0

    def watched(self) -> dict[str, int]:
        """Return the service directories to watch, by name."""
        places = {"pauses": self._spool.pauses_fd}
        drop = self._spool.drop_fd()
        if drop >= 0 and self._responsible:
            places[DROP] = drop
        return places

    def housekeep(self) -> bool:
        """Do what comes before a scan; say whether mail may expire.

        It may when the clock can be trusted.
        """
        if self._responsible:
            self._do_rounds()
        else:
            self.heed_suspicion()
        return self._clock_is_sound()

    def _do_rounds(self) -> None:
        spool = self._spool
        self.ingest()
        spool.pauses.sweep()
        for directory in self._directories:
            if is_marked(spool.run_fd, directory):
                self._clear(directory)
            self.make_room(directory)

    def collect(self) -> None:
        """Remove what dead processes left; of a large directory a part at a time.

        Not more often than something can have come of age.
        """
        spool, now = self._spool, self._spool.clock.now()
        age = spool.config.spool.orphan_age
        if not self._responsible or 0 <= now - self._collected < age:
            return
        self._collected = now
        for directory in self._directories:
            if is_marked(spool.run_fd, directory):
                continue  # what is gone may come back
            share = self._next_share(directory)
            try:
                names = collect(directory, now=now, age=age, share=share)
            except NamesNotSynced as error:
                self.suspect(directory, error.strerror or "error")
                continue
            for name in names:
                _log.info("%s: removed orphan %s", directory.path, name)
        collect_services(spool.fs, spool.run_fd, spool.pauses_fd, now=now, age=age)

    def _next_share(self, directory: QueueDirectory) -> Share:
        """Return the share of a directory that is looked at now; small ones whole."""
        names = sum(1 for _ in directory.fs.names(directory.qf_fd))
        parts = min(len(ALPHABET), 1 + names // COLLECTED)
        turn = self._turns[directory.name] = self._turns.get(directory.name, -1) + 1
        return turn % parts, parts

    # -- the clock -------------------------------------------------------------

    def _clock_offset(self) -> float:
        clock = self._spool.clock
        return clock.now() - clock.boottime()

    def _clock_is_sound(self) -> bool:
        """Notice a wall clock that jumped; nothing expires for an hour then."""
        clock = self._spool.clock
        offset = self._clock_offset()
        if abs(offset - self._offset) > CLOCK_JUMP:
            _log.warning(
                "the clock jumped by %.0f s; nothing expires for an hour",
                offset - self._offset,
            )
            self._offset = offset
            self._distrust_until = clock.boottime() + CLOCK_JUMP
        return clock.boottime() >= self._distrust_until

    # -- drop/ -----------------------------------------------------------------

    def ingest(self) -> None:
        """Take in what other users dropped, as far as one look goes."""
        with self._ingesting:  # a second look begins after the first has ended
            clock = self._spool.clock
            end = clock.boottime() + self._longest_look
            done = self._ingester.ingest(lambda: clock.boottime() > end)
            self.has_drops = done.stopped
        if done.problem and done.problem != self._problem:
            _log.error("%s; what waits in drop/ is tried again", done.problem)
        self._problem = done.problem

    # -- disks -----------------------------------------------------------------

    def suspect(self, directory: QueueDirectory, reason: str) -> None:
        """Stop using every directory on the file system whose sync failed."""
        if not directory.blocked:
            self._spool.suspect(directory, reason)
            _log.error("%s; nothing more is sent from it", directory.blocked)

    def heed_suspicion(self) -> None:
        """Leave suspect directories alone until the responsible process cleared them.

        Claims of this process would stand in its way.
        """
        if self._responsible:
            return
        for directory in self._directories:
            reason = self._waiting.get(directory.name, "")
            if is_marked(self._spool.run_fd, directory):
                if not directory.blocked:
                    reason = (
                        f"{directory.path}: is suspect; waiting until it is cleared"
                    )
                    directory.blocked = self._waiting[directory.name] = reason
            elif reason and directory.blocked == reason:
                del self._waiting[directory.name]
                directory.blocked = ""

    def _clear(self, directory: QueueDirectory) -> None:
        """Make a suspect directory trustworthy again, if nothing stands in the way.

        A directory that this very process found suspect waits for a restart.
        """
        if directory.blocked:
            return
        cleared = clear_suspect(self._spool.run_fd, directory)
        if cleared.is_done:
            _log.warning("%s: was suspect; every message written anew", directory.path)
        elif cleared.busy:
            directory.blocked = (
                f"{directory.path}: is suspect, and {len(cleared.busy)} messages are "
                "locked by others; stop them, then restart the runner"
            )
        if directory.blocked:
            _log.error("%s", directory.blocked)

    def make_room(self, directory: QueueDirectory) -> None:
        """Finish trash early, oldest first, until the disk has room again."""
        low = self._low(directory)
        if low is not None and not self._responsible:
            if self.on_low_disk is not None:
                self.on_low_disk(directory)
            return
        if low is None:
            return
        for entry in sorted(self._trash(directory), key=lambda e: e.trashed_at):
            target = Target(queue_id=entry.queue_id, birth=entry.birth)
            for answer in self._spool.operate(Verb.PURGE, (target,)):
                if answer.result is Result.ACTED:
                    self._note_purged(directory, entry, str(low))
            low = self._low(directory)
            if low is None:
                return

    def _low(self, directory: QueueDirectory) -> LowDisk | None:
        space = self._spool.fs.statvfs(directory.qf_fd)
        return low_disk(space, self._spool.config.spool)

    def _trash(self, directory: QueueDirectory) -> list[QueueEntry]:
        entries = (read_entry(directory, queue_id) for queue_id in directory.ids())
        return [
            entry
            for entry in entries
            if entry is not None
            and not entry.damage
            and entry.trashed_at
            and not entry.is_live
        ]

    def _note_purged(
        self, directory: QueueDirectory, entry: QueueEntry, low: str
    ) -> None:
        _log.warning("%s: trash removed early: %s", entry.queue_id, low)
        event = Event(
            kind=Kind.PURGED,
            queue_id=entry.queue_id,
            directory=directory.name,
            sender=entry.sender,
            text=f"trash removed early: {low}",
            who="runner",
        )
        self._spool.journal.append((event,))
