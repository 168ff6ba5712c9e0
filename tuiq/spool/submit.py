"""Sequence S: how a message gets into a queue directory, all of it or nothing.

The rename of tf to qf is the commit; the message is acknowledged only after
the directory that holds the new name was synced.  Several messages can share their
syncs: all files, then all names, then all answers.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.spool import control
from tuiq.spool.control import Origin
from tuiq.spool.flags import MState
from tuiq.spool.fs import pwrite_all, write_all
from tuiq.spool.layout import FILE_MODE, make_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuiq.mail.envelope import Envelope
    from tuiq.spool.layout import QueueDirectory

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_BLOCK = 256 * 1024
"""Bytes gathered before a write(2) of data."""
FEW = 16
"""Up to this many messages are synced file by file; more with one syncfs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message on its way into the spool."""

    envelope: Envelope
    data: Iterable[bytes]
    """Chunks in wire form: CRLF line ends only, the last one ends in CRLF."""
    birth_us: int
    """Microseconds since the epoch."""
    received: Callable[[str], bytes] | None = None
    """Makes the Received line (with CRLF) from the queue id; None: none."""
    queue_id: str | None = None
    """A fixed id (bounces, drop files); None: a fresh random one."""
    origin: Origin = Origin.LOCAL
    reference: bytes = b""
    sources: tuple[int, ...] = ()
    """Open files and directories that become durable before the message's name does:
    what it was made from."""


def submit(directory: QueueDirectory, draft: Draft) -> str:
    """Store *draft* durably and return its queue id; wakes watching runners.

    Raises FileExistsError when a fixed id is taken, SpoolUnavailable when the
    disk refuses; nothing is left behind then.
    """
    queue_id, fd = submit_locked(directory, draft)
    directory.fs.close(fd)
    return queue_id


def submit_locked(directory: QueueDirectory, draft: Draft) -> tuple[str, int]:
    """Do as ``submit``, but return the control file still open and locked."""
    (stored,) = submit_batch_locked(directory, (draft,))
    return stored


def submit_batch(directory: QueueDirectory, drafts: Iterable[Draft]) -> list[str]:
    """Store all *drafts* or none, with shared syncs; return their queue ids.

    Two files of each are open until the end.  Raises as ``submit`` does.
    """
    stored = submit_batch_locked(directory, drafts)
    for _, fd in stored:
        directory.fs.close(fd)
    return [queue_id for queue_id, _ in stored]


def submit_batch_locked(
    directory: QueueDirectory, drafts: Iterable[Draft]
) -> list[tuple[str, int]]:
    """Do as ``submit_batch``, but return the control files still open and locked."""
    stored = _store(directory, drafts)
    for writing in stored:
        directory.fs.close(writing.df)
    return [(writing.queue_id, writing.tf) for writing in stored]


def _store(directory: QueueDirectory, drafts: Iterable[Draft]) -> list[_Writing]:
    """Store all *drafts* or none; return them with their files open and locked."""
    sources: dict[int, None] = {}
    with _all_or_nothing(directory) as started:
        for draft in drafts:
            sources |= dict.fromkeys(draft.sources)
            writing = _Writing(directory)
            started.append(writing)
            writing.reserve(draft)
            writing.write_data(draft)
            writing.write_control(draft)
        _sync_all(directory, started, sources)
        for writing in started:
            writing.rename()
        directory.fs.fsync(directory.qf_fd)
    return started


@contextlib.contextmanager
def _all_or_nothing(directory: QueueDirectory) -> Iterator[list[_Writing]]:
    """Give a list for what is begun; whatever goes wrong, undo it."""
    started: list[_Writing] = []
    try:
        yield started
    except BaseException as error:
        for writing in started:
            writing.undo()
        if not isinstance(error, OSError) or isinstance(error, FileExistsError):
            raise
        raise SpoolUnavailable(
            f"{directory.path}: cannot store the message: "
            f"{(error.strerror or str(error)).lower()}; nothing was queued, try again"
        ) from error


def _sync_all(
    directory: QueueDirectory, started: Sequence[_Writing], sources: Iterable[int]
) -> None:
    """Make all files durable, and the names of their data files (S5)."""
    fs = directory.fs
    if len(started) <= FEW:
        files = [fd for writing in started for fd in (writing.df, writing.tf)]
        # What is on its way to the disk shares the first one's commit.
        for fd in files[1:]:
            fs.begin_writing(fd)
        for fd in (*sources, *files):
            fs.fsync(fd)
        fs.fsync(directory.df_fd)
        return
    places = (directory.df_fd, directory.qf_fd, *sources)
    for fd in {fs.fstat(fd).st_dev: fd for fd in places}.values():
        fs.syncfs(fd)


class _Writing:
    """One submission under way: what exists so far, so that it can be undone."""

    def __init__(self, directory: QueueDirectory) -> None:
        self.directory = directory
        self.fs = directory.fs
        self.queue_id = ""
        self.df = -1
        self.tf = -1
        self.renamed = False
        self.length = 0
        self.crc = 0

    def reserve(self, draft: Draft) -> None:
        """Create the data file; its name is the reservation of the id (S2)."""
        while self.df < 0:
            self.queue_id = draft.queue_id or make_id(draft.birth_us)
            try:
                self.df = self.fs.open(
                    "df" + self.queue_id, _CREATE, dir_fd=self.directory.df_fd
                )
            except FileExistsError:
                if draft.queue_id:
                    self.queue_id = ""
                    raise
        self.fs.fchmod(self.df, FILE_MODE)
        self.fs.flock(self.df)

    def write_data(self, draft: Draft) -> None:
        """Write the data (S3)."""
        if draft.received is not None:
            self._write(draft.received(self.queue_id))
        pending: list[bytes] = []
        size = 0
        for chunk in draft.data:
            pending.append(chunk)
            size += len(chunk)
            if size >= _BLOCK:
                self._write(b"".join(pending))
                pending.clear()
                size = 0
        self._write(b"".join(pending))

    def _write(self, data: bytes) -> None:
        self.crc = zlib.crc32(data, self.crc)
        self.length += len(data)
        if data:
            write_all(self.fs, self.df, data)

    def write_control(self, draft: Draft) -> None:
        """Write the control file under its temporary name (S4)."""
        name = "tf" + self.queue_id
        self.tf = self.fs.open(name, _CREATE, dir_fd=self.directory.qf_fd)
        self.fs.fchmod(self.tf, FILE_MODE)
        self.fs.flock(self.tf)
        message = control.Message(
            queue_id=self.queue_id,
            birth_us=draft.birth_us,
            envelope=draft.envelope,
            data_length=self.length,
            data_crc=self.crc,
            origin=draft.origin,
            reference=draft.reference,
        )
        write_all(self.fs, self.tf, control.encode(message))
        self.fs.futimens(self.tf, draft.birth_us * 1000)

    def rename(self) -> None:
        """Give the control file its name (S6)."""
        qf_fd = self.directory.qf_fd
        self.fs.rename("tf" + self.queue_id, "qf" + self.queue_id, dir_fd=qf_fd)
        self.renamed = True

    def undo(self) -> None:
        """Leave nothing deliverable behind; best effort, GC does the rest."""
        if not self.queue_id:
            return
        if self.renamed:
            with contextlib.suppress(OSError):
                pwrite_all(self.fs, self.tf, MState.FINISHED.value, control.MSTATE)
                self.fs.fdatasync(self.tf)
        directory = self.directory
        names = []
        # The control file first: that F is on the disk, nobody knows.
        if self.tf >= 0:
            prefix = "qf" if self.renamed else "tf"
            names.append((prefix + self.queue_id, directory.qf_fd))
        if self.df >= 0:
            names.append(("df" + self.queue_id, directory.df_fd))
        for name, dir_fd in names:
            with contextlib.suppress(OSError):
                self.fs.unlink(name, dir_fd=dir_fd)
        for fd in (self.df, self.tf):
            if fd >= 0:
                with contextlib.suppress(OSError):
                    self.fs.close(fd)
