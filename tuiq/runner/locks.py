"""The ``.lock`` of each queue directory: which runner drains it.

A convenience for people, who get a clear answer from a second runner; that nothing
is sent twice rests on the locks of the messages alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING, Self

from tuiq.spool.layout import LOCK_FILE
from tuiq.spool.status import read_statuses

if TYPE_CHECKING:
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

_log = logging.getLogger(__name__)


class DirectoryLocks:
    """The directories of a spool that this process may drain."""

    def __init__(self, spool: Spool, *, needed: bool = True) -> None:
        """Begin without any; not *needed*, all are had without a lock."""
        self._spool = spool
        self._needed = needed
        self._closing = contextlib.ExitStack()
        self.held: list[QueueDirectory] = []
        self.missing: list[QueueDirectory] = list(spool.directories)
        """Drained by somebody else."""
        self._told = False

    def __enter__(self) -> Self:
        """Return the locks themselves."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Release them."""
        self._closing.close()

    def take(self) -> list[QueueDirectory]:
        """Take what is free; return what was taken.  Tells once who has the rest."""
        taken = [d for d in self.missing if not self._needed or self._lock(d)]
        self.held += taken
        self.missing = [d for d in self.missing if d not in taken]
        if self.missing and not self._told:
            self._told = True
            who = who_drains(self._spool)
            for directory in self.missing:
                _log.warning("%s: drained by %s", directory.path, who)
        return taken

    def _lock(self, directory: QueueDirectory) -> bool:
        fs = self._spool.fs
        fd = fs.open(LOCK_FILE, os.O_RDWR | os.O_CREAT, dir_fd=directory.top_fd)
        try:
            fs.flock(fd)
        except BlockingIOError:
            fs.close(fd)
            return False
        self._closing.callback(fs.close, fd)
        return True


def who_drains(spool: Spool) -> str:
    """Name the other runners that are alive on this spool."""
    others = [
        f"pid {status.pid} (tuiq --run{' --once' if status.mode == 'once' else ''})"
        for status in read_statuses(spool.path)
        if status.alive is not False and status.pid != os.getpid()
    ]
    return ", ".join(others) or "another runner"
