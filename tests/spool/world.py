"""What the spool tests share: a real spool, a set clock, faults, other users."""

from __future__ import annotations

import errno
import os
import pickle
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tuiq.config import Config, RetryConfig, SpoolConfig, SubmissionConfig
from tuiq.mail.envelope import Envelope, Recipient
from tuiq.mail.outcome import Outcome, Verdict
from tuiq.mail.reply import Reply
from tuiq.spool.finish import unlink_all
from tuiq.spool.fs import OsFs
from tuiq.spool.passes import End, Pass
from tuiq.spool.setup import create_spool
from tuiq.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from _typeshed import ReadableBuffer

T = TypeVar("T")
BODY = b"Subject: test\r\n\r\nhello\r\n"
NOW = 1_800_000_000.0


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def now_ns(self) -> int:
        return int(self.time * 1e9)

    def boottime(self) -> float:
        return self.time


class FaultyFs(OsFs):
    """The real system calls; those in *broken* fail."""

    def __init__(self) -> None:
        self.broken: dict[str, Callable[..., bool]] = {}
        """Name of a call -> whether it fails, asked with its arguments."""
        self.error = errno.EIO
        self.calls: list[tuple[str, Any]] = []

    def _enter(self, call: str, *args: object) -> None:
        self.calls.append((call, args))
        if call in self.broken and self.broken[call](*args):
            raise OSError(self.error, os.strerror(self.error))

    def fsync(self, fd: int) -> None:
        self._enter("fsync", fd)
        super().fsync(fd)

    def fdatasync(self, fd: int) -> None:
        self._enter("fdatasync", fd)
        super().fdatasync(fd)

    def syncfs(self, fd: int) -> None:
        self._enter("syncfs", fd)
        super().syncfs(fd)

    def pwrite(self, fd: int, data: ReadableBuffer, offset: int, /) -> int:
        self._enter("pwrite", fd, data, offset)
        return super().pwrite(fd, data, offset)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        self._enter("write", fd, bytes(data))
        return super().write(fd, data)

    def unlink(self, name: str, *, dir_fd: int) -> None:
        self._enter("unlink", name)
        super().unlink(name, dir_fd=dir_fd)

    def rename(self, old: str, new: str, *, dir_fd: int) -> None:
        self._enter("rename", old, new)
        super().rename(old, new, dir_fd=dir_fd)

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int) -> int:
        self._enter("open", name, flags)
        return super().open(name, flags, mode, dir_fd=dir_fd)


def make_config(spool: Path, **settings: Any) -> Config:
    """Return a configuration without a low-disk floor."""
    return Config(
        spool=SpoolConfig(queues=f"{spool}/q.*", min_free_percent=0.0, **settings),
        submission=SubmissionConfig(hostname="mx.example.net"),
        retry=RetryConfig(delay_notice=0.0),
    )


@contextmanager
def open_world(
    path: Path, *, queues: int = 1, drop: bool = False, **settings: Any
) -> Iterator[tuple[Spool, FaultyFs, SetClock]]:
    """Make a spool and open it over a file system that can be made to fail."""
    create_spool(path, queues=queues, drop=drop)
    clock, fs = SetClock(), FaultyFs()
    with Spool(make_config(path, **settings), clock=clock) as spool:
        spool.fs = fs
        for directory in spool.directories:
            directory.fs = fs
        yield spool, fs, clock


def envelope(*addresses: bytes, sender: bytes = b"from@example.com") -> Envelope:
    """Return an envelope for *addresses*."""
    recipients = tuple(Recipient(address=a) for a in addresses or (b"to@example.net",))
    return Envelope(sender=sender, recipients=recipients)


def put(spool: Spool, *addresses: bytes, sender: bytes = b"from@example.com") -> str:
    """Queue a message."""
    return spool.submit(envelope(*addresses, sender=sender), [BODY])


def tamper(file: Path, trick: str) -> None:
    """Make a queue file one that nobody may trust."""
    if trick == "writable":
        file.chmod(0o666)
    elif trick == "linked":
        os.link(file, file.with_name("other"))
    else:
        file.rename(file.with_name("other"))
        if trick == "fifo":
            os.mkfifo(file)
        else:
            file.symlink_to("other")


def states(spool: Spool, queue_id: str) -> bytes:
    """Return the recipients' states as a lister sees them."""
    return spool.entry(queue_id).states


REPLIES = {
    Verdict.DELIVERED: Reply(code=250, enhanced=b"2.0.0", text=b"taken"),
    Verdict.DEFERRED: Reply(code=451, enhanced=b"4.7.1", text=b"later"),
    Verdict.FAILED: Reply(code=550, enhanced=b"5.1.1", text=b"nobody"),
    Verdict.IN_DOUBT: Reply(code=421, enhanced=b"4.4.2", text=b"connection lost"),
    Verdict.UNTRIED: Reply(code=0),
}


def outcome(index: int, verdict: Verdict) -> Outcome:
    """Return what a server said about a recipient."""
    return Outcome(index=index, verdict=verdict, reply=REPLIES[verdict])


def transact(visit: Pass, verdicts: Sequence[Verdict]) -> list[int]:
    """Do one transaction over what is due; return who was in it."""
    batch = [index for index, _ in visit.begin(visit.due)]
    visit.dot(batch)
    visit.settle([outcome(*pair) for pair in zip(batch, verdicts, strict=False)])
    return batch


def end_pass(visit: Pass) -> End:
    """End a pass the way a runner with durability "each" does."""
    end = visit.end()
    visit.claim.sync()
    if end is End.FINISHED:
        unlink_all(visit.claim)
        visit.claim.close()
    else:
        visit.release()
    return end


def names(path: Path) -> list[str]:
    """Return what lies in a directory, without service files."""
    return sorted(name for name in os.listdir(path) if not name.startswith("."))


def open_files() -> int:
    """Return how many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


needs_open_python = pytest.mark.skipif(
    os.geteuid() != 0
    or not all(path.stat().st_mode & 0o001 for path in Path(os.__file__).parents),
    reason="needs root, and a Python that lies where all users can read it",
)
"""For tests in which root goes on as the queue user."""


def as_user(uid: int, work: Callable[[], T], *, umask: int = 0o077) -> T:
    """Run *work* in a child with no rights but those of *uid*; return its result.

    An exception in the child is raised here, by its type and text.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _run_as(uid, work, umask, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        answer = file.read()
    os.waitpid(pid, 0)
    ok, value = pickle.loads(answer)
    if not ok:
        raise value
    result: T = value
    return result


def _run_as(uid: int, work: Callable[[], T], umask: int, writing: int) -> None:
    answer: tuple[bool, object]
    try:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        os.umask(umask)
        answer = (True, work())
    except Exception as error:  # noqa: BLE001 — all of them go to the parent
        answer = (False, error)
    try:
        data = pickle.dumps(answer)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 — some exceptions cannot be pickled
        data = pickle.dumps((False, RuntimeError(traceback.format_exc())))
    with os.fdopen(writing, "wb") as file:
        file.write(data)
    os._exit(0)
