"""The scanner: lists, watches and reads queue directories, and reports what it found.

It runs in a process of its own (``child``), since reading half a million files in a
thread would take the interpreter from the UI.  ``Scanner`` itself knows neither pipes
nor processes: it is given commands, does a little work in each ``step``, and hands
reports to *emit*.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions import filter as filters
from tuiq.actions.filter_match import Context
from tuiq.errors import TuiqError
from tuiq.log import printable
from tuiq.spool.layout import open_queue_directory
from tuiq.spool.reading import read_entry
from tuiq.tui.index.blocks import (
    ELSEWHERE,
    Names,
    Packer,
    Told,
    Vanished,
    Verdicts,
)
from tuiq.tui.index.commands import Ask, Changed, Check, List, Read
from tuiq.tui.index.listing import ctime_of, cut, is_control, listed, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool
    from tuiq.tui.index.blocks import Report
    from tuiq.tui.index.commands import Command

SLICE = 256
"""Files that are read before something more urgent may come."""
LIST_PIECE = 20_000
NEWS_PIECE = 1_024
"""Messages in a block that somebody waits for."""
READ_PIECE = 4_096
"""Messages in a block that nobody waits for."""
HEADERS = 64 * 1024


@dataclass(slots=True)
class _Lane:
    """Work of one urgency: generators that are advanced in turn."""

    jobs: deque[Iterator[None]] = field(default_factory=deque)

    def advance(self) -> bool:
        """Do a little of the first job; False when there is none."""
        while self.jobs:
            if next(self.jobs[0], self) is self:
                self.jobs.popleft()
                continue
            return True
        return False


class Scanner:
    """Reads a spool as it is told to; takes no lock and writes nothing."""

    def __init__(self, spool: Spool, emit: Callable[[Report], None]) -> None:
        """Report on *spool* to *emit*."""
        self._spool = spool
        self._emit = emit
        self.directories: dict[str, QueueDirectory] = {
            directory.name: directory for directory in spool.directories
        }
        self._urgent, self._news, self._idle = _Lane(), _Lane(), _Lane()
        self._scan = 0
        self.troubles: dict[str, str] = {}
        """Directory -> why it cannot be read."""
        self.pending: set[str] = set()
        """Directories that are going to be listed."""
        self.away: set[str] = set()
        """Directories that are not there, from ``leave`` to ``reopen``."""
        self._total = self._read_so_far = 0
        # Directory -> its mtime in ns when its last list began.
        self._mtimes: dict[str, int] = {}

    def do(self, command: Command) -> None:
        """Take a command; the work is done by ``step``."""
        match command:
            case Read(background=False):
                self._urgent.jobs.append(
                    self._read(command.directory, cut(command.ids))
                )
            case Read():
                ids = cut(command.ids)
                job = self._read(command.directory, ids, background=True)
                self._idle.jobs.append(job)
            case Changed():
                self._news.jobs.append(self._changed(command))
            case Ask():
                self._news.jobs.append(self._answer(command))
            case Check():
                self._idle.jobs.append(self._check(command))
            case List():
                self.pending.add(command.directory)
                self._idle.jobs.append(self._list(command))

    def step(self) -> bool:
        """Do a little of the most urgent work; False when there is none."""
        lanes = (self._urgent, self._news, self._idle)
        return any(lane.advance() for lane in lanes)

    @property
    def is_idle(self) -> bool:
        """Say whether nothing is to be done."""
        return not (self._urgent.jobs or self._news.jobs or self._idle.jobs)

    # -- listing -----------------------------------------------------------------

    def _list(self, command: List) -> Iterator[None]:
        """List a directory, a piece at a time, then read what was asked for."""
        directory = self.directories[command.directory]
        if self._has_left(directory):
            return
        self._scan += 1
        scan = self._scan
        found: list[tuple[int, str]] = []
        try:
            self._mtimes[directory.name] = os.fstat(directory.qf_fd).st_mtime_ns
            for piece in pieces(listed(directory), LIST_PIECE):
                ids = "".join([queue_id for _, queue_id in piece]).encode()
                names = Names(directory=directory.name, scan=scan, ids=ids)
                names.whole = command.whole
                self._emit(names)
                if command.whole:
                    found += piece
                yield
                if self._has_left(directory):
                    return
        except OSError as error:
            self._trouble(directory, error)
            self.pending.discard(directory.name)
            return
        self.troubles.pop(directory.name, None)
        self._emit(Names(directory=directory.name, scan=scan, ids=b"", last=True))
        self.pending.discard(directory.name)
        if found:
            # By inode: along the disk.  A list may tell names twice.
            queue_ids = [queue_id for _, queue_id in sorted(set(found))]
            self._total += len(queue_ids)
            self._idle.jobs.append(self._read_all(directory.name, queue_ids))

    def _trouble(self, directory: QueueDirectory, error: OSError) -> None:
        reason = (error.strerror or "error").lower()
        self.troubles[directory.name] = (
            f"{printable(directory.name)}: cannot be listed: {reason}; "
            "its messages may be out of date"
        )

    # -- reading -----------------------------------------------------------------

    def _read(
        self,
        name: str,
        queue_ids: list[str],
        *,
        background: bool = False,
    ) -> Iterator[None]:
        """Read messages and report them in blocks."""
        directory = self.directories[name]
        size = READ_PIECE if background else NEWS_PIECE
        for start in range(0, len(queue_ids), size):
            packer = Packer(name)
            for at in range(start, min(start + size, len(queue_ids)), SLICE):
                if self._has_left(directory):
                    return
                for queue_id in queue_ids[at : min(at + SLICE, start + size)]:
                    self._take(packer, directory, queue_id)
                yield
            if not self._has_left(directory):
                self._emit(packer.block(background=background))

    def _read_all(self, name: str, queue_ids: list[str]) -> Iterator[None]:
        """Read a whole directory, and count how far that is."""
        before = self._read_so_far
        for number, _ in enumerate(self._read(name, queue_ids, background=True), 1):
            self._read_so_far = before + min(number * SLICE, len(queue_ids))
            yield
        self._read_so_far = before + len(queue_ids)

    def told(self) -> Told:
        """Return how far everything is."""
        reading = self._read_so_far < self._total
        return Told(
            scanning=bool(self.pending) or reading,
            share=self._read_so_far / self._total if reading else 0.0,
            read=self._read_so_far,
            backlog=len(self._urgent.jobs) + len(self._news.jobs),
            notes=tuple(self.troubles.values()),
            ill=bool(self.troubles),
        )

    def _take(self, packer: Packer, directory: QueueDirectory, queue_id: str) -> None:
        """Read one message into *packer*; whatever is wrong is part of the entry."""
        ctime = ctime_of(
            directory, queue_id
        )  # before: what changes later is seen later
        entry = None if ctime is None else read_entry(directory, queue_id)
        if entry is None or entry.mstate in ELSEWHERE:
            packer.add_gone(queue_id)
            if entry is not None and entry.mstate == b"M":
                self._follow(directory, queue_id)
        else:
            packer.add(queue_id, entry, ctime or 0)

    def _follow(self, left: QueueDirectory, queue_id: str) -> None:
        """Look for a message that was moved away in the other directories."""
        for name in self.directories:
            if name != left.name:
                self.do(Read(directory=name, ids=queue_id.encode()))

    def _changed(self, command: Changed) -> Iterator[None]:
        queue_ids = [n[2:] for n in command.names if is_control(n)]
        yield from self._read(command.directory, queue_ids)

    def _check(self, command: Check) -> Iterator[None]:
        directory = self.directories[command.directory]
        stale = []
        for number, queue_id in enumerate(cut(command.ids)):
            if ctime_of(directory, queue_id) != command.ctimes[number]:
                stale.append(queue_id)
            if number % SLICE == SLICE - 1:
                yield
                if self._has_left(directory):
                    return
        yield from self._read(command.directory, stale, background=True)

    # -- asking ------------------------------------------------------------------

    def _answer(self, command: Ask) -> Iterator[None]:
        """Evaluate a term of a filter by the filter's own rules."""
        directory = self.directories[command.directory]
        context = Context(now=0.0, headers=self._headers)
        test = filters.parse(command.text).bind(context)
        queue_ids = cut(command.ids)
        fits = bytearray()
        for number, queue_id in enumerate(queue_ids):
            entry = read_entry(directory, queue_id)
            fits.append(entry is not None and test(entry))
            if number % SLICE == SLICE - 1:
                yield
        self._emit(Verdicts(number=command.number, ids=command.ids, fits=bytes(fits)))

    def _headers(self, entry: QueueEntry) -> bytes:
        return self._spool.read_data(entry, limit=HEADERS)

    # -- directories that come and go ----------------------------------------------

    def is_there(self, name: str) -> bool:
        """Say whether a directory's path leads to what is open; note if it does not."""
        directory = self.directories[name]
        try:
            info = directory.path.stat()
        except OSError as error:
            reason = (error.strerror or "error").lower()
        else:
            if os.path.samestat(info, os.fstat(directory.top_fd)):
                return True
            reason = "another directory is in its place"
        self.troubles[name] = (
            f"{printable(name)}: {reason}; mount it or put it back, tuiq looks again"
        )
        return False

    def has_moved(self, name: str) -> bool:
        """Say whether files came to a directory or left it since it was listed."""
        fd = self.directories[name].qf_fd
        return os.fstat(fd).st_mtime_ns != self._mtimes.get(name)

    def leave(self, name: str) -> None:
        """Tell that a directory is not there; nothing more is told of it."""
        self.away.add(name)
        self.pending.discard(name)
        self._emit(Vanished(directory=name))

    def _has_left(self, directory: QueueDirectory) -> bool:
        """Say whether it was left since it was opened: it may still be readable."""
        name = directory.name
        return name in self.away or self.directories[name] is not directory

    def reopen(self, name: str) -> bool:
        """Open a queue directory by its path again; False when that fails."""
        old = self.directories[name]
        try:
            fresh = open_queue_directory(old.path, fs=old.fs)
        except (TuiqError, OSError):
            return False
        self.directories[name] = fresh
        self.away.discard(name)
        self.troubles.pop(name, None)
        return True
