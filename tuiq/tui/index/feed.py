"""The feed: keeps the index up to date through a scanner in a process of its own.

Names come from inotify; what counts is what a look at the file says.  A directory is
listed as a whole at the start, after lost events, when its watch ended, and now and
then where its mtime moved.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from tuiq.log import printable
from tuiq.tui.index.blocks import Names, Told
from tuiq.tui.index.commands import Rescan
from tuiq.tui.index.pipe import receive, send

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.spool import Spool
    from tuiq.tui.index.messages import Messages

AT_START = 0.25
"""Seconds that a drain may take for names while nothing is there yet."""
AHEAD = 64
"""Reports that wait for a drain; then the scanner waits too."""
RECHECK_EVERY = 60.0
PARTS = 16
"""Every so often, one of so many parts of all rows is compared with its files:
a change in place that no event told of does not move the directory's mtime."""
SMALL = 5_000
"""Messages up to which all rows are compared at once."""
RESTART_AFTER = 2.0


class Freshness(Enum):
    """How much the list can be relied on."""

    LIVE = "live"
    SCANNING = "scanning"
    """Some directory is being listed; ``FeedState.share`` says how far."""
    POLLING = "polling"
    """Some directory tells of no changes; it is listed every ``interval`` seconds."""
    STALE = "stale"
    """Some directory cannot be read, or the feed is behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """What the title bar says about the feed."""

    freshness: Freshness
    share: float = 0.0
    """Part of the scan that is done, 0 to 1; 0 while the number is not known."""
    interval: float = 0.0
    polled: str = ""
    """Why a directory tells of no changes, in a word or two: ``nfs4``."""
    backlog: int = 0
    """Changed files that were not read yet."""
    scanned: float = 0.0
    """Epoch seconds of the last full list; 0 = never."""
    read: int = 0
    """Messages read since the scan began."""
    notes: tuple[str, ...] = ()
    """One sentence per directory with trouble, remedy included; clean."""


class Feed:
    """``start`` and ``stop`` it, ``drain`` in every tick."""

    def __init__(self, spool: Spool, messages: Messages) -> None:
        """Feed *messages* from *spool*; nothing runs yet."""
        self._spool = spool
        self._messages = messages
        messages.now = spool.clock.now
        for directory in spool.directories:
            messages.table.place_of(directory.name)
        self._link: _Link | None = None
        self._told = Told()
        self._scanned = 0.0
        self._complaint = ""
        self._restart = 0.0
        self._rechecked = time.monotonic()
        self._part = 0
        self._frozen = False

    def start(self) -> None:
        """Begin; the first rows come with the first ``drain`` calls after it."""
        if self._link is None:
            self._link = _Link(self._spool)

    def stop(self) -> None:
        """End the scanner; returns soon, whatever it was doing."""
        if self._link is not None:
            self._link.close()
            self._link = None
        self._messages.close()

    def drain(self, seconds: float = 0.02) -> frozenset[str] | None:
        """Take in what was read, for about *seconds*; return the ids that changed.

        None: so many that everything must be looked at again.  What ``see`` took in
        counts too.
        """
        link = self._link
        if link is not None:
            self._take_reports(link, seconds)
            self._attend(link)
        changed = self._messages.settle()
        if link is not None:
            self._recheck()
            while self._messages.requests:
                link.commands.put(self._messages.requests.popleft())
        return changed

    def _take_reports(self, link: _Link, seconds: float) -> None:
        began = time.monotonic()
        while link.reports:
            report = link.reports.popleft()
            link.room.set()
            self._take(report)
            # Names first: rows appear at once, and keys are rare at the start.
            is_names = isinstance(report, Names) and not self._told.lists
            if time.monotonic() - began >= (AT_START if is_names else seconds):
                return

    def _take(self, report: Any) -> None:
        if not isinstance(report, Told):
            self._messages.take(report)
            return
        if report.lists != self._told.lists:
            self._scanned = self._spool.clock.now()
            if not self._frozen:
                # What is here now stays: collections need not walk it again.
                gc.freeze()
                self._frozen = True
        self._told = report

    def _attend(self, link: _Link) -> None:
        """Start the scanner again when it died."""
        if link.reports or not link.is_dead:
            return
        now = time.monotonic()
        if not self._complaint:
            self._complaint = f"reading stopped ({link.why()}); it is started again"
            self._restart = now + RESTART_AFTER
        if now >= self._restart:
            link.close()
            self._complaint = ""
            self._messages.ask_anew()
            self._link = _Link(self._spool)

    def _recheck(self) -> None:
        now = time.monotonic()
        every = self._told.interval or RECHECK_EVERY
        if now - self._rechecked < every or self._told.scanning:
            return
        self._rechecked = now
        parts = PARTS if self._messages.count > SMALL else 1
        self._part = (self._part + 1) % parts
        self._messages.recheck(self._part, parts)

    def see(self, around: Circumstances) -> None:
        """Take in who holds what and what is paused, for the state words."""
        if around is not self._messages.around:
            self._messages.see(around)

    def rescan(self) -> None:
        """List all directories again, soon."""
        if self._link is not None:
            self._link.commands.put(Rescan())

    @property
    def state(self) -> FeedState:
        """Return how fresh the index is."""
        told, link = self._told, self._link
        waiting = len(link.reports) if link is not None else 0
        complaint = (self._complaint,) if self._complaint else ()
        return FeedState(
            freshness=self._freshness(waiting),
            share=told.share,
            interval=told.interval,
            polled=told.polled,
            backlog=told.backlog + waiting,
            scanned=self._scanned,
            read=told.read,
            notes=(*complaint, *told.notes),
        )

    def _freshness(self, waiting: int) -> Freshness:
        told = self._told
        if self._complaint or told.ill:
            return Freshness.STALE
        if told.scanning or not told.lists:
            return Freshness.SCANNING
        if waiting >= AHEAD:
            return Freshness.STALE
        return Freshness.POLLING if told.interval else Freshness.LIVE


class _Link:
    """One scanner's process, and the two threads that talk to it."""

    def __init__(self, spool: Spool) -> None:
        self.reports: deque[Any] = deque()
        self.commands: SimpleQueue[Any] = SimpleQueue()
        self.room = threading.Event()
        self.is_dead = False
        self._closing = False
        flags = [f"-W{option}" for option in sys.warnoptions]
        self._process = subprocess.Popen(
            [sys.executable, *flags, "-P", "-m", "tuiq.tui.index.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.commands.put(spool.config)
        self._threads = [
            threading.Thread(target=self._write, args=(self._process.stdin,)),
            threading.Thread(target=self._read, args=(self._process.stdout,)),
        ]
        for thread in self._threads:
            thread.daemon = True
            thread.start()

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            while (command := self.commands.get()) is not None:
                send(pipe, command)
            pipe.close()
        except OSError:  # it died; the reading thread tells
            return

    def _read(self, pipe: IO[bytes]) -> None:
        try:
            while not self._closing:
                report = receive(pipe)
                while len(self.reports) >= AHEAD and not self._closing:
                    self.room.clear()
                    self.room.wait(1.0)
                self.reports.append(report)
        except (EOFError, OSError):
            self.is_dead = True

    def why(self) -> str:
        """Return how the process ended, clean."""
        assert self._process.stderr is not None
        status = self._process.wait()
        said = self._process.stderr.read().decode("utf-8", "replace").strip()
        last = said.splitlines()[-1] if said else f"exit status {status}"
        return printable(last)

    def close(self) -> None:
        """End the process and the threads."""
        self._closing = True
        self.room.set()
        self.commands.put(None)
        self._process.kill()  # it only reads
        for thread in self._threads:
            thread.join(5.0)
        self._process.wait()
        for pipe in (
            self._process.stdin, self._process.stdout, self._process.stderr
        ):  # fmt: skip
            assert pipe is not None
            try:
                pipe.close()
            except OSError:
                continue
