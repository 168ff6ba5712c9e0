"""The explorers find the textbook mistakes, and count what they tried."""

from __future__ import annotations

import os

import pytest

from tests.crash.explore import Caps, Ledger, Sequence, Violation, explore
from tests.crash.schedule import Bounds, Race, search
from tests.crash.simdisk import SimDisk
from tests.crash.simfs import SimFs
from tests.crash.test_simfs import NEW, Bench


def _setup(fs: SimFs, ledger: Ledger) -> None:
    fs.disk.mkdir("q")


def _commit(fs: SimFs, ledger: Ledger, *, sync_dir: bool) -> None:
    q = fs.opendir("q")
    fd = fs.open("tf", NEW, dir_fd=q)
    fs.write(fd, b"mail")
    fs.fsync(fd)
    fs.rename("tf", "qf", dir_fd=q)
    if sync_dir:
        fs.fsync(q)
    ledger.note("acknowledged")


def _nothing(fs: SimFs, ledger: Ledger) -> None:
    fs.listdir(fs.opendir("q"))


def _kept(disk: SimDisk, ledger: Ledger) -> None:
    entries = disk.lookup("q").entries
    if ledger.count("acknowledged") and "qf" not in entries:
        raise Violation("LOST", f"only {sorted(entries)} is there")


def _commit_sequence(*, sync_dir: bool) -> Sequence:
    return Sequence(
        name="commit",
        setup=_setup,
        action=lambda fs, ledger: _commit(fs, ledger, sync_dir=sync_dir),
        recover=_nothing,
        crashed=_kept,
        recovered=_kept,
    )


def test_the_crash_explorer_finds_a_missing_directory_sync() -> None:
    assert explore(_commit_sequence(sync_dir=True), Caps(nested=5)).states > 5
    with pytest.raises(Violation, match="LOST"):
        explore(_commit_sequence(sync_dir=False))


def _counter(disk: SimDisk) -> int:
    return int(disk.lookup("q/n").data)


def _add_one(fs: SimFs, ledger: Ledger, *, locked: bool) -> None:
    q = fs.opendir("q")
    fd = fs.open("n", os.O_RDWR, dir_fd=q)
    if locked:
        try:
            fs.flock(fd)
        except BlockingIOError:
            return
    value = int(fs.pread(fd, 9, 0))
    fs.pwrite(fd, b"%d" % (value + 1), 0)
    ledger.note("added")
    fs.close(fd)


def _one_counter() -> tuple[SimDisk, Ledger]:
    bench = Bench()
    bench.file("n", b"0")
    bench.fs.kill()
    return bench.disk, Ledger()


def _sum_is_right(disk: SimDisk, ledger: Ledger) -> None:
    if _counter(disk) != ledger.count("added"):
        raise Violation("LOST_UPDATE", f"{_counter(disk)} of {len(ledger.events)}")


def _adders(*, locked: bool) -> Race:
    def add(fs: SimFs, ledger: Ledger) -> None:
        _add_one(fs, ledger, locked=locked)

    return Race(
        name="adders",
        start=_one_counter,
        actors={"a": add, "b": add, "c": add},
        check=_sum_is_right,
    )


@pytest.mark.parametrize("preemptions", [None, 1])
def test_the_schedule_explorer_finds_a_lost_update(preemptions: int | None) -> None:
    bounds = Bounds(preemptions=preemptions)
    assert search(_adders(locked=True), bounds).complete
    with pytest.raises(Violation, match="LOST_UPDATE"):
        search(_adders(locked=False), bounds)


def test_without_preemptions_each_actor_runs_alone() -> None:
    tried = search(_adders(locked=False), Bounds(preemptions=0, samples=5))
    assert tried.complete
    assert tried.schedules == 6
