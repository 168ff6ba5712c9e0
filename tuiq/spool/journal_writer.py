"""Writing the delivery journal: appended to by many processes, rotated by one.

A full disk costs lines, which are counted and told, and delivery goes on; only
``sync`` insists, for the one event that has to be safe before the next step
(``possible_duplicate``).  Nothing else waits for the disk: appending and rotating do
not sync.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.mail.reply import Reply
from tuiq.spool.journal import (
    FILE,
    OUTCOMES,
    Event,
    Kind,
    endings,
    numbered,
    numbers,
    opening,
    outcome,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from tuiq.clock import Clock
    from tuiq.config import JournalConfig
    from tuiq.spool.fs import Fs

LOCK_FILE = ".lock"
LOOK_EVERY = 1.0
"""Seconds between looks at the file's size and identity."""
BACKLOG = 2
"""Files written to before the current one that may still be unsynced."""


def _logger() -> logging.Logger:
    """Return the log; loaded only when something went wrong."""
    import logging

    return logging.getLogger(__name__)


class Journal:
    """The writing end; safe to use from any thread."""

    def __init__(
        self, fs: Fs, dir_fd: int, config: JournalConfig, clock: Clock
    ) -> None:
        """Append in the directory *dir_fd*, which the caller keeps open.

        Nothing is opened before the first event.
        """
        self._fs = fs
        self._dir_fd = dir_fd
        self._config = config
        self._clock = clock
        self.lost = 0
        """Events that could not be written since the start."""
        self.counters: dict[str, int] = {}
        """Recipients named by ``record`` since the start: ``possible_duplicates``;
        attempts by verdict, ``delivered``, ``deferred``, ``failed``, ``in_doubt``,
        and by what was said, ``reply_2xx``, ``reply_4xx``, ``reply_5xx``,
        ``reply_connection`` (nobody answered)."""
        # Under the lock: the open file, those before it that sync() has to cover,
        # whether their names have been synced, when the file was looked at, whether
        # the last write ended within a line, whether the last one failed.
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._before: list[int] = []
        self._named = True
        self._looked = 0.0
        self._torn = False
        self._failing = False

    def reconfigure(self, config: JournalConfig) -> None:
        """Rotate by other settings from now on."""
        self._config = config

    def append(self, events: Iterable[Event]) -> bool:
        """Write all *events* with one write(2); False when that failed."""
        now, pid = self._clock.now(), os.getpid()
        return self._append_all([event.encode(now, pid) for event in events])

    def finished(self, messages: Iterable[tuple[str, str]]) -> bool:
        """Tell of messages, (queue id, directory), as finished; see ``append``."""
        return self._append_all(list(endings(messages, self._clock.now(), os.getpid())))

    def _append_all(self, lines: Sequence[bytes]) -> bool:
        if not lines:
            return True
        with self._lock:
            return self._append(lines)

    def _append(self, lines: Sequence[bytes]) -> bool:
        try:
            self._write(b"".join(lines))
        except OSError as error:
            self._fail(len(lines), error)
            return False
        if self._failing:
            self._failing = False
            _logger().warning(
                "journal: can be written again; %d events lost", self.lost
            )
        return True

    def record(
        self,
        event: str,
        queue_id: str,
        *,
        recipients: Sequence[tuple[int, bytes]] = (),
        reply: Reply | None = None,
        relay: str = "",
    ) -> None:
        """Append one event about slots of a message (``site.Recorder``)."""
        begin = opening(self._clock.now(), event)
        said = reply or _NOTHING
        line = outcome(begin, os.getpid(), queue_id, recipients, said, relay)
        counters = self.counters
        with self._lock:
            self._append((line,))
            for name in _counters(event, said.code, said.enhanced[:3]):
                counters[name] = counters.get(name, 0) + len(recipients)

    def sync(self) -> None:
        """Make what was appended durable; raise SpoolUnavailable if it may not be."""
        with self._lock:
            try:
                self._sync()
            except OSError as error:
                self._fail(0, error)
            if self._failing:
                raise SpoolUnavailable(
                    "journal: its last events are not safe; "
                    "make room on its disk, recipients in doubt wait for that"
                )

    def close(self) -> None:
        """Close the file; a later event opens it again."""
        with self._lock:
            if self._fd is not None:
                self._before.append(self._fd)
                self._fd = None
            while self._before:
                self._fs.close(self._before.pop())

    def _fail(self, count: int, error: OSError) -> None:
        """Count lost events; tell the first of a series, then keep quiet."""
        self.lost += count
        if not self._failing:
            _logger().error(
                "journal: cannot be written: %s; delivery goes on without it",
                error.strerror or error,
            )
        self._failing = True

    def _write(self, data: bytes) -> None:
        fd = self._current()
        if self._torn:
            data = b"\n" + data
        done = self._fs.write(fd, data)
        self._torn = done < len(data)
        while done < len(data):
            done += self._fs.write(fd, data[done:])
        self._torn = False

    def _sync(self) -> None:
        """Sync every file that this process wrote to since the last time."""
        while self._before:
            self._sync_oldest()
        if self._fd is not None:
            self._fs.fdatasync(self._fd)
        if not self._named:
            self._fs.fsync(self._dir_fd)
            self._named = True

    def _sync_oldest(self) -> None:
        self._fs.fdatasync(self._before[0])
        self._fs.close(self._before.pop(0))

    def _current(self) -> int:
        """Return the file to append to, looking at it once a second."""
        now = self._clock.boottime()
        if self._fd is not None and 0 <= now - self._looked < LOOK_EVERY:
            return self._fd
        self._looked = now
        if self._fd is not None and not self._is_current(self._fd):
            self._leave(self._fd)
        fd = self._opened()
        if self._fs.fstat(fd).st_size < self._config.max_bytes:
            return fd
        self._rotate(fd)
        return self._opened()

    def _opened(self) -> int:
        """Return the open file, opening it when it is not."""
        if self._fd is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._fd = self._fs.open(FILE, flags, dir_fd=self._dir_fd)
            self._named = False  # whoever made it may not have synced that
        return self._fd

    def _leave(self, fd: int) -> None:
        """Go on to another file; sync() vouches for this one too."""
        self._before.append(fd)
        self._fd = None
        if len(self._before) > BACKLOG:  # the kernel has written it long ago
            self._sync_oldest()

    def _is_current(self, fd: int) -> bool:
        """Say whether the open file is still the one that is written to."""
        try:
            info = self._fs.stat(FILE, dir_fd=self._dir_fd)
        except FileNotFoundError:
            return False
        return info.st_ino == self._fs.fstat(fd).st_ino

    def _rotate(self, fd: int) -> None:
        """Rename the full file away, unless another process does so just now."""
        flags = os.O_RDWR | os.O_CREAT
        lock = self._fs.open(LOCK_FILE, flags, dir_fd=self._dir_fd)
        try:
            self._fs.flock(lock)
            if self._is_current(fd):
                for number in (*numbers(self._fs.listdir(self._dir_fd)), 0):
                    self._shift(number)
            self._leave(fd)
        except BlockingIOError:
            return
        finally:
            self._fs.close(lock)

    def _shift(self, number: int) -> None:
        """Let the file with *number* grow older by one, or go when it is too old."""
        name = numbered(number)
        with suppress(FileNotFoundError):
            if number < self._config.keep:
                self._fs.rename(name, numbered(number + 1), dir_fd=self._dir_fd)
            else:
                self._fs.unlink(name, dir_fd=self._dir_fd)


_NOTHING = Reply(code=0)


@lru_cache(maxsize=1024)
def _counters(event: str, code: int, status: bytes) -> tuple[str, ...]:
    """Return what an event about recipients counts as; *status* up to its subject."""
    if event == Kind.POSSIBLE_DUPLICATE:
        return ("possible_duplicates",)
    if event not in OUTCOMES:
        return ()
    # X.4.Y is the network's fault (RFC 3463): tuiq gives it when nobody answered.
    if code < 200 or status in {b"4.4", b"5.4"}:
        return str(event), "reply_connection"
    return str(event), f"reply_{code // 100}xx"
