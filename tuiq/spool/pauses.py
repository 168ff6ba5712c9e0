"""Pause files: what stands still by an operator's word, and until when.

One small file per pause in ``pauses/``.  Its existence is the pause, its first
byte says whether it still counts:

    spool                 the whole spool
    dir.<uuid>            one queue directory, by its ``.tuiq-id``
    dom.<32 hex digits>   one destination: a recipient domain or a next hop;
                          the digits begin the sha256 of its lower-case name

Content: six lines, each ended by LF, text escaped by ``printable``: ``H`` (or
``-`` once resumed), until (epoch seconds, 0 = until resumed), since (epoch
seconds), who, the name, the reason.

A pause is created as tmp, fsync, rename, fsync of the directory.  A resume flips
the first byte, fdatasync, then unlinks and syncs the directory: a crash in
between leaves a ``-`` that no longer pauses.  ``.lock`` keeps a resume from
unlinking the newer pause that somebody renamed over the one it read.  Whatever
cannot be read or understood pauses and is told: a reader fails closed.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuiq.errors import InputError, SpoolUnavailable
from tuiq.log import printable
from tuiq.spool.fs import pread_all, pwrite_all, write_all
from tuiq.spool.layout import FILE_MODE
from tuiq.spool.pause import (
    NOTHING,
    Pause,
    PauseSet,
    Scope,
    damaged,
    decode,
    encode,
    file_name,
    scope_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiq.clock import Clock
    from tuiq.mail.envelope import Recipient
    from tuiq.spool.fs import Fs
    from tuiq.spool.layout import QueueDirectory

__all__ = ["NOTHING", "Pause", "PauseSet", "Pauses", "Scope", "file_name"]

SETTLED_NS = 20_000_000
"""A directory changed this long ago cannot change again under the same mtime."""
LOCK_FILE = ".lock"
_LARGEST = 16 * 1024
_ENDLESS = float("inf")


class Pauses:
    """The pause files of one spool; safe to use from any thread."""

    def __init__(self, fs: Fs, dir_fd: int, clock: Clock) -> None:
        """Work in the directory *dir_fd*, which the caller keeps open."""
        self._fs = fs
        self._dir_fd = dir_fd
        self._clock = clock
        # What current() answered last, the mtime that rests on (-1: none), and the
        # time at which the first pause in it ends; replaced as a whole.
        self._known: tuple[PauseSet, int, float] = (NOTHING, -1, 0.0)

    def current(self) -> PauseSet:
        """Return the pauses that count now; one fstat(2) when nothing changed.

        A ``-`` left by a resume that died before its unlink is noticed at the next
        change of the directory or by ``sweep``.
        """
        mtime_ns = self._fs.fstat(self._dir_fd).st_mtime_ns
        found, known_ns, expiry = self._known
        if mtime_ns == known_ns and self._clock.now() < expiry:
            return found
        now_ns = self._clock.now_ns()
        found, expiry = self._read_all(now_ns / 1e9)
        settled = now_ns - mtime_ns >= SETTLED_NS
        self._known = (found, mtime_ns if settled else -1, expiry)
        return found

    def any(self) -> bool:
        """Say whether there is a pause that counts now."""
        return bool(self.current().by_file)

    def until(
        self,
        directory: QueueDirectory,
        recipients: Sequence[Recipient],
        relay_of: Callable[[Recipient], str],
    ) -> list[float | None]:
        """Return per recipient the end of its pause: 0 open-ended, None not paused.

        *relay_of* tells the name of a recipient's next hop.  Of several pauses in
        the way the last to end counts.
        """
        found = self.current()
        whole = (found.spool, found.directory(directory.uuid))
        ends: dict[tuple[bytes, str], float | None] = {}
        answer = []
        for recipient in recipients:
            place = recipient.domain, relay_of(recipient)
            if place not in ends:
                ways = (found.destination(name) for name in place)
                ends[place] = _last_end((*whole, *ways))
            answer.append(ends[place])
        return answer

    def pause(
        self,
        scope: Scope,
        name: bytes | str = b"",
        *,
        who: str,
        reason: str = "",
        until: int = 0,
    ) -> Pause:
        """Write a pause, durably; one that exists for the same name is replaced."""
        pause = Pause(
            scope=scope,
            file=file_name(scope, name),
            name=printable(name),
            until=until,
            since=int(self._clock.now()),
            who=printable(who),
            reason=printable(reason),
        )
        content = encode(pause)
        if len(content) > _LARGEST:
            raise InputError("pause: the name or the reason is too long; shorten it")
        temporary = f"{pause.file}.{os.getpid()}.{self._clock.now_ns():x}.tmp"
        with self._changing():
            self._write(temporary, content)
            self._fs.rename(temporary, pause.file, dir_fd=self._dir_fd)
            self._fs.fsync(self._dir_fd)
        return pause

    def resume(self, scope: Scope, name: bytes | str = b"") -> bool:
        """End a pause, durably; False when there was none."""
        with self._changing():
            return self._remove(file_name(scope, name))

    def sweep(self) -> list[str]:
        """Remove expired and resumed pauses, return their names, look anew.

        Called by the runner now and then.  Leaves everything when somebody else is
        changing pauses just now.
        """
        now = self._clock.now()
        self._known = (NOTHING, -1, 0.0)
        over = [file for file, pause in self._files() if not _counts(pause, now)]
        if not over:  # taking the lock is an event that wakes the runner again
            return []
        try:
            with self._changing():
                return [file for file in over if self._sweep_one(file, now)]
        except SpoolUnavailable:
            return []

    def _sweep_one(self, file: str, now: float) -> bool:
        """Remove *file* unless it became a pause that counts again."""
        if _counts(self._read(file), now):
            return False
        return self._remove(file)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other processes from changing pauses; raise SpoolUnavailable."""
        flags = os.O_RDWR | os.O_CREAT
        fd = self._fs.open(LOCK_FILE, flags, dir_fd=self._dir_fd)
        try:
            try:
                self._fs.flock(fd)
            except BlockingIOError:
                raise SpoolUnavailable(
                    "pauses/.lock: another process is changing pauses just now; "
                    "try again, or see tuiq locks for who that is"
                ) from None
            yield
        finally:
            self._fs.close(fd)

    def _write(self, name: str, content: bytes) -> None:
        """Create *name* and sync its content; nothing is left when that fails."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        fd = self._fs.open(name, flags, dir_fd=self._dir_fd)
        try:
            self._fs.fchmod(fd, FILE_MODE)
            write_all(self._fs, fd, content)
            self._fs.fsync(fd)
        except OSError:
            self._fs.unlink(name, dir_fd=self._dir_fd)
            raise
        finally:
            self._fs.close(fd)

    def _remove(self, file: str) -> bool:
        """Flip the byte and unlink *file*; the caller holds ``.lock``."""
        try:
            self._flip(file)
            self._fs.unlink(file, dir_fd=self._dir_fd)
        except FileNotFoundError:
            return False
        self._fs.fsync(self._dir_fd)
        return True

    def _flip(self, file: str) -> None:
        """Make the first byte ``-``; what is no regular file is left to unlink."""
        flags = os.O_WRONLY | os.O_NONBLOCK
        try:
            fd = self._fs.open(file, flags, dir_fd=self._dir_fd)
        except FileNotFoundError:
            raise
        except OSError:  # a symlink, a FIFO, a foreign owner: unlink decides
            return
        try:
            pwrite_all(self._fs, fd, b"-", 0)
            self._fs.fdatasync(fd)
        finally:
            self._fs.close(fd)

    def _files(self) -> list[tuple[str, Pause | None]]:
        """Read every pause file; None is one that was resumed or just went."""
        names = sorted(self._fs.listdir(self._dir_fd))
        return [(name, self._read(name)) for name in names if scope_of(name)]

    def _read_all(self, now: float) -> tuple[PauseSet, float]:
        """Return what counts at *now*, and when the first of it ends."""
        pauses = [p for _, p in self._files() if p is not None and _counts(p, now)]
        if not pauses:
            return NOTHING, _ENDLESS
        by_file = {pause.file: pause for pause in pauses}
        found = PauseSet(
            pauses=tuple(pauses),
            by_file=by_file,
            spool=by_file.get(Scope.SPOOL.value),
        )
        return found, min([p.until for p in pauses if p.until], default=_ENDLESS)

    def _read(self, file: str) -> Pause | None:
        """Read one pause; None when it was resumed or is gone."""
        try:
            flags = os.O_RDONLY | os.O_NONBLOCK
            fd = self._fs.open(file, flags, dir_fd=self._dir_fd)
        except FileNotFoundError:
            return None
        except OSError as error:
            return damaged(file, f"cannot be opened: {error.strerror}")
        try:
            content = pread_all(self._fs, fd, _LARGEST, 0)
        except OSError as error:
            return damaged(file, f"cannot be read: {error.strerror}")
        finally:
            self._fs.close(fd)
        return decode(file, content)


def _last_end(pauses: Sequence[Pause | None]) -> float | None:
    """Return when the last of *pauses* ends; 0 = open-ended, None = none is there."""
    ends = [float(pause.until) for pause in pauses if pause is not None]
    if not ends:
        return None
    return 0.0 if 0.0 in ends else max(ends)


def _counts(pause: Pause | None, now: float) -> bool:
    return pause is not None and not 0 < pause.until <= now
