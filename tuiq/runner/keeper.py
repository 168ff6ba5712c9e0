"""Housekeeping at each scan: drop files, orphans, pauses, trash, the clock."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from tuiq.spool.orphans import collect

if TYPE_CHECKING:
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

CLOCK_JUMP = 3600.0
"""Seconds by which wall clock and boot clock may part before tuiq says so."""
_log = logging.getLogger(__name__)


class Keeper:
    """What a runner does beside delivering; synchronous, run in a thread."""

    def __init__(self, spool: Spool, directories: list[QueueDirectory]) -> None:
        """Keep *directories* of *spool* in order."""
        self._spool = spool
        self._directories = directories
        self._offset = self._clock_offset()
        self._distrust_until = 0.0

    def _clock_offset(self) -> float:
        clock = self._spool.clock
        return clock.now() - clock.boottime()

    def watched(self) -> dict[str, int]:
        """Return the service directories to watch, by name."""
        return {"pauses": self._spool.pauses_fd}

    def housekeep(self, *, once: bool) -> bool:
        """Do the rounds; say whether mail may expire (the clock can be trusted)."""
        self.ingest()
        self._spool.pauses.sweep()
        now = self._spool.clock.now()
        age = self._spool.config.spool.orphan_age
        if not once:
            for directory in self._directories:
                for name in collect(directory, now=now, age=age):
                    _log.info("%s: removed orphan %s", directory.path, name)
        return self._clock_is_sound()

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

    def ingest(self) -> None:
        """Take in what other users dropped."""

    def suspect(self, directory: QueueDirectory, reason: str) -> None:
        """Stop using a directory whose sync failed."""
        directory.blocked = f"{directory.path}: a sync failed ({reason})"
        _log.error("%s; nothing more is sent from it", directory.blocked)
