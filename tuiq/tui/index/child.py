"""The scanner's process: ``python -m tuiq.tui.index.child``, started by ``Feed``.

Its configuration and commands come through stdin, reports leave through stdout; it
ends when stdin does.  It decides when to look: at what inotify tells of, at whole
directories from time to time, at those that came back.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from tuiq.errors import TuiqError
from tuiq.spool.disk import filesystem_type, is_remote
from tuiq.spool.spool import Spool
from tuiq.spool.watch import SpoolWatch
from tuiq.tui.index.commands import Changed, List, Rescan
from tuiq.tui.index.pipe import receive, send
from tuiq.tui.index.scanner import Scanner

if TYPE_CHECKING:
    from tuiq.tui.index.blocks import Report, Told

NEWS_EVERY = 0.2
"""Seconds for which changes are gathered: a file changes several times in a row."""
NEWS_WHEN_BUSY = 0.5
"""The same after more than ``BUSY`` changes at once: every report costs the UI time,
however small it is."""
BUSY = 100
_NAP = 0.05
TELL_EVERY = 0.3
LOOK_EVERY = 2.0
"""Seconds between looks whether the directories are still there."""
LIST_EVERY = 300.0
"""Seconds after which a directory that changed is listed again, watched or not."""
POLL_EVERY = 15.0
"""The same where nothing tells of changes."""
APART = 10.0
"""Least seconds between two lists that lost events ask for."""
NICENESS = 3


class Attendant:
    """Drives a scanner: commands, events and times in, steps out."""

    def __init__(self, spool: Spool, out: IO[bytes]) -> None:
        """Read *spool* and report to *out*."""
        self._out = out
        self._scanner = Scanner(spool, self._send)
        self._commands: deque[Any] = deque()
        self._wake = threading.Event()
        self._watch = SpoolWatch(self._wake.set, departures=True)
        self._polled: dict[str, tuple[str, str]] = {}
        """Directories that cannot be watched: why in one word, and in a sentence."""
        self._unwatched: set[str] = set()
        """Directories whose watch ended."""
        self._listed: dict[str, float] = {}
        self._wanted: set[str] = set()
        """Directories of which events were lost."""
        self._lists = 0
        self._told: Told | None = None
        self._due = dict.fromkeys(("news", "tell", "look"), 0.0)

    def _send(self, report: Report) -> None:
        send(self._out, report)

    def command(self, command: object) -> None:
        """Take a command of the UI; from any thread.  None ends everything."""
        self._commands.append(command)
        self._wake.set()

    def run(self) -> None:
        """Work until there is the command to end."""
        for name in self._scanner.directories:
            self._begin(name)
        while self._take_commands():
            now = time.monotonic()
            self._take_events(now)
            self._look(now)
            worked = self._scanner.step()
            self._tell(now)
            if not worked:
                self._wake.wait(_NAP)
                self._wake.clear()
        self._watch.close()

    def _begin(self, name: str) -> None:
        """Watch a directory, then read it whole."""
        self._polled.pop(name, None)
        self._unwatched.discard(name)
        fd = self._scanner.directories[name].qf_fd
        why = self._watch.add(name, fd)
        if why is not None:
            kind = filesystem_type(fd)
            self._polled[name] = kind if is_remote(kind) else "unwatched", why
        self._list(name, whole=True)

    def _list(self, name: str, *, whole: bool = False) -> None:
        self._listed[name] = time.monotonic()
        self._wanted.discard(name)
        self._scanner.do(List(directory=name, whole=whole))

    def _take_commands(self) -> bool:
        while self._commands:
            command = self._commands.popleft()
            if command is None:
                return False
            if isinstance(command, Rescan):
                for name in self._scanner.directories.keys() - self._scanner.away:
                    self._list(name)
            else:
                self._scanner.do(command)
        return True

    def _is_time(self, what: str, now: float, every: float) -> bool:
        if now < self._due[what]:
            return False
        self._due[what] = now + every
        return True

    def _take_events(self, now: float) -> None:
        if not self._is_time("news", now, NEWS_EVERY):
            return
        dirty = self._watch.drain()
        if sum(map(len, dirty.names.values())) > BUSY:
            self._due["news"] = now + NEWS_WHEN_BUSY
        for name, files in dirty.names.items():
            if name not in self._scanner.away:
                self._scanner.do(Changed(directory=name, names=files))
        self._wanted |= dirty.rescan - self._scanner.away
        for name in dirty.lost:
            self._due["look"] = 0.0
            self._unwatched.add(name)

    def _look(self, now: float) -> None:
        """See to directories that went, came back, or have not been listed for long."""
        if not self._is_time("look", now, LOOK_EVERY):
            return
        for name in self._scanner.directories:
            self._attend(name)
            if name not in self._scanner.away and self._must_list(name, now):
                self._list(name)

    def _attend(self, name: str) -> None:
        scanner = self._scanner
        if name in scanner.away:
            if scanner.reopen(name):
                self._begin(name)
        elif not scanner.is_there(name):
            self._polled.pop(name, None)
            scanner.leave(name)
        elif name in self._unwatched:
            self._begin(name)

    def _must_list(self, name: str, now: float) -> bool:
        """Say whether a directory is due to be listed; one at a time."""
        if self._scanner.pending:
            return False
        since = now - self._listed.get(name, 0.0)
        if name in self._wanted:
            return since >= APART
        if name in self._polled:
            return since >= POLL_EVERY
        if since < LIST_EVERY:
            return False
        self._listed[name] = now
        return self._scanner.has_moved(name)

    def _tell(self, now: float) -> None:
        if not self._is_time("tell", now, TELL_EVERY):
            return
        told = self._scanner.told()
        told.notes = (*told.notes, *(why for _, why in self._polled.values()))
        told.interval = POLL_EVERY if self._polled else 0.0
        told.polled = ", ".join(sorted({word for word, _ in self._polled.values()}))
        told.backlog += len(self._wanted)
        if self._told is not None and self._told.scanning and not told.scanning:
            self._lists += 1
        told.lists = self._lists
        if told != self._told:
            self._told = told
            self._send(told)


def main() -> int:
    """Serve the feed until it closes stdin."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl+C is the UI's
    with suppress(OSError):
        os.nice(NICENESS)
    source, out = sys.stdin.buffer, sys.stdout.buffer
    config = receive(source)
    try:
        with Spool(config) as spool:
            attendant = Attendant(spool, out)
            thread = threading.Thread(
                target=_listen, args=(source, attendant), daemon=True
            )
            thread.start()
            attendant.run()
    except TuiqError as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 0
    return 0


def _listen(source: IO[bytes], attendant: Attendant) -> None:
    with suppress(EOFError, OSError):
        while True:
            attendant.command(receive(source))
    attendant.command(None)


if __name__ == "__main__":
    sys.exit(main())
