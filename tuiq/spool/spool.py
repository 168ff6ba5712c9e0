"""The façade: one open spool, its directories, listings, submission and verbs."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import random
import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from tuiq.clock import SystemClock
from tuiq.errors import MessageGone, NotQueueUser, SpoolUnavailable
from tuiq.spool.disk import DiskFloor, refusal
from tuiq.spool.drop import DropSubmitter, forget_source
from tuiq.spool.entry import QueueEntry, decode_entry
from tuiq.spool.fs import OsFs, pread_all
from tuiq.spool.journal import Event, Journal, Kind
from tuiq.spool.layout import (
    DROP,
    QueueDirectory,
    birth_now,
    expand_queues,
    open_queue_directory,
)
from tuiq.spool.operate import Answer, Target, Verb, operate
from tuiq.spool.orphans import has_control
from tuiq.spool.pauses import Pauses
from tuiq.spool.site import Site
from tuiq.spool.submit import Draft, submit
from tuiq.spool.suspect import is_marked, mark_suspect, sharers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from tuiq.clock import Clock
    from tuiq.config import Config
    from tuiq.mail.envelope import Envelope
    from tuiq.spool.claim import Claim


class Spool:
    """An open spool; everything but delivery is a method of it."""

    def __init__(self, config: Config, *, clock: Clock | None = None) -> None:
        """Open every queue directory.

        Raises ConfigError, SpoolUnsafe, SpoolUnavailable.
        """
        self.config = config
        self.clock: Clock = clock or SystemClock()
        self.fs = OsFs()
        self.path: Path = config.spool_path
        self._closing = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            gid = operator_gid(config)
            self.directories: list[QueueDirectory] = []
            for path in expand_queues(config.spool.queues):
                directory = open_queue_directory(path, fs=self.fs, operator_gid=gid)
                stack.callback(directory.close)
                self.directories.append(directory)
            _refuse_twins(self.directories)
            mode = self.directories[0].file_mode
            self.pauses_fd = self._open_service(stack, "pauses")
            self.pauses = Pauses(self.fs, self.pauses_fd, self.clock, file_mode=mode)
            journal_fd = self._open_service(stack, "journal")
            self.journal = Journal(self.fs, journal_fd, config.journal, self.clock)
            stack.callback(self.journal.close)
            self.run_fd = self._open_service(stack, "run")
            self._drop_fd = -1  # opened when it is needed: it may be made later
            stack.callback(self._close_drop)
            self._closing = stack.pop_all()
        self.floor = DiskFloor(self.fs, self.clock, config.spool)
        self.site = Site(
            config=config,
            recorder=self.journal,
            pauses=self.pauses,
            clock=self.clock,
            jitter=lambda: random.uniform(-1.0, 1.0),
            forget_source=self._forget_source,
            suspect=self.suspect,
        )

    def _open_service(self, stack: contextlib.ExitStack, name: str) -> int:
        path = self.path / name
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise SpoolUnavailable(
                f"{path}: cannot open: {(error.strerror or 'error').lower()}; "
                f"make it with: tuiq init {self.path}"
            ) from None
        stack.callback(os.close, fd)
        return fd

    def drop_fd(self) -> int:
        """Return the open drop directory, -1 when there is none; raise OSError."""
        if self._drop_fd < 0:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            with contextlib.suppress(FileNotFoundError):
                self._drop_fd = os.open(self.path / DROP, flags)
        return self._drop_fd

    def _close_drop(self) -> None:
        if self._drop_fd >= 0:
            os.close(self._drop_fd)

    def _forget_source(self, claim: Claim) -> None:
        fd = self.drop_fd()
        if fd >= 0:
            forget_source(claim, fd)

    def suspect(self, directory: QueueDirectory, reason: str) -> None:
        """Stop using every directory on a file system whose sync failed."""
        for sharer in sharers(directory, self.directories):
            mark_suspect(self.run_fd, sharer, reason)

    def __enter__(self) -> Self:
        """Return the spool itself."""
        return self

    def __exit__(self, *_exc: object) -> None:
        """Close every descriptor."""
        self.close()

    def close(self) -> None:
        """Close every descriptor; claims of others are not touched."""
        self._closing.close()

    def reconfigure(self, config: Config) -> None:
        """Use other settings from now on; the queue directories stay."""
        self.config = config
        self.site = replace(self.site, config=config)
        self.floor = DiskFloor(self.fs, self.clock, config.spool)

    # -- listing ---------------------------------------------------------------

    def entries(self) -> Iterator[QueueEntry]:
        """Yield every message, directory by directory, in the order of their ids.

        Takes no lock.  What vanishes meanwhile is left out; what cannot be read
        is an entry that says so.
        """
        for directory in self.directories:
            for queue_id in sorted(directory.ids()):
                entry = read_entry(directory, queue_id)
                if entry is not None:
                    yield entry

    def entry(self, queue_id: str) -> QueueEntry:
        """Return one message; raise MessageGone."""
        for directory in self.directories:
            entry = read_entry(directory, queue_id)
            if entry is not None:
                return entry
        raise MessageGone(queue_id)

    def find(self, queue_id: str) -> QueueDirectory | None:
        """Return the directory that holds a message, None when there is none.

        An unfinished move leaves two; the one that is not pending counts.
        """
        found = [d for d in self.directories if has_control(d, queue_id)]
        if len(found) > 1:
            live = [d for d in found if _mstate(d, queue_id) == b"Q"]
            found = live or found
        return found[0] if found else None

    def directory(self, name: str) -> QueueDirectory:
        """Return a queue directory by its name; raise SpoolUnavailable."""
        for directory in self.directories:
            if directory.name == name:
                return directory
        known = ", ".join(directory.name for directory in self.directories)
        raise SpoolUnavailable(f"{name}: no such queue directory; there are: {known}")

    def read_data(self, entry: QueueEntry, limit: int | None = None) -> bytes:
        """Return the data of a message, up to *limit* bytes; raise MessageGone."""
        directory = self.directory(entry.directory)
        name = "df" + entry.queue_id
        try:
            fd = self.fs.open(name, os.O_RDONLY, dir_fd=directory.df_fd)
        except OSError:
            raise MessageGone(entry.queue_id) from None
        try:
            size = self.fs.fstat(fd).st_size
            return pread_all(
                self.fs, fd, size if limit is None else min(size, limit), 0
            )
        finally:
            self.fs.close(fd)

    # -- submission ------------------------------------------------------------

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
        draft = Draft(
            envelope=envelope,
            data=data,
            birth_us=birth_now(self.clock),
            received=received,
        )
        queue_id = submit(directory, draft)
        self.note_queued(directory, queue_id, envelope)
        return queue_id

    def note_queued(
        self, directory: QueueDirectory, queue_id: str, envelope: Envelope
    ) -> None:
        """Tell the journal that a message was accepted."""
        event = Event(
            kind=Kind.QUEUED,
            queue_id=queue_id,
            directory=directory.name,
            sender=envelope.sender,
            text=f"{len(envelope.recipients)} recipients",
        )
        self.journal.append((event,))

    def choose(self) -> QueueDirectory:
        """Return a directory with room for new mail, picked at random."""
        low = ""
        for directory in random.sample(self.directories, len(self.directories)):
            if directory.blocked or is_marked(self.run_fd, directory):
                low = directory.blocked or f"{directory.path}: a sync failed here"
                continue
            answer = self.floor.check(directory.df_fd)
            refused = refusal(directory.path, directory.df_fd)
            if answer is None and refused is None:
                return directory
            low = refused or f"{directory.path}: {answer}; free some space"
        raise SpoolUnavailable(f"{low}; nothing was queued, try again later")

    # -- verbs -----------------------------------------------------------------

    def operate(self, verb: Verb, targets: Iterable[Target]) -> Iterator[Answer]:
        """Do an operator's verb; yield each target's answer once it is durable."""
        return operate(self.find, self.site, verb, targets)


def read_entry(directory: QueueDirectory, queue_id: str) -> QueueEntry | None:
    """Read one message without locking; None when it is gone or finished.

    Raises OSError only when there is no file descriptor left.
    """
    name = "qf" + queue_id
    try:
        raw, mtime = _read_control(directory, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in {errno.EMFILE, errno.ENFILE}:
            raise
        entry = decode_entry(b"", directory=directory.name, name=name, mtime=0.0)
        reason = (error.strerror or "cannot be read").lower()
        return replace(entry, damage=f"{directory.path_of(name)}: {reason}")
    entry = decode_entry(raw, directory=directory.name, name=name, mtime=mtime)
    return None if entry.mstate == b"F" and not entry.damage else entry


def _read_control(directory: QueueDirectory, name: str) -> tuple[bytes, float]:
    """Return content and mtime of a control file; raise OSError for anything else."""
    fs = directory.fs
    fd = fs.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=directory.qf_fd)
    try:
        info = fs.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError(errno.EINVAL, "is not a regular file; see tuiq check")
        return pread_all(fs, fd, info.st_size, 0), info.st_mtime_ns / 1e9
    finally:
        fs.close(fd)


def _mstate(directory: QueueDirectory, queue_id: str) -> bytes:
    entry = read_entry(directory, queue_id)
    return b"" if entry is None else entry.mstate


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


def operator_gid(config: Config) -> int | None:
    """Return the gid of ``operator_group``, None without one."""
    name = config.spool.operator_group
    if not name:
        return None
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SpoolUnavailable(
            f"operator_group: there is no group {name!r}; create it or change the "
            "setting"
        ) from None


def become_queue_user(config: Config) -> None:
    """Let a process of root go on as the queue user, for good.

    The queue user owns the queue directories.  Raises NotQueueUser for any other
    caller who could not read or write them.
    """
    uid = os.geteuid()
    spool = config.spool_path
    if uid and _is_closed(spool):
        raise NotQueueUser(
            f"{spool}: not open to uid {uid}; run this as root or as the queue user"
        )
    path = expand_queues(config.spool.queues)[0]
    info = path.stat()
    if uid == 0 and info.st_uid != 0:
        os.setgroups([info.st_gid])
        os.setresgid(info.st_gid, info.st_gid, info.st_gid)
        os.setresuid(info.st_uid, info.st_uid, info.st_uid)
        return
    if uid in {0, info.st_uid}:
        return
    gid = operator_gid(config)
    if gid is not None and gid in {os.getegid(), *os.getgroups()}:
        return
    raise NotQueueUser(
        f"{path}: belongs to uid {info.st_uid}, this is uid {uid}; run it as root or "
        "as that user"
    )


def _is_closed(spool: Path) -> bool:
    """Say whether this user is kept out of the spool."""
    try:
        os.close(os.open(spool, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def open_spool(config: Config, *, clock: Clock | None = None) -> Spool:
    """Open the spool of *config* as the queue user; use it in a ``with`` block.

    A process of root becomes the queue user for good.  Raises ConfigError,
    NotQueueUser, SpoolUnsafe, SpoolUnavailable.
    """
    become_queue_user(config)
    return Spool(config, clock=clock)


@contextlib.contextmanager
def open_submission(
    config: Config, *, clock: Clock | None = None
) -> Iterator[Spool | DropSubmitter]:
    """Open what takes mail from this user: the queue, else its drop directory.

    Raises as ``open_spool`` does, but for NotQueueUser.
    """
    try:
        spool = open_spool(config, clock=clock)
    except NotQueueUser:
        yield DropSubmitter(config.spool_path)
        return
    with spool:
        yield spool
