"""The supervisor's housekeeping: the rounds, and drop files as soon as they come."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from tuiq.errors import TuiqError
from tuiq.runner.keeper import LONGEST_LOOK, Keeper
from tuiq.runner.threads import in_thread
from tuiq.spool.layout import DROP
from tuiq.spool.watch import SpoolWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

BLIND_LOOK = 10.0
"""Seconds between looks into drop/ where the kernel does not tell of changes."""
MAX_SLEEP = 60.0
_log = logging.getLogger(__name__)


class Housekeeping:
    """What the supervisor does for all of its workers' directories."""

    def __init__(self, spool: Spool) -> None:
        """Keep all directories of *spool* in order."""
        self._spool = spool
        directories = list(spool.directories)
        self._keeper = Keeper(spool, directories, longest_look=LONGEST_LOOK)

    async def begin(self) -> None:
        """Do what comes before workers start; what takes long can wait."""
        await in_thread(self._rounds, False)

    def _rounds(self, collect: bool = True) -> None:
        try:
            self._keeper.housekeep()
            if collect:
                self._keeper.collect()
        except (TuiqError, OSError) as error:
            _log.error("housekeeping: %s; it is repeated", error)

    def suspect(self, directory: QueueDirectory, reason: str) -> None:
        """Stop using every directory on the file system whose sync failed."""
        self._keeper.suspect(directory, reason)

    async def make_room(self, directory: QueueDirectory) -> None:
        """Sacrifice trash: a worker found the disk too full to send."""
        try:
            await in_thread(self._keeper.make_room, directory)
        except OSError as error:
            _log.error("%s: cannot be cleared: %s", directory.path, error.strerror)

    async def run(self) -> None:
        """Do the rounds, and take in what is dropped as soon as it is."""
        dropped = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(dropped.set)

        with contextlib.closing(DropWatch(self._keeper, wake)) as watch:
            due = 0.0  # something may have come before the watch
            while True:
                now = self._spool.clock.now()
                if now >= due:
                    due = now + self._spool.config.runner.rescan_interval
                    await in_thread(self._rounds)
                elif watch.has_drops() or self._keeper.has_drops:
                    await in_thread(self._keeper.ingest)
                if self._keeper.has_drops:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(watch.patience(due - now)):
                        await dropped.wait()
                dropped.clear()


class DropWatch:
    """Whether something came into drop/; where the kernel does not tell, by looks."""

    def __init__(self, keeper: Keeper, wake: Callable[[], None]) -> None:
        """Call *wake*, in any thread, when something came."""
        self._watch: SpoolWatch | None = None
        self._fd = keeper.watched().get(DROP, -1)
        try:
            self._watch = SpoolWatch(wake)
        except TuiqError as error:
            _log.warning("%s; polling until then", error)
            return
        if self._fd >= 0:
            reason = self._watch.add(DROP, self._fd)
            if reason:
                _log.warning("%s", reason)
                self.close()
                self._watch = None

    def has_drops(self) -> bool:
        """Say whether it is worth a look."""
        if self._watch is None:
            return self._fd >= 0
        dirty = self._watch.drain()
        if dirty is None:
            return False
        names = dirty.names.get(DROP, ())
        return bool(dirty.lost or dirty.rescan) or any(
            name.startswith("m.") for name in names
        )

    def patience(self, until_rounds: float) -> float:
        """Return how long to wait for a call, given the seconds until the rounds."""
        blind = self._watch is None and self._fd >= 0
        return max(0.0, min(until_rounds, BLIND_LOOK if blind else MAX_SLEEP))

    def close(self) -> None:
        """Stop watching."""
        if self._watch is not None:
            self._watch.close()
