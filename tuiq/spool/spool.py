"""The façade: one open spool, its directories, listings, submission and verbs."""

from __future__ import annotations

import contextlib
import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from tuiq.errors import MessageGone, SpoolUnavailable
from tuiq.spool.answers import Answer, Target, Verb
from tuiq.spool.control import Origin
from tuiq.spool.disk import DiskFloor
from tuiq.spool.drop import forget_source
from tuiq.spool.fs import pread_all
from tuiq.spool.intake import Intake, become_queue_user
from tuiq.spool.layout import DROP, QueueDirectory
from tuiq.spool.operate import operate
from tuiq.spool.orphans import has_control
from tuiq.spool.pauses import Pauses
from tuiq.spool.reading import mstate_of, read_entries, read_entry
from tuiq.spool.site import Site
from tuiq.spool.suspect import mark_suspect, sharers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.spool.claim import Claim
    from tuiq.spool.entry import QueueEntry


class Spool(Intake):
    """An open spool; everything but delivery is a method of it."""

    def _open(self, stack: contextlib.ExitStack) -> None:
        super()._open(stack)
        self.pauses_fd = self._open_service(stack, "pauses")
        self.pauses = Pauses(self.fs, self.pauses_fd, self.clock)
        self._drop_fd = -1  # opened when it is needed: it may be made later
        stack.callback(self._close_drop)
        self.site = Site(
            config=self.config,
            recorder=self.journal,
            pauses=self.pauses,
            clock=self.clock,
            jitter=lambda: random.uniform(-1.0, 1.0),
            forget_source=self._forget_source,
            suspect=self.suspect,
        )

    def drop_fd(self) -> int:
        """Return the open drop directory, -1 when there is none; raise OSError."""
        if self._drop_fd < 0:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            with contextlib.suppress(FileNotFoundError):
                self._drop_fd = os.open(self.path / DROP, flags)
        return self._drop_fd

    def _close_drop(self) -> None:
        if self._drop_fd >= 0:
            os.close(self._drop_fd)

    def _forget_source(self, claim: Claim) -> None:
        if claim.header.origin != Origin.DROP:
            return
        fd = self.drop_fd()
        if fd >= 0:
            forget_source(claim, fd)

    def suspect(self, directory: QueueDirectory, reason: str) -> None:
        """Stop using every directory on a file system whose sync failed."""
        for sharer in sharers(directory, self.directories):
            mark_suspect(self.run_fd, sharer, reason)

    def reconfigure(self, config: Config) -> None:
        """Use other settings from now on; the queue directories stay."""
        self.config = config
        self.site = replace(self.site, config=config)
        self.floor = DiskFloor(self.fs, self.clock, config.spool)
        self.journal.reconfigure(config.journal)

    # -- listing ---------------------------------------------------------------

    def entries(self) -> Iterator[QueueEntry]:
        """Yield every message, directory by directory, in the order of their ids.

        Takes no lock.  What vanishes meanwhile is left out; what cannot be read
        is an entry that says so.
        """
        for directory in self.directories:
            yield from read_entries(directory, sorted(directory.ids()))

    def entry(self, queue_id: str) -> QueueEntry:
        """Return one message; raise MessageGone."""
        for directory in self.directories:
            entry = read_entry(directory, queue_id)
            if entry is not None:
                return entry
        raise MessageGone(queue_id)

    def find(self, queue_id: str) -> QueueDirectory | None:
        """Return the directory that holds a message, None when there is none.

        An unfinished move leaves two; the one that is not pending counts.
        """
        found = [d for d in self.directories if has_control(d, queue_id)]
        if len(found) > 1:
            live = [d for d in found if mstate_of(d, queue_id) == b"Q"]
            found = live or found
        return found[0] if found else None

    def directory(self, name: str) -> QueueDirectory:
        """Return a queue directory by its name; raise SpoolUnavailable."""
        for directory in self.directories:
            if directory.name == name:
                return directory
        known = ", ".join(directory.name for directory in self.directories)
        raise SpoolUnavailable(f"{name}: no such queue directory; there are: {known}")

    def read_data(self, entry: QueueEntry, limit: int | None = None) -> bytes:
        """Return the data of a message, up to *limit* bytes; raise MessageGone."""
        directory = self.directory(entry.directory)
        name = "df" + entry.queue_id
        try:
            fd = self.fs.open(name, os.O_RDONLY, dir_fd=directory.df_fd)
        except OSError:
            raise MessageGone(entry.queue_id) from None
        try:
            size = self.fs.fstat(fd).st_size
            return pread_all(
                self.fs, fd, size if limit is None else min(size, limit), 0
            )
        finally:
            self.fs.close(fd)

    # -- verbs -----------------------------------------------------------------

    def operate(self, verb: Verb, targets: Iterable[Target]) -> Iterator[Answer]:
        """Do an operator's verb; yield each target's answer once it is durable."""
        return operate(self.find, self.site, verb, targets)


def open_spool(config: Config, *, clock: Clock | None = None) -> Spool:
    """Open the spool of *config* as the queue user; use it in a ``with`` block.

    A process of root becomes the queue user for good.  Raises ConfigError,
    NotQueueUser, SpoolUnsafe, SpoolUnavailable.
    """
    become_queue_user(config)
    return Spool(config, clock=clock)
