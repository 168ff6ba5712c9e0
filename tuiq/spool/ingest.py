"""Sequence I, inside: the queue user takes what lies in ``drop/`` into the queue.

Nothing in there is trusted: files are copied, never adopted, and what is checked is
what was copied.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tuiq.errors import (
    InputError,
    MessageBusy,
    MessageGone,
    SpoolError,
    SpoolUnsafe,
)
from tuiq.log import printable
from tuiq.mail import headers
from tuiq.mail.reply import Reply
from tuiq.spool import dropfile, mend
from tuiq.spool.control import Origin
from tuiq.spool.drop import Source, is_drop_name, remove_source
from tuiq.spool.finish import remove_withdrawn
from tuiq.spool.journal import Kind
from tuiq.spool.layout import DROP, LOCK_FILE
from tuiq.spool.orphans import discard_orphan, has_control
from tuiq.spool.submit import Draft, submit_locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.fs import Fs, StatResult
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site

ADOPT_AGE = 15 * 60
"""Seconds after which a complete file counts although its writer did not rename it."""
GARBAGE_AGE = 24 * 3600
"""Seconds after which an incomplete file is removed."""


class Host(Protocol):
    """The parts of a spool that ingesting needs."""

    @property
    def fs(self) -> Fs: ...  # noqa: D102
    @property
    def path(self) -> Path: ...  # noqa: D102
    @property
    def config(self) -> Config: ...  # noqa: D102
    @property
    def clock(self) -> Clock: ...  # noqa: D102
    @property
    def site(self) -> Site: ...  # noqa: D102
    @property
    def directories(self) -> Sequence[QueueDirectory]: ...  # noqa: D102

    def drop_fd(self) -> int:
        """Return the open drop directory, -1 when there is none."""
        ...

    def choose(self) -> QueueDirectory:
        """Return a directory with room; raise SpoolUnavailable."""
        ...

    def note_queued(
        self, directory: QueueDirectory, queue_id: str, envelope: Envelope
    ) -> None:
        """Tell the journal that a message was accepted."""
        ...


@dataclass(slots=True, kw_only=True)
class Ingested:
    """What one look at ``drop/`` came to."""

    queued: list[tuple[str, str]] = field(default_factory=list)
    """(queue id, queue directory's name) of each new message."""
    rejected: list[str] = field(default_factory=list)
    """Names of files that were moved to ``reject/``."""
    problem: str = ""
    """Why the rest has to wait; empty: nothing does."""


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

        *should_stop* is asked before each.  Raises nothing: what cannot be stored
        now stays where it is.
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
        for name in self._waiting():
            if should_stop():
                return
            try:
                self._ingest_one(name, done)
            except InputError as error:
                self._reject(name, _reason(error), done)
            except (MessageGone, MessageBusy, FileExistsError):
                continue  # taken back, or somebody is at it: the next look tells
            except (OSError, SpoolError) as error:
                done.problem = f"drop/{name}: {_reason(error)}"

    def _waiting(self) -> list[str]:
        """Return the names of files that may be messages, oldest first."""
        found: list[tuple[int, str]] = []
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
                found.append((info.st_ctime_ns, name))
        self._reported &= present
        return [name for _, name in sorted(found)]

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

    def _ingest_one(self, name: str, done: Ingested) -> None:
        """Copy one file into the queue, then remove it (I1-I7)."""
        flags = os.O_RDONLY | os.O_NONBLOCK
        try:
            fd = self._fs.open(name, flags, dir_fd=self._drop_fd)
        except FileNotFoundError:
            return
        except PermissionError:
            raise InputError("its mode hides it from the queue user") from None
        try:
            info = self._fs.fstat(fd)
            if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
                return  # changed since it was listed
            source = Source.of(name, info)
            directory = self._holder(source.queue_id)
            if directory is not None:
                remove_source(directory, source, self._drop_fd)
                return
            self._store(fd, info, source, done)
        finally:
            self._fs.close(fd)

    def _holder(self, queue_id: str) -> QueueDirectory | None:
        """Return the directory that has the message already (I3)."""
        for directory in self._host.directories:
            if not has_control(directory, queue_id):
                continue
            if not remove_withdrawn(directory, queue_id):
                return directory
        return None

    def _store(self, fd: int, info: StatResult, source: Source, done: Ingested) -> None:
        """Submit a copy, and keep its lock until the original is gone (I4-I7)."""
        parts = dropfile.read(self._fs, fd, info.st_size, self._host.config.submission)
        envelope = replace(parts.envelope, uid=info.st_uid, via=b"drop")
        envelope.check()
        directory = self._host.choose()
        for prefix in ("tf", "df"):  # of an ingester that died
            discard_orphan(directory, prefix, source.queue_id)
        received = partial(self._received, info.st_uid)
        wanted = self._host.config.submission.received_header
        draft = Draft(
            envelope=envelope,
            data=self._copied(fd, parts, source),
            birth_us=source.ctime_ns // 1000,
            received=received if wanted else None,
            queue_id=source.queue_id,
            origin=Origin.DROP,
            reference=source.encode(),
        )
        queue_id, qf = submit_locked(directory, draft)
        try:
            self._host.note_queued(directory, queue_id, envelope)
            done.queued.append((queue_id, directory.name))
            remove_source(directory, source, self._drop_fd, synced=True)
        finally:
            self._fs.close(qf)

    def _copied(
        self, fd: int, parts: dropfile.Parts, source: Source
    ) -> Iterator[bytes]:
        """Yield the data; then make sure that the file stands for this message only.

        Its name and ctime become durable first, or a power loss might bring it
        back as another file than the one that the message was made from.  And the
        message may have been claimed and finished between the look for its control
        file and now; the claimer unlinked the file first.
        """
        yield from dropfile.read_data(self._fs, fd, parts)
        self._fs.fsync(fd)
        self._fs.fsync(self._drop_fd)
        if self._fs.fstat(fd).st_nlink != 1:
            raise MessageGone(source.queue_id)

    def _received(self, uid: int, queue_id: str) -> bytes:
        now = self._host.clock.now()
        return headers.received_line(
            hostname=self._host.config.submission.hostname.encode(),
            queue_id=queue_id,
            uid=uid,
            date=headers.date_value(now, time.localtime(now).tm_gmtoff),
        )


def _reason(error: OSError | SpoolError | InputError) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
