"""Counting a spool: how many messages in which state, how old, how large.

Counting reads every control file.  ``Census`` does it a little at a time, for views
and metrics that must not take a core from delivery.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.spool.entry import State
from tuiq.spool.flags import MState
from tuiq.spool.holders import LockReader
from tuiq.spool.layout import is_queue_id
from tuiq.spool.pauses import NOTHING, Pauses
from tuiq.spool.reading import read_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.pauses import Pause, PauseSet
    from tuiq.spool.spool import Spool

STANDING = frozenset({State.DAMAGED, State.TRASHED, State.HELD})
"""States that do not move by themselves: their age alarms nobody."""
ELSEWHERE = (MState.PENDING, MState.MOVED, MState.FINISHED)
"""What lies in a directory and is no message of it."""
LOCKS_EVERY = 2.0
"""Seconds after which the kernel's table of locks is read again: it may be long."""
_DOUBTS_EVERY = 0.05
"""The same where a message seems to be in doubt."""
_LOOK_EVERY = 64
"""Messages between looks at the clock."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What one queue directory holds."""

    counts: dict[State, int] = field(default_factory=lambda: dict.fromkeys(State, 0))
    recipients: int = 0
    """Open ones."""
    size: int = 0
    """Bytes of data, the trash not counted."""
    oldest: float | None = None
    """Arrival of the oldest message that should move; None: there is none."""

    def add(self, entry: QueueEntry, state: State) -> None:
        """Count one message."""
        self.counts[state] += 1
        if state is State.TRASHED:
            return
        self.recipients += entry.left
        self.size += entry.size
        if state not in STANDING:
            birth = entry.birth
            self.oldest = birth if self.oldest is None else min(self.oldest, birth)

    @property
    def messages(self) -> int:
        """Return the number of messages, the trash not counted."""
        return sum(self.counts.values()) - self.counts[State.TRASHED]


def open_domains(entry: QueueEntry) -> list[bytes]:
    """Return the domains of recipients that wait for an attempt, each once."""
    views = (view for view in entry.recipients() if view.state in b"TA")
    domains = (view.address.rpartition(b"@")[2] for view in views)
    return list(dict.fromkeys(domains))


def pause_on(
    entry: QueueEntry,
    pauses: PauseSet,
    uuid: str,
    next_hop: Callable[[bytes, bytes], str],
) -> Pause | None:
    """Return what keeps every open recipient of a message from being tried.

    *uuid* is its queue directory's; *next_hop* names the destination of a sender's
    mail to a domain.
    """
    if not pauses.pauses:
        return None
    whole = pauses.spool or pauses.directory(uuid)
    if whole:
        return whole
    found: Pause | None = None
    for domain in open_domains(entry):
        found = pauses.destination(domain) or pauses.destination(
            next_hop(entry.sender, domain)
        )
        if found is None:
            return None
    return found


class Census:
    """Counts a spool again and again, a little at a time; takes no lock."""

    def __init__(self, spool: Spool, next_hop: Callable[[bytes, bytes], str]) -> None:
        """Count *spool*; *next_hop* as for ``pause_on``."""
        self._spool = spool
        self._next_hop = next_hop
        self._locks = LockReader()
        # Its own: the spool's may be in use in another thread.
        self._pauses = Pauses(spool.fs, spool.pauses_fd, spool.clock)
        self._running: Iterator[None] | None = None
        self.tallies: dict[str, Tally] | None = None
        """By queue directory, of the last count; None before there is one."""
        self.began = 0.0
        """Epoch seconds at which that count began: nothing in it is older."""
        self.ended = 0.0
        self.spent = 0.0
        """Seconds of processor time that the last ``advance`` took."""

    @property
    def is_running(self) -> bool:
        """Say whether a count has begun and is not complete."""
        return self._running is not None

    def advance(self, seconds: float = float("inf")) -> bool:
        """Go on counting for some *seconds* of processor time; True when complete.

        Raises OSError when the count cannot go on; the next call begins another.
        """
        if self._running is None:
            self._running = self._count()
        start = time.thread_time()
        try:
            for _ in self._running:
                if time.thread_time() - start >= seconds:
                    return False
        except BaseException:
            self._running = None
            raise
        finally:
            self.spent = time.thread_time() - start
        self._running = None
        return True

    def _count(self) -> Iterator[None]:
        began = self._spool.clock.now()
        tallies = {}
        for directory in self._spool.directories:
            tallies[directory.name] = tally = Tally()
            yield from self._add_all(directory, tally)
        self.began, self.ended = began, self._spool.clock.now()
        self.tallies = tallies

    def _add_all(self, directory: QueueDirectory, tally: Tally) -> Iterator[None]:
        """Count one directory, a message at a time, in no order."""
        top = os.open(
            ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory.qf_fd
        )
        try:
            around = _Around(directory, top, self._locks, self._pauses, self._next_hop)
            with os.scandir(top) as found:
                for number, item in enumerate(found):
                    if number % _LOOK_EVERY == 0:
                        around.look(LOCKS_EVERY)
                    if item.name[:2] == "qf" and is_queue_id(item.name[2:]):
                        around.add(tally, item)
                        yield
        finally:
            os.close(top)


class _Around:
    """What bears on the messages of one directory."""

    def __init__(
        self,
        directory: QueueDirectory,
        top: int,
        locks: LockReader,
        pauses: Pauses,
        next_hop: Callable[[bytes, bytes], str],
    ) -> None:
        self._directory = directory
        self._top = top
        self._locks = locks
        self._pauses = pauses
        self._next_hop = next_hop
        self._paused = NOTHING
        self._held: frozenset[int] = frozenset()
        self._looked = float("-inf")

    def look(self, patience: float) -> None:
        """Look at the pauses, and at locks unless that was *patience* seconds ago."""
        self._paused = self._pauses.current()
        now = time.monotonic()
        if now - self._looked >= patience:
            self._held, self._looked = self._locks.held_inodes(self._top), now

    def add(self, tally: Tally, item: os.DirEntry[str]) -> None:
        """Count the message *item*."""
        inode = item.inode()
        found = self._read(item.name[2:], inode)
        if found is not None and found[1] is State.DOUBT:
            # A transaction that began since the last look: the lock is not known yet.
            self.look(_DOUBTS_EVERY)
            found = self._read(item.name[2:], inode)
        if found is not None:
            tally.add(*found)

    def _read(self, queue_id: str, inode: int) -> tuple[QueueEntry, State] | None:
        directory = self._directory
        entry = read_entry(directory, queue_id)
        if entry is None or entry.mstate in ELSEWHERE:
            return None
        pause = pause_on(entry, self._paused, directory.uuid, self._next_hop)
        locked = inode in self._held
        return entry, entry.state(locked=locked, paused=pause is not None)
