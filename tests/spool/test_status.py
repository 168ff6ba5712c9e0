from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.clock import SystemClock
from tuiq.errors import SpoolUnavailable
from tuiq.spool.fs import OsFs
from tuiq.spool.holders import LockReader
from tuiq.spool.status import (
    Connection,
    DestinationStatus,
    RunnerStatus,
    StatusWriter,
    decode,
    encode,
    own_pid_namespace,
    read_statuses,
    sweep_statuses,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNNER = """
import os, sys
from tuiq.clock import SystemClock
from tuiq.spool.fs import OsFs
from tuiq.spool.status import RunnerStatus, StatusWriter
fd = os.open(sys.argv[1], os.O_RDONLY)
writer = StatusWriter(OsFs(), fd, sys.argv[2], SystemClock())
writer.write(RunnerStatus(name="", pid=os.getpid(), mode="once"))
print("ready", flush=True)
sys.stdin.read()
"""
FULL = RunnerStatus(
    name="worker-1",
    pid=7,
    program="tuiq",
    host="mail.example",
    pid_namespace=4026531836,
    version="1.2",
    mode="once",
    phase="draining",
    started=1.5,
    written=2.5,
    directories=("q.1", "q.2"),
    counters={"delivered": 3},
    rates={"delivered": 0.5},
    fd_used=12,
    fd_limit=1024,
    idle="nothing is due",
    notes=("low disk",),
    connections=(
        Connection(
            destination="mx.example:25",
            phase="dot",
            since=3.0,
            opened=2.0,
            message="01ARZ3NDEKTSV4RRFFQ",
            directory="q.1",
            recipients=50,
            transactions=4,
            rate=99.5,
        ),
    ),
    destinations=(
        DestinationStatus(
            name="mx.example:25",
            limit=5,
            ceiling=20,
            connections=3,
            waiting=100,
            state="slow",
            until=60.0,
            reason="421 4.7.0 too fast",
        ),
    ),
)


@pytest.fixture
def run_fd(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "run").mkdir()
    fd = os.open(tmp_path / "run", os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def runner(spool: Path, name: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(spool / "run"), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_a_runner_is_alive_exactly_as_long_as_its_process(
    tmp_path: Path, run_fd: int
) -> None:
    process = runner(tmp_path, "supervisor")
    (status,) = read_statuses(tmp_path)
    assert (status.name, status.pid) == ("supervisor", process.pid)
    assert (status.alive, status.mode) == (True, "once")
    end(process)
    (status,) = read_statuses(tmp_path)
    assert (status.name, status.pid) == ("supervisor", process.pid)
    assert status.alive is False


def test_a_second_runner_is_refused_and_told_the_first_ones_pid(
    tmp_path: Path, run_fd: int
) -> None:
    process = runner(tmp_path, "supervisor")
    with pytest.raises(SpoolUnavailable, match=f"pid {process.pid}"):
        StatusWriter(OsFs(), run_fd, "supervisor", SystemClock())
    end(process)
    StatusWriter(OsFs(), run_fd, "supervisor", SystemClock()).close()


def test_a_runner_that_has_not_written_yet_is_seen(tmp_path: Path, run_fd: int) -> None:
    writer = StatusWriter(OsFs(), run_fd, "supervisor", SystemClock())
    (status,) = read_statuses(tmp_path)
    assert (status.alive, status.pid) == (True, os.getpid())
    writer.close()


def test_a_runner_that_ended_in_order_leaves_no_status(
    tmp_path: Path, run_fd: int
) -> None:
    writer = StatusWriter(OsFs(), run_fd, "supervisor", SystemClock())
    assert writer.write(RunnerStatus(name=""))
    writer.close()
    assert read_statuses(tmp_path) == []
    assert os.listdir(tmp_path / "run") == ["supervisor.lock"]


def test_a_spool_without_run_directory_has_no_runners(tmp_path: Path) -> None:
    assert read_statuses(tmp_path) == []


def test_a_status_comes_back_as_it_was_written() -> None:
    assert decode(encode(replace(FULL, alive=True)), "worker-1") == FULL


def test_every_member_of_the_file_is_documented_by_its_field() -> None:
    members = json.loads(encode(FULL))
    assert set(members) == {f.name for f in fields(RunnerStatus)} - {"alive"}
    assert set(members["connections"][0]) == {f.name for f in fields(Connection)}
    inner = {f.name for f in fields(DestinationStatus)}
    assert set(members["destinations"][0]) == inner


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b"\xff",
        b'{"pid":"x","connections":3,"counters":[1],"destinations":{"name":"x"}}',
    ],
)
def test_a_damaged_status_tells_nothing_but_the_name(data: bytes) -> None:
    assert decode(data, "supervisor") == RunnerStatus(name="supervisor")


def test_members_of_a_newer_version_are_ignored() -> None:
    data = b'{"pid":5,"future":{"a":1},"connections":[{"phase":"mail","x":1},4]}'
    status = decode(data, "w")
    assert status.pid == 5
    assert status.connections == (Connection(destination="", phase="mail", since=0.0),)


def test_what_is_wrong_in_a_destination_has_its_default() -> None:
    data = b'{"destinations":[{"name":"a","limit":"5","until":7,"new":1},"b",null]}'
    found = decode(data, "w").destinations
    assert found == (DestinationStatus(name="a", until=7.0),)


def test_text_in_a_status_is_escaped_when_read() -> None:
    hostile = replace(
        FULL,
        idle="\x1b[2J",
        notes=("a\nb",),
        counters={"\x9b": 1},
        destinations=(DestinationStatus(name="\x1b]0;x\x07", reason="550\r\n"),),
    )
    status = decode(encode(hostile), "worker-1")
    assert "\x1b" not in status.idle
    assert status.notes == ("a\\x0ab",)
    assert status.counters == {"\\x9b": 1}
    (destination,) = status.destinations
    assert (destination.name, destination.reason) == ("\\x1b]0;x\\x07", "550\\x0d\\x0a")


def test_a_holder_hidden_by_a_pid_namespace_is_neither_alive_nor_dead(
    tmp_path: Path, run_fd: int
) -> None:
    proc = tmp_path / "proc"
    (proc / "self/ns").mkdir(parents=True)
    (proc / "self/ns/pid").touch()
    (proc / "locks").touch()
    ours, other = own_pid_namespace(), 1
    for name, namespace in (("ours", ours), ("other", other)):
        status = RunnerStatus(name=name, pid_namespace=namespace)
        (tmp_path / f"run/{name}.status").write_bytes(encode(status))
    seen = {s.name: s.alive for s in read_statuses(tmp_path, LockReader(proc))}
    assert seen == {"ours": False, "other": None}


def test_only_old_files_of_dead_runners_are_swept(tmp_path: Path, run_fd: int) -> None:
    process = runner(tmp_path, "alive")
    run = tmp_path / "run"
    for name in ("dead.status", "dead.lock", "gone.status", "new.status"):
        (run / name).write_bytes(b"{}")
    for name in ("x.tmp", "suspect.1234"):
        (run / name).touch()
    os.utime(run / "new.status", (2**31, 2**31))
    now = (run / "alive.status").stat().st_mtime + 1000
    swept = sweep_statuses(OsFs(), run_fd, now=now, age=900)
    end(process)
    assert swept == ["dead.status", "gone.status", "x.tmp"]
    assert sorted(os.listdir(run)) == [
        "alive.lock",
        "alive.status",
        "dead.lock",
        "new.status",
        "suspect.1234",
    ]


def test_a_full_disk_costs_the_status_and_nothing_else(
    tmp_path: Path, run_fd: int
) -> None:
    class Full(OsFs):
        def write(self, fd: int, data: bytes | memoryview) -> int:
            raise OSError(28, "No space left on device")

    writer = StatusWriter(Full(), run_fd, "supervisor", SystemClock())
    assert writer.write(RunnerStatus(name="")) is False
    writer.close()
