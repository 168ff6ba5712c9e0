"""What runners counted outlives them, and is counted once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.clock import SystemClock
from tuiq.spool.fs import OsFs
from tuiq.spool.status import (
    RunnerStatus,
    StatusWriter,
    encode,
    read_counters,
    read_statuses,
    sweep_statuses,
)
from tuiq.spool.totals import FILE, Totals, change_totals, fold, read_totals

if TYPE_CHECKING:
    from collections.abc import Iterator

FS = OsFs()
STATUS = RunnerStatus(
    name="worker-1", started=10.5, counters={"delivered": 7, "messages_open": 3}
)
KILLED = """
import os, sys
from tuiq.clock import SystemClock
from tuiq.spool.fs import OsFs
from tuiq.spool.status import RunnerStatus, StatusWriter
fd = os.open(sys.argv[1], os.O_RDONLY)
writer = StatusWriter(OsFs(), fd, "worker-1", SystemClock())
status = RunnerStatus(name="worker-1", started=10.5, counters={"delivered": 7})
assert writer.write(status)
os.kill(os.getpid(), 9)
"""
FOLD = """
import os, sys
from tuiq.spool.fs import OsFs
from tuiq.spool.totals import fold
fd = os.open(sys.argv[1], os.O_RDONLY)
sys.stdin.readline()
for number in range(50):
    fold(OsFs(), fd, f"{sys.argv[2]} {number}.0", {"delivered": 1})
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def run_fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "run").mkdir()
    fd = os.open(tmp_path / "run", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def counted(tmp_path: Path, run_fd: int) -> dict[str, int]:
    return read_counters(FS, run_fd, lambda: read_statuses(tmp_path))[1]


def test_what_was_counted_stays_when_a_runner_ends(tmp_path: Path, run_fd: int) -> None:
    for started in (1.5, 2.5):
        writer = StatusWriter(FS, run_fd, "worker-1", SystemClock())
        writer.write(replace(STATUS, started=started))
        assert counted(tmp_path, run_fd)["delivered"] == (7 if started < 2 else 14)
        writer.close()
    assert counted(tmp_path, run_fd) == {"delivered": 14}


def test_a_killed_runner_is_counted_once_whoever_finds_it(
    tmp_path: Path, run_fd: int
) -> None:
    subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "run")], check=False, cwd=ROOT
    )
    assert counted(tmp_path, run_fd) == {"delivered": 7}
    sweep_statuses(FS, run_fd, now=2**33, age=0)
    assert not (tmp_path / "run/worker-1.status").exists()
    assert counted(tmp_path, run_fd) == {"delivered": 7}


def test_a_successor_keeps_what_the_killed_one_counted(
    tmp_path: Path, run_fd: int
) -> None:
    (tmp_path / "run/worker-1.status").write_bytes(encode(STATUS))
    writer = StatusWriter(FS, run_fd, "worker-1", SystemClock())
    assert counted(tmp_path, run_fd)["delivered"] == 7
    writer.write(replace(STATUS, started=99.0, counters={"delivered": 1}))
    assert counted(tmp_path, run_fd)["delivered"] == 8
    writer.close()
    assert counted(tmp_path, run_fd)["delivered"] == 8


def test_a_runner_that_ends_while_somebody_looks_is_counted_once(
    tmp_path: Path, run_fd: int
) -> None:
    writer = StatusWriter(FS, run_fd, "worker-1", SystemClock())
    writer.write(STATUS)
    looks = 0

    def look() -> list[RunnerStatus]:
        nonlocal looks
        looks += 1
        if looks == 1:
            writer.close()
        return read_statuses(tmp_path)

    assert read_counters(FS, run_fd, look)[1] == {"delivered": 7}
    assert looks == 2


def test_folding_twice_counts_once(tmp_path: Path, run_fd: int) -> None:
    for _ in range(2):
        fold(FS, run_fd, "worker-1 10.5", {"delivered": 7})
    assert read_totals(FS, run_fd).counters == {"delivered": 7}


def test_several_processes_may_end_at_once(tmp_path: Path, run_fd: int) -> None:
    children = [
        subprocess.Popen(
            [sys.executable, "-c", FOLD, str(tmp_path / "run"), name],
            stdin=subprocess.PIPE,
            cwd=ROOT,
        )
        for name in "abc"
    ]
    for child in children:
        child.communicate(b"go\n")
        assert child.returncode == 0
    assert read_totals(FS, run_fd).counters == {"delivered": 150}


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"counters":[1],"ended":7,"submissions":"x"}']
)
def test_damaged_totals_are_none(tmp_path: Path, run_fd: int, data: bytes) -> None:
    (tmp_path / "run" / FILE).write_bytes(data)
    assert read_totals(FS, run_fd) == Totals()


def test_totals_that_cannot_be_written_cost_nothing_else(
    tmp_path: Path, run_fd: int
) -> None:
    class Full(OsFs):
        def write(self, fd: int, data: bytes | memoryview) -> int:
            raise OSError(28, "No space left on device")

    assert change_totals(Full(), run_fd, lambda totals: totals) is None
    writer = StatusWriter(Full(), run_fd, "worker-1", SystemClock())
    writer.write(STATUS)
    writer.close()
    assert read_statuses(tmp_path) == []
