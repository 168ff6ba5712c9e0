from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.spool.holders import (
    LockReader,
    LockTable,
    Place,
    parse_locks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

QUEUE_ID = "01ARZ3NDEKTSV4RRFFQ"
HOLD = """
import fcntl, os, sys
fds = [os.open(path, os.O_RDWR | os.O_CREAT) for path in sys.argv[1:]]
for fd in fds:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
print("locked", flush=True)
sys.stdin.read()
"""
INHERIT = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
if os.fork() == 0:
    print("locked", os.getpid(), flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(*paths: Path, program: str = HOLD) -> Iterator[subprocess.Popen[str]]:
    """Run a process that locks *paths* until the block ends."""
    command = [sys.executable, "-c", program, *map(str, paths)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("locked")
        yield process
        assert process.stdin is not None
        process.stdin.close()


@dataclass
class Queue:
    path: Path
    place: Place

    def read(self) -> LockTable:
        return LockReader().read([self.place])


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield Queue(tmp_path, Place(name="q.1", fd=fd))
    os.close(fd)


def test_a_lock_is_told_with_its_message_and_its_holder(queue: Queue) -> None:
    (queue.path / ("qf" + QUEUE_ID[:-1] + "Z")).touch()
    with holding(queue.path / ("qf" + QUEUE_ID)) as process:
        table = queue.read()
        assert list(table.messages) == [QUEUE_ID]
        lock = table.messages[QUEUE_ID]
        assert (lock.place, lock.file) == ("q.1", "qf" + QUEUE_ID)
        holder = lock.holder
        assert holder.pid == process.pid
        assert holder.program.startswith("python")
        assert sys.executable in holder.command
        assert holder.uid == os.geteuid()
        assert not holder.gone
        assert abs(holder.since - time.time()) < 60
    assert queue.read().locks == ()


def test_locks_of_submissions_and_workers_are_no_message_locks(queue: Queue) -> None:
    names = [".lock", "df" + QUEUE_ID, "tf" + QUEUE_ID]
    with holding(*(queue.path / name for name in names)):
        table = queue.read()
    assert [lock.file for lock in table.locks] == names
    assert table.messages == {}
    assert table.find("q.1", ".lock") is not None
    assert table.find("q.2", ".lock") is None


def test_no_lock_survives_its_process(queue: Queue) -> None:
    path = queue.path / ("qf" + QUEUE_ID)
    with holding(path) as process:
        assert queue.read().locks
        process.kill()
        process.wait()
        assert queue.read().locks == ()


def test_a_lock_whose_taker_died_is_told_as_inherited(queue: Queue) -> None:
    """A child that inherited the file keeps the lock; the kernel names the parent."""
    with holding(queue.path / ("qf" + QUEUE_ID), program=INHERIT) as process:
        process.wait()
        (lock,) = queue.read().locks
        assert lock.holder.pid == process.pid
        assert lock.holder.gone
        assert lock.holder.program == ""


def test_a_place_listed_twice_tells_its_locks_once(queue: Queue) -> None:
    with holding(queue.path / ("qf" + QUEUE_ID)):
        assert len(LockReader().read([queue.place, queue.place]).locks) == 1


def test_reading_takes_no_lock_that_a_claim_would_meet(queue: Queue) -> None:
    """In a loop of readings a runner's lock attempt must never be refused."""
    with (queue.path / ("qf" + QUEUE_ID)).open("w") as file:
        reader = LockReader()
        for _ in range(50):
            reader.read([queue.place])
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            assert QUEUE_ID in reader.read([queue.place]).messages
            fcntl.flock(file, fcntl.LOCK_UN)


def test_reading_leaves_the_directory_itself_unlocked(queue: Queue) -> None:
    queue.read()
    fcntl.flock(queue.place.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def fake_proc(tmp_path: Path, locks: str) -> Path:
    proc = tmp_path / "proc"
    (proc / "self/ns").mkdir(parents=True)
    (proc / "self/ns/pid").touch()
    (proc / "locks").write_text(locks)
    return proc


def test_a_device_that_cannot_be_calibrated_is_taken_from_stat(queue: Queue) -> None:
    path = queue.path / ("qf" + QUEUE_ID)
    path.touch()
    info = path.stat()
    device = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}"
    line = f"1: FLOCK  ADVISORY  WRITE 999999999 {device}:{info.st_ino} 0 EOF\n"
    table = LockReader(fake_proc(queue.path, line)).read([queue.place])
    assert table.messages[QUEUE_ID].holder.gone


def test_a_device_is_what_the_kernel_shows_for_a_lock_there(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on btrfs: the lock table names another device than stat does."""
    path = queue.path / ("qf" + QUEUE_ID)
    path.touch()
    line = f"1: FLOCK  ADVISORY  WRITE 1 00:fff:{path.stat().st_ino} 0 EOF\n"
    proc = fake_proc(queue.path, line)
    (proc / "self/fdinfo").mkdir()
    for fd in range(64):
        info = "pos:\t0\nlock:\t1: FLOCK  ADVISORY  READ 7 00:fff:2 0 EOF\n"
        (proc / f"self/fdinfo/{fd}").write_text(info)
    assert LockReader(proc).read([queue.place]).messages[QUEUE_ID].holder.pid == 1


def test_inside_a_pid_namespace_the_table_is_incomplete(queue: Queue) -> None:
    proc = fake_proc(queue.path, "")
    assert not LockReader(proc).read([queue.place]).complete
    first = Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC
    assert queue.read().complete == first


def test_only_held_flocks_are_parsed() -> None:
    text = (
        "1: FLOCK  ADVISORY  WRITE 6536 fe:00:260072 0 EOF\n"
        "1: -> FLOCK  ADVISORY  WRITE 7000 fe:00:260072 0 EOF\n"
        "2: POSIX  ADVISORY  WRITE 12 fe:00:4 0 EOF\n"
        "3: OFDLCK ADVISORY  WRITE -1 fe:00:5 0 0\n"
        "4: FLOCK  ADVISORY  READ 8 00:2d:77 0 EOF\n"
        "5: FLOCK  ADVISORY  WRITE x 00:2d:zz 0 EOF\n"
        "garbage\n"
    )
    assert parse_locks(text) == {"fe:00": {260072: 6536}, "00:2d": {77: 8}}
