"""The simulated disk loses what real disks were seen to lose, and no promise."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.inode import SECTOR
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import SimFs
from tuiq.spool.fs import Fs, OsFs

NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL


class Bench:
    """A process with one directory open."""

    def __init__(self) -> None:
        self.disk = SimDisk()
        self.disk.mkdir("q")
        self.fs = SimFs(self.disk)
        self.q = self.fs.opendir("q")

    def file(self, name: str, data: bytes = b"") -> int:
        fd = self.fs.open(name, NEW, dir_fd=self.q)
        if data:
            self.fs.write(fd, data)
        return fd

    def survivors(self) -> set[tuple[tuple[str, bytes], ...]]:
        """Return every (name, data) set that a power loss may leave."""
        found = set()
        for disk in self.disk.crash_states(cap=10_000):
            names = disk.lookup("q").entries
            found.add(tuple((n, disk.inodes[i].data) for n, i in sorted(names.items())))
        return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_simfs_is_an_fs() -> None:
    fs: Fs = SimFs(SimDisk())
    assert fs is not None


def test_rename_without_directory_sync_may_leave_the_old_name(bench: Bench) -> None:
    tf = bench.file("tf", b"control")
    bench.fs.fsync(tf)
    bench.fs.fsync(bench.q)
    bench.fs.rename("tf", "qf", dir_fd=bench.q)
    bench.fs.fsync(tf)
    assert bench.survivors() == {(("tf", b"control"),), (("qf", b"control"),)}
    bench.fs.fsync(bench.q)
    assert bench.survivors() == {(("qf", b"control"),)}


def test_fsync_of_a_new_file_keeps_its_data_but_not_its_name(bench: Bench) -> None:
    bench.fs.fsync(bench.file("df", b"body"))
    assert bench.survivors() == {(), (("df", b"body"),)}


def test_unsynced_body_may_be_empty_beside_a_synced_control_file(bench: Bench) -> None:
    bench.file("df", b"body")
    bench.fs.fsync(bench.file("tf", b"control"))
    bench.fs.fsync(bench.q)
    assert (("df", b""), ("tf", b"control")) in bench.survivors()
    # The size may reach the disk before the data.
    assert (("df", b"\0\0\0\0"), ("tf", b"control")) in bench.survivors()


def test_unlink_without_directory_sync_may_come_back(bench: Bench) -> None:
    bench.fs.fsync(bench.file("qf", b"F"))
    bench.fs.fsync(bench.q)
    bench.fs.unlink("qf", dir_fd=bench.q)
    assert bench.survivors() == {(), (("qf", b"F"),)}


def test_unlinks_of_two_names_are_lost_independently(bench: Bench) -> None:
    for name in ("df", "qf"):
        bench.fs.fsync(bench.file(name, b"x"))
    bench.fs.fsync(bench.q)
    for name in ("df", "qf"):
        bench.fs.unlink(name, dir_fd=bench.q)
    assert (("qf", b"x"),) in bench.survivors()
    assert (("df", b"x"),) in bench.survivors()


def test_marks_in_two_sectors_are_lost_independently(bench: Bench) -> None:
    qf = bench.file("qf", b"T" * 2 * SECTOR)
    bench.fs.fsync(qf)
    bench.fs.fsync(bench.q)
    bench.fs.pwrite(qf, b"D", 0)
    bench.fs.pwrite(qf, b"D", SECTOR)
    marks = {(data[0], data[SECTOR]) for ((_, data),) in bench.survivors()}
    assert marks == {(84, 84), (84, 68), (68, 84), (68, 68)}
    bench.fs.fdatasync(qf)
    assert len(bench.survivors()) == 1


def test_marks_in_one_sector_keep_their_order(bench: Bench) -> None:
    qf = bench.file("qf", b"TT")
    bench.fs.fsync(qf)
    bench.fs.fsync(bench.q)
    bench.fs.pwrite(qf, b"D", 0)
    bench.fs.pwrite(qf, b"D", 1)
    assert {data for ((_, data),) in bench.survivors()} == {b"TT", b"DT", b"DD"}


def test_fdatasync_does_not_keep_the_mtime_and_fsync_does(bench: Bench) -> None:
    qf = bench.file("qf", b"x")
    bench.fs.fsync(qf)
    bench.fs.fsync(bench.q)
    bench.fs.futimens(qf, 5)

    def mtimes() -> set[int]:
        return {d.lookup("q/qf").mtime_ns for d in bench.disk.crash_states()}

    bench.fs.fdatasync(qf)
    assert mtimes() == {5, bench.disk.now_ns}
    bench.fs.fsync(qf)
    assert mtimes() == {5}


def test_one_directory_sync_keeps_many_renames(bench: Bench) -> None:
    for number in range(5):
        bench.fs.fsync(bench.file(f"tf{number}", b"x"))
        bench.fs.rename(f"tf{number}", f"qf{number}", dir_fd=bench.q)
    bench.fs.fsync(bench.q)
    assert bench.survivors() == {tuple((f"qf{n}", b"x") for n in range(5))}


def test_a_truncated_file_may_keep_its_old_size_and_data(bench: Bench) -> None:
    xf = bench.file("xf", b"a" * 700)
    bench.fs.fsync(xf)
    bench.fs.fsync(bench.q)
    bench.fs.truncate(xf, 0)
    assert (("xf", b"a" * 700),) in bench.survivors()
    assert (("xf", b""),) in bench.survivors()


def test_a_kill_keeps_all_writes_and_drops_all_locks(bench: Bench) -> None:
    qf = bench.file("qf", b"x")
    bench.fs.flock(qf)
    other = SimFs(bench.disk)
    mine = other.open("qf", os.O_RDWR, dir_fd=other.opendir("q"))
    with pytest.raises(BlockingIOError):
        other.flock(mine)
    bench.fs.kill()
    other.flock(mine)
    assert other.pread(mine, 9, 0) == b"x"


def test_a_lock_belongs_to_the_open_file_not_to_the_process(bench: Bench) -> None:
    first = bench.file("qf")
    second = bench.fs.open("qf", os.O_RDWR, dir_fd=bench.q)
    bench.fs.flock(first)
    with pytest.raises(BlockingIOError):
        bench.fs.flock(second)
    bench.fs.close(first)
    bench.fs.flock(second)


SCRIPT = """
open a NEW; open a NEW; open missing RDWR; write 0 hello; pwrite 0 J 0; pwrite 0 ! 9
pread 0 20 0; pread 0 20 50; open a RDONLY; pwrite 1 x 0; write 1 x
flock 1; flock 0; close 1; flock 0
open log LOG; write 2 one; pwrite 2 two 0; pread 2 20 0; truncate 2 4; pread 2 20 0
rename a b; rename a b; listdir; stat a; size 0; nlink 0
futimens 0 1700000000000000000; mtime b; fchmod 0 416; mode 0
rename log b; nlink 0; unlink b; unlink b; nlink 2; pread 0 20 0; listdir
close 0; fsync 0; fdatasync 2; close 2
"""
FLAGS = {
    "NEW": NEW,
    "RDWR": os.O_RDWR,
    "RDONLY": os.O_RDONLY,
    "LOG": NEW | os.O_APPEND,
}


class Player:
    """Performs the script on an Fs; files are named by the order of opening."""

    def __init__(self, fs: Fs, q: int) -> None:
        self.fs = fs
        self.q = q
        self.fds: list[int] = []

    def play(self, line: str) -> object:
        """Perform one line; an error answers with its name."""
        op, *words = line.split()
        try:
            return self.perform(op, words)
        except OSError as error:
            return errno.errorcode[error.errno or 0]

    def perform(self, op: str, words: list[str]) -> object:
        """Perform *op*, which speaks of a name or of an open file."""
        fs, q = self.fs, self.q
        by_name: dict[str, Callable[..., object]] = {
            "open": lambda name, flags: self.fds.append(
                fs.open(name, FLAGS[flags], dir_fd=q)
            ),
            "rename": lambda old, new: fs.rename(old, new, dir_fd=q),
            "unlink": lambda name: fs.unlink(name, dir_fd=q),
            "listdir": lambda: sorted(fs.listdir(q)),
            "stat": lambda name: fs.stat(name, dir_fd=q).st_size,
            "mtime": lambda name: dict(fs.scan(q))[name],
        }
        if op in by_name:
            return by_name[op](*words)
        fd = self.fds[int(words[0])]
        if op in {"size", "nlink", "mode"}:
            return getattr(fs.fstat(fd), f"st_{op}")
        data = [word.encode() for word in words[1:2] if op.endswith("write")]
        return getattr(fs, op)(fd, *data, *map(int, words[1 + len(data) :]))


def answers(fs: Fs, q: int) -> list[tuple[str, object]]:
    """Play the script; return each line with its answer."""
    player = Player(fs, q)
    lines = [line.strip() for line in SCRIPT.replace("\n", ";").split(";")]
    return [(line, player.play(line)) for line in lines if line]


def test_simulated_calls_answer_as_the_kernel_does(
    tmp_path: Path, bench: Bench
) -> None:
    real = os.open(tmp_path, os.O_RDONLY)
    try:
        expected = answers(OsFs(), real)
    finally:
        os.close(real)
    assert answers(bench.fs, bench.q) == expected
