"""Sequence I, from drop files that may be messages to messages in the queue.

Several files share the syncs of one batch: all of its messages or none.  A file that
is no message is told apart before; what is checked is the copy, in memory where there
are several.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tuiq.errors import InputError, MessageGone
from tuiq.mail import headers
from tuiq.spool import dropfile
from tuiq.spool.control import Origin
from tuiq.spool.drop import Source, remove_source, unlink_source
from tuiq.spool.finish import remove_withdrawn
from tuiq.spool.orphans import discard_orphan, has_control
from tuiq.spool.submit import Draft, submit_batch_locked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import ExitStack
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.fs import Fs
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site


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
        self, directory: QueueDirectory, accepted: Iterable[tuple[str, Envelope]]
    ) -> None:
        """Tell the journal of messages that were accepted, by queue id."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A file in ``drop/`` as it was listed."""

    ctime_ns: int
    name: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taking:
    """An open drop file that has no message yet."""

    fd: int
    uid: int
    source: Source
    envelope: Envelope
    data: Iterable[bytes]


class Taker:
    """Makes messages from drop files, and removes the files whose message exists."""

    def __init__(self, host: Host, drop_fd: int) -> None:
        """Take from *drop_fd* into a queue directory of *host*."""
        self._host = host
        self._fs = host.fs
        self._drop_fd = drop_fd

    def look(
        self, file: Waiting, closing: ExitStack, *, in_memory: bool
    ) -> Taking | None:
        """Open a file, for *closing* to close, and check it; None: nothing to store.

        Without *in_memory* its data is read and checked only when it is copied.
        Raises InputError for what can never be a message, OSError, SpoolError.
        """
        flags = os.O_RDONLY | os.O_NONBLOCK
        try:
            fd = self._fs.open(file.name, flags, dir_fd=self._drop_fd)
        except FileNotFoundError:
            return None
        except PermissionError:
            raise InputError("its mode hides it from the queue user") from None
        closing.callback(self._fs.close, fd)
        info = self._fs.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
            return None  # changed since it was listed
        if info.st_size != file.size:
            return None  # the same
        source = Source.of(file.name, info)
        directory = self._holder(source.queue_id)
        if directory is not None:
            remove_source(directory, source, self._drop_fd)
            return None
        parts = dropfile.read(self._fs, fd, file.size, self._host.config.submission)
        envelope = replace(parts.envelope, uid=info.st_uid, via=b"drop")
        envelope.check()
        data: Iterable[bytes] = dropfile.read_data(self._fs, fd, parts)
        if in_memory:
            data = list(data)
        return Taking(
            fd=fd, uid=info.st_uid, source=source, envelope=envelope, data=data
        )

    def _holder(self, queue_id: str) -> QueueDirectory | None:
        """Return the directory that has the message already (I3)."""
        for directory in self._host.directories:
            if not has_control(directory, queue_id):
                continue
            if not remove_withdrawn(directory, queue_id):
                return directory
        return None

    def store(self, batch: Sequence[Taking], queued: list[tuple[str, str]]) -> None:
        """Store copies of all or of none, telling *queued*; then remove the files.

        The messages, told as (queue id, directory's name), stay locked until the
        files are gone, durably.  An OSError may leave a file whose message exists:
        the next look removes it.
        """
        directory = self._host.choose()
        for taking in batch:
            for prefix in ("tf", "df"):  # of an ingester that died
                discard_orphan(directory, prefix, taking.source.queue_id)
        stored = submit_batch_locked(directory, map(self._draft, batch))
        ids = [queue_id for queue_id, _ in stored]
        try:
            envelopes = (taking.envelope for taking in batch)
            self._host.note_queued(directory, zip(ids, envelopes, strict=True))
            queued += ((queue_id, directory.name) for queue_id in ids)
            for taking in batch:
                unlink_source(self._fs, taking.source, self._drop_fd)
            self._fs.fsync(self._drop_fd)
        finally:
            for _, qf in stored:
                self._fs.close(qf)

    def _draft(self, taking: Taking) -> Draft:
        """Return what is to be stored.

        The file's name and ctime become durable before the message does, or a power
        loss might bring it back as another file than the one the message came from.
        """
        wanted = self._host.config.submission.received_header
        return Draft(
            envelope=taking.envelope,
            data=self._copied(taking),
            birth_us=taking.source.ctime_ns // 1000,
            received=partial(self._received, taking.uid) if wanted else None,
            queue_id=taking.source.queue_id,
            origin=Origin.DROP,
            reference=taking.source.encode(),
            sources=(taking.fd, self._drop_fd),
        )

    def _copied(self, taking: Taking) -> Iterator[bytes]:
        """Yield the data; then make sure that the file is still there.

        The message may have been claimed and finished between the look for its
        control file and now; the claimer unlinked the file first.
        """
        yield from taking.data
        if self._fs.fstat(taking.fd).st_nlink != 1:
            raise MessageGone(taking.source.queue_id)

    def _received(self, uid: int, queue_id: str) -> bytes:
        now = self._host.clock.now()
        return headers.received_line(
            hostname=self._host.config.submission.hostname.encode(),
            queue_id=queue_id,
            uid=uid,
            date=headers.date_value(now, time.localtime(now).tm_gmtoff),
        )
