"""Opening a spool for submission: little code, since ``sendmail`` runs for every mail.

``Spool`` is this and everything else; keep the imports here to what a
submission needs.
"""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING, Self

from tuiq.clock import SystemClock
from tuiq.errors import InputError, NotQueueUser, SpoolUnavailable
from tuiq.spool.disk import DiskFloor, refusal
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import Event, Kind
from tuiq.spool.journal_writer import Journal
from tuiq.spool.layout import (
    QueueDirectory,
    birth_now,
    expand_queues,
    open_queue_directory,
    refuse_closed,
)
from tuiq.spool.submit import Draft, submit, submit_batch
from tuiq.spool.suspect import is_marked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.drop import DropSubmitter


MOST_IN_BATCH = 250
"""Messages of a batch: each is two open files until all are durable."""


class Intake:
    """The open queue directories of a spool, and the way in."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        """Open every queue directory.

        Raises ConfigError, SpoolUnsafe, SpoolUnavailable.
        """
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.fs = OsFs()
        self.path: Path = config.spool_path
        self.floor = DiskFloor(self.fs, self.clock, config.spool)
        self.directories: list[QueueDirectory] = []
        self._refusals: dict[int, str | None] = {}  # by the fd of df/
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            self._open(stack)
            self._closing = stack.pop_all()

    def _open(self, stack: contextlib.ExitStack) -> None:
        """Open what this object works on; *stack* closes it."""
        config = self.config
        for path in expand_queues(config.spool.queues):
            directory = open_queue_directory(path, fs=self.fs)
            stack.callback(directory.close)
            self.directories.append(directory)
        _refuse_twins(self.directories)
        journal_fd = self._open_service(stack, "journal")
        self.journal = Journal(self.fs, journal_fd, config.journal, self.clock)
        stack.callback(self.journal.close)
        self.run_fd = self._open_service(stack, "run")

    def _open_service(self, stack: contextlib.ExitStack, name: str) -> int:
        path = self.path / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            remedy = f"; make it with: tuiq init {self.path}"
            raise SpoolUnavailable(
                f"{path}: cannot open: {(error.strerror or 'error').lower()}"
                f"{remedy if isinstance(error, FileNotFoundError) else ''}"
            ) from None
        stack.callback(os.close, fd)
        return fd

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close every descriptor."""
        self.close()

    def close(self) -> None:
        """Close every descriptor; claims of others are not touched."""
        self._closing.close()

    def submit(
        self,
        envelope: Envelope,
        data: Iterable[bytes],
        received: Callable[[str], bytes] | None = None,
    ) -> str:
        """Queue a message durably and return its id.

        *data* comes in wire form (CRLF line ends, the last line ends in CRLF).
        *received* makes the Received line from the id.  Raises InputError for an
        envelope that could not be sent, SpoolUnavailable when no directory has room
        or the disk fails; nothing is queued then.
        """
        envelope.check()
        directory = self.choose()
        queue_id = submit(directory, self._draft(envelope, data, received))
        self.note_queued(directory, ((queue_id, envelope),))
        return queue_id

    def submit_batch(
        self,
        messages: Sequence[tuple[Envelope, Iterable[bytes]]],
        received: Callable[[str], bytes] | None = None,
    ) -> list[str]:
        """Queue all *messages* durably, or none of them; return their ids in order.

        They share their syncs, so this is several times faster than one by one.
        Raises as ``submit`` does, InputError also for more than ``MOST_IN_BATCH``.
        """
        if len(messages) > MOST_IN_BATCH:
            raise InputError(
                f"batch: read messages: {len(messages)} are more than {MOST_IN_BATCH}; "
                "hand in fewer at a time"
            )
        for envelope, _ in messages:
            envelope.check()
        if not messages:
            return []
        directory = self.choose()
        drafts = (self._draft(*message, received) for message in messages)
        ids = submit_batch(directory, drafts)
        envelopes = (envelope for envelope, _ in messages)
        self.note_queued(directory, zip(ids, envelopes, strict=True))
        return ids

    def _draft(
        self,
        envelope: Envelope,
        data: Iterable[bytes],
        received: Callable[[str], bytes] | None,
    ) -> Draft:
        return Draft(
            envelope=envelope,
            data=data,
            birth_us=birth_now(self.clock),
            received=received,
        )

    def note_queued(
        self, directory: QueueDirectory, accepted: Iterable[tuple[str, Envelope]]
    ) -> None:
        """Tell the journal of messages that were accepted, by queue id."""
        self.journal.append(_queued(directory, *each) for each in accepted)

    def choose(self) -> QueueDirectory:
        """Return a directory with room for new mail, picked at random."""
        low = ""
        for directory in random.sample(self.directories, len(self.directories)):
            if directory.blocked or is_marked(self.run_fd, directory):
                low = directory.blocked or f"{directory.path}: a sync failed here"
                continue
            answer = self.floor.check(directory.df_fd)
            refused = self._refused(directory)
            if answer is None and refused is None:
                return directory
            low = refused or f"{directory.path}: {answer}; free some space"
        raise SpoolUnavailable(f"{low}; nothing was queued, try again later")

    def _refused(self, directory: QueueDirectory) -> str | None:
        """Return why the file system is none for a queue: an open one stays itself."""
        fd = directory.df_fd
        if fd not in self._refusals:
            self._refusals[fd] = refusal(directory.path, fd)
        return self._refusals[fd]


