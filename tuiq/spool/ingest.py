"""Sequence I, inside: the queue user takes what lies in ``drop/`` into the queue.

Nothing in there is trusted: files are copied, never adopted, and what is checked is
what was copied.
"""

from __future__ import annotations

import contextlib
import os
import resource
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.errors import (
    InputError,
    MessageBusy,
    MessageGone,
    SpoolError,
    SpoolUnsafe,
)
from tuiq.log import printable
from tuiq.mail.reply import Reply
from tuiq.spool import dropfile, mend
from tuiq.spool.drop import is_drop_name
from tuiq.spool.intake import MOST_IN_BATCH
from tuiq.spool.journal import Kind
from tuiq.spool.layout import DROP, LOCK_FILE
from tuiq.spool.taking import Host, Taker, Taking, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuiq.spool.fs import StatResult

ADOPT_AGE = 15 * 60
"""Seconds after which a complete file counts although its writer did not rename it."""
GARBAGE_AGE = 24 * 3600
"""Seconds after which an incomplete file is removed."""
BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of files that share syncs: they are in memory meanwhile."""


@dataclass(slots=True, kw_only=True)
class Ingested:
    """What one look at ``drop/`` came to."""

    queued: list[tuple[str, str]] = field(default_factory=list)
    """(queue id, queue directory's name) of each new message."""
    rejected: list[str] = field(default_factory=list)
    """Names of files that were moved to ``reject/``."""
    problem: str = ""
    """Why some have to wait; empty: nothing does."""
    stopped: bool = False
    """Whether there may be more, which the caller did not want yet."""


class Ingester:
    """Takes what others left in ``drop/`` into the queue."""

    def __init__(self, host: Host) -> None:
        """Work for the spool *host*."""
        self._host = host
        self._fs = host.fs
        self._drop_fd = -1
        self._reported: set[tuple[str, int]] = set()  # (name, inode), once each

    def ingest(self, should_stop: Callable[[], bool] = lambda: False) -> Ingested:
        """Take in every file there is, oldest first, one process at a time.

        *should_stop* is asked before each; what was looked at by then is taken.
        Raises nothing: what cannot be stored now stays where it is.
        """
        done = Ingested()
        self._drop_fd = self._host.drop_fd()
        if self._drop_fd < 0:
            return done
        try:
            lock = self._lock()
        except (OSError, SpoolUnsafe) as error:
            done.problem = f"drop/{LOCK_FILE}: {_reason(error)}"
            return done
        if lock < 0:
            return done
        try:
            self._ingest_all(done, should_stop)
        except (OSError, SpoolError) as error:
            done.problem = _reason(error)
        finally:
            self._fs.close(lock)
        return done

    def _lock(self) -> int:
        """Return the lock of the one ingester, -1 when another one is at work."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK
        fd = self._fs.open(LOCK_FILE, flags, dir_fd=self._drop_fd)
        try:
            self._refuse_planted(self._fs.fstat(fd))
            self._fs.flock(fd)
        except BaseException as error:
            self._fs.close(fd)
            if isinstance(error, BlockingIOError):
                return -1
            raise
        return fd

    def _refuse_planted(self, lock: StatResult) -> None:
        owner = self._host.directories[0].uid
        if not stat.S_ISREG(lock.st_mode) or lock.st_uid != owner:
            path = str(self._host.path / DROP / LOCK_FILE)
            raise SpoolUnsafe(path, f"belongs to uid {lock.st_uid}", "remove it")

    def _ingest_all(self, done: Ingested, should_stop: Callable[[], bool]) -> None:
        taker = Taker(self._host, self._drop_fd)
        for files in batches(self._waiting(), _most_in_batch()):
            self._take_in(taker, files, done, should_stop)
            if done.stopped:
                return

    def _take_in(
        self,
        taker: Taker,
        files: Sequence[Waiting],
        done: Ingested,
        should_stop: Callable[[], bool],
    ) -> None:
        """Take *files* in together; should anything be in the way, one by one."""
        if len(files) > 1:
            with contextlib.suppress(InputError, OSError, SpoolError):
                self._take(taker, files, done, should_stop)
                return
        for file in files:
            try:
                self._take(taker, (file,), done, should_stop)
            except InputError as error:
                self._reject(file.name, _reason(error), done)
            except (MessageGone, MessageBusy, FileExistsError):
                continue  # taken back, or somebody is at it: the next look tells
            except (OSError, SpoolError) as error:
                done.problem = f"drop/{file.name}: {_reason(error)}"
            if done.stopped:
                return

    def _take(
        self,
        taker: Taker,
        files: Sequence[Waiting],
        done: Ingested,
        should_stop: Callable[[], bool],
    ) -> None:
        """Copy files into the queue, then remove them (I1-I7): all or none.

        Raises OSError, SpoolError, and InputError for the data of a single one.
        """
        batch: list[Taking] = []
        with contextlib.ExitStack() as closing:
            for file in files:
                done.stopped = done.stopped or should_stop()
                if done.stopped:
                    break
                try:
                    taking = taker.look(file, closing, in_memory=len(files) > 1)
                except InputError as error:
                    self._reject(file.name, _reason(error), done)
                    continue
                if taking is not None:
                    batch.append(taking)
            if batch:
                taker.store(batch, done.queued)

    def _waiting(self) -> list[Waiting]:
        """Return the files that may be messages, oldest first."""
        found: list[Waiting] = []
        present: set[tuple[str, int]] = set()
        for name in self._fs.listdir(self._drop_fd):
            try:
                info = self._fs.stat(name, dir_fd=self._drop_fd)
            except FileNotFoundError:
                continue
            if name == LOCK_FILE:
                continue
            present.add((name, info.st_ino))
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
                self._leave(name, info, "is no plain file with one name")
            elif not is_drop_name(name):
                self._leave(name, info, "is not named like a message")
            elif name.startswith("m.") or self._is_left_over(name, info):
                found.append(
                    Waiting(ctime_ns=info.st_ctime_ns, name=name, size=info.st_size)
                )
        self._reported &= present
        return sorted(found, key=lambda file: (file.ctime_ns, file.name))

    def _leave(self, name: str, info: StatResult, reason: str) -> None:
        """Tell once about something that is no mail; it stays where it is."""
        if (name, info.st_ino) in self._reported:
            return
        self._reported.add((name, info.st_ino))
        self._note(f"drop/{name}: {reason} (of uid {info.st_uid}); see tuiq check")

    def _note(self, text: str) -> None:
        reply = Reply(code=0, text=printable(text).encode())
        self._host.site.recorder.record(Kind.DAMAGED, "", reply=reply)

    def _is_left_over(self, name: str, info: StatResult) -> bool:
        """Say whether a ``t.`` file is complete and abandoned; remove garbage."""
        age = self._host.clock.now() - info.st_ctime_ns / 1e9
        if age < ADOPT_AGE:
            return False
        try:
            fd = self._fs.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=self._drop_fd)
        except PermissionError:
            complete = False
        except OSError:
            return False
        else:
            try:
                self._fs.flock(fd)
                complete = dropfile.has_end(self._fs, fd, info.st_size)
            except BlockingIOError:
                return False  # its writer is alive
            finally:
                self._fs.close(fd)
        if not complete and age >= GARBAGE_AGE:
            with contextlib.suppress(FileNotFoundError):
                self._fs.unlink(name, dir_fd=self._drop_fd)
        return complete

    def _reject(self, name: str, reason: str, done: Ingested) -> None:
        spool = self._host.path
        try:
            mend.reject(spool, [spool / DROP / name], printable(reason))
        except (OSError, SpoolError) as error:
            done.problem = f"drop/{name}: cannot go to reject/: {_reason(error)}"
            return
        self._note(f"drop/{name}: {reason}; moved to reject/")
        done.rejected.append(name)


def batches(files: Iterable[Waiting], most: int) -> Iterator[list[Waiting]]:
    """Yield the files in order, up to *most* and ``BATCH_BYTES`` together."""
    batch: list[Waiting] = []
    room = BATCH_BYTES
    for file in files:
        if batch and (len(batch) >= most or file.size > room):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(file)
        room -= file.size
    if batch:
        yield batch


def _most_in_batch() -> int:
    """Return how many files share syncs: each is three descriptors meanwhile."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_IN_BATCH
    return max(1, min(MOST_IN_BATCH, soft // 16))


def _reason(error: OSError | SpoolError | InputError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
