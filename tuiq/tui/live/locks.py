"""Who holds which message, looked at every second also where a queue is huge.

The kernel tells inodes.  Their names come from what runners say they work on and from
what was found before; a directory is listed for the rest, but only so often that it
takes a small part of the time.
"""

from __future__ import annotations

import os
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

from tuiq.spool.holders import HeldLock, Holder, LockReader, LockTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.status import RunnerStatus

PATIENCE = 20.0
"""How many times as long as a listing took nothing is listed."""


class _Names:
    """Names of the locked files of one directory."""

    def __init__(self, directory: QueueDirectory) -> None:
        self.directory = directory
        self._known: dict[int, str] = {}
        # Inodes that no file here has: locks in other directories of the device.
        self._strangers: frozenset[int] = frozenset()
        self._listable = 0.0

    def find(self, pids: dict[int, int], hints: Iterable[str]) -> dict[int, str]:
        """Return inode -> name of those of *pids* that are control files here.

        *hints* are queue ids that somebody works on.
        """
        self._known = {
            inode: name
            for inode, name in self._known.items()
            if inode in pids and self._inode_of(name) == inode
        }
        for queue_id in hints:
            name = "qf" + queue_id
            inode = self._inode_of(name)
            if inode in pids:
                self._known[inode] = name
        self._strangers &= pids.keys()
        unknown = pids.keys() - self._known.keys() - self._strangers
        if unknown and monotonic() >= self._listable:
            self._list(pids)
        return self._known

    def _inode_of(self, name: str) -> int:
        try:
            return os.stat(name, dir_fd=self.directory.qf_fd).st_ino
        except OSError:
            return 0

    def _list(self, pids: dict[int, int]) -> None:
        began = monotonic()
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
        # A descriptor of its own: listing moves the position of the open file.
        fd = os.open(".", flags, dir_fd=self.directory.qf_fd)
        try:
            with os.scandir(fd) as entries:
                here = {e.inode(): e.name for e in entries if e.inode() in pids}
        finally:
            os.close(fd)
        self._known = {i: name for i, name in here.items() if name[:2] == "qf"}
        self._strangers = frozenset(pids.keys() - self._known.keys())
        ended = monotonic()
        self._listable = ended + PATIENCE * (ended - began)


class LockWatch:
    """Looks at the locks on messages again and again."""

    def __init__(
        self, directories: Sequence[QueueDirectory], reader: LockReader
    ) -> None:
        """Look at *directories* through *reader*."""
        self._names = [_Names(directory) for directory in directories]
        self._reader = reader

    def look(self, runners: Iterable[RunnerStatus]) -> LockTable:
        """Return what is held; a directory that cannot be read is left out."""
        hints: dict[str, set[str]] = {}
        for runner in runners:
            for connection in runner.connections:
                if connection.message:
                    hints.setdefault(connection.directory, set()).add(
                        connection.message
                    )
        held = self._reader.pids([names.directory.qf_fd for names in self._names])
        holders: dict[int, Holder] = {}
        locks = []
        for names, pids in zip(self._names, held, strict=True):
            place = names.directory.name
            with suppress(OSError):
                found = names.find(pids, hints.get(place, ()))
                for inode, file in sorted(found.items(), key=lambda item: item[1]):
                    pid = pids[inode]
                    if pid not in holders:
                        holders[pid] = self._reader.holder(pid)
                    locks.append(
                        HeldLock(
                            place=place, file=file, inode=inode, holder=holders[pid]
                        )
                    )
        return LockTable(
            locks=tuple(locks),
            complete=self._reader.sees_everybody(),
            messages={lock.queue_id: lock for lock in locks if lock.queue_id},
        )