def _queued(directory: QueueDirectory, queue_id: str, envelope: Envelope) -> Event:
    return Event(
        kind=Kind.QUEUED,
        queue_id=queue_id,
        directory=directory.name,
        sender=envelope.sender,
        text=f"{(n := len(envelope.recipients))} recipient{'s'[: n != 1]}",
    )


def _refuse_twins(directories: list[QueueDirectory]) -> None:
    """Refuse two directories with one UUID: a copy would deliver everything twice."""
    seen: dict[str, QueueDirectory] = {}
    for directory in directories:
        twin = seen.setdefault(directory.uuid, directory)
        if twin is not directory:
            raise SpoolUnavailable(
                f"{directory.path}: has the same .tuiq-id as {twin.path}: one is a "
                "copy; take the copy out of the configured queues"
            )


def become_queue_user(config: Config) -> None:
    """Let a process of root go on as the queue user, for good.

    The queue user owns the queue directories.  Raises NotQueueUser for any other
    caller who could not read or write them.
    """
    uid = os.geteuid()
    refuse_closed(config.spool_path)
    path = expand_queues(config.spool.queues)[0]
    info = path.stat()
    if uid == 0 and info.st_uid != 0:
        os.setgroups([info.st_gid])
        os.setresgid(info.st_gid, info.st_gid, info.st_gid)
        os.setresuid(info.st_uid, info.st_uid, info.st_uid)
        _require_own_code()
        return
    if uid in {0, info.st_uid}:
        return
    raise NotQueueUser(
        f"{path}: belongs to uid {info.st_uid}, this is uid {uid}; run it as root or "
        "as that user"
    )


def _require_own_code() -> None:
    """Refuse to go on without the modules that are imported when they are needed."""
    for file in (os.__file__, __file__):
        if not os.access(file, os.R_OK):
            raise SpoolUnavailable(
                f"{file}: not open to uid {os.getuid()}, the queue user; install tuiq "
                "with a Python that all users can read, such as /usr/bin/python3"
            )


@contextlib.contextmanager
def open_submission(
    config: Config, *, clock: Clock | None = None
) -> Iterator[Intake | DropSubmitter]:
    """Open what takes mail from this user: the queue, else its drop directory.

    A process of root becomes the queue user for good.  Raises ConfigError,
    SpoolUnsafe, SpoolUnavailable.
    """
    try:
        become_queue_user(config)
    except NotQueueUser:
        from tuiq.spool.drop import DropSubmitter  # only for users outside

        yield DropSubmitter(config)
        return
    with Intake(config, clock=clock) as intake:
        yield intake
