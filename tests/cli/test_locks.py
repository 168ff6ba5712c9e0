"""``tuiq locks``: the kernel's word, joined with what the runners tell."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tuiq.cli.diagnostics import guarded
from tuiq.cli.locks import Row, as_json, as_text, join
from tuiq.cli.main import dispatch
from tuiq.spool.holders import HeldLock, Holder, LockTable
from tuiq.spool.setup import create_spool
from tuiq.spool.status import Connection, RunnerStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

GOLDEN = Path(__file__).parent / "golden"
FIRST, SECOND, THIRD = (f"01ARZ3NDEKTSV4RRFF{last}" for last in "QRS")
NOW = 1_700_000_500.0
RUNNER = """
import fcntl, os, sys, time
from tuiq.clock import SystemClock
from tuiq.spool.fs import OsFs
from tuiq.spool.status import Connection, RunnerStatus, StatusWriter
spool, message = sys.argv[1:]
fd = os.open(f"{spool}/q.1/qf/qf{message}", os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
run = os.open(f"{spool}/run", os.O_RDONLY)
writer = StatusWriter(OsFs(), run, "supervisor", SystemClock())
connection = Connection(
    destination="mx.example:25", phase="dot", since=time.time() - 30,
    message=message, directory="q.1", recipients=50,
)
writer.write(RunnerStatus(name="", pid=os.getpid(), connections=(connection,)))
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def universal_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    spool = tmp_path / "spool"
    create_spool(spool)
    (spool / "q.1/qf").mkdir(mode=0o700, exist_ok=True)
    path = spool / "tuiq.toml"
    path.write_text(f'[spool]\nqueues = "{spool}/q.*"\n')
    return path


def locks(config: Path, *more: str) -> int:
    return guarded(lambda: dispatch(["--config", str(config), "locks", *more]))


def held(file: str, holder: Holder, place: str = "q.1") -> HeldLock:
    return HeldLock(place=place, file=file, inode=7, holder=holder)


RUNNING = Holder(
    pid=4711,
    program="tuiq",
    command="/usr/bin/python3 /usr/bin/tuiq --run",
    since=1_700_000_000.0,
    uid=998,
)
CONNECTION = Connection(
    destination="mx.example.com:25",
    phase="dot",
    since=NOW - 75,
    message=FIRST,
    directory="q.1",
    recipients=50,
)
TABLE = LockTable(
    locks=(
        held("supervisor.lock", RUNNING, "run"),
        held("qf" + FIRST, RUNNING),
        held("qf" + SECOND, Holder(pid=4712, gone=True)),
        held("df" + SECOND, replace(RUNNING, program="\x1b[2Jevil", command="\x9b")),
    ),
    complete=False,
)
STATUSES = [
    RunnerStatus(name="supervisor", pid=4711, alive=True, connections=(CONNECTION,)),
    RunnerStatus(
        name="elsewhere",
        pid=12,
        alive=None,
        connections=(replace(CONNECTION, message=THIRD, phase="mail"),),
    ),
    RunnerStatus(
        name="dead",
        alive=False,
        connections=(replace(CONNECTION, message="01ARZ3NDEKTSV4RRFFT"),),
    ),
]


def rows() -> list[Row]:
    return join(TABLE, STATUSES)


def test_the_table_is_the_golden_one() -> None:
    text = "\n".join(as_text(rows(), TABLE, NOW)) + "\n"
    assert text == (GOLDEN / "locks.txt").read_text()


def test_the_json_lines_are_the_golden_ones() -> None:
    lines = "".join(line + "\n" for line in as_json(rows(), NOW))
    assert lines == (GOLDEN / "locks.json").read_text()


def test_what_a_dead_runner_said_is_not_told() -> None:
    assert [row.name for row in rows() if row.runner == "dead"] == []


def test_a_runner_that_cannot_be_seen_is_told_as_such() -> None:
    (row,) = [row for row in rows() if row.lock.queue_id == THIRD]
    assert row.hidden
    text = "\n".join(as_text([row], TABLE, NOW))
    assert "holder not visible from here" in text


def test_no_lock_needs_no_advice() -> None:
    assert list(as_text([], LockTable(), NOW)) == ["no lock is held"]


def test_a_held_message_is_told_with_process_and_smtp_phase(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(config.parent), FIRST],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    assert locks(config, "--json") == 0
    message, supervisor = map(json.loads, capsys.readouterr().out.splitlines())
    assert locks(config) == 0
    text = capsys.readouterr().out
    process.kill()
    process.communicate()
    assert (message["lock"], message["queue_id"]) == (FIRST, FIRST)
    assert (message["pid"], message["holder"]) == (process.pid, "visible")
    assert (message["phase"], message["recipients"]) == ("dot", 50)
    assert message["destination"] == "mx.example:25"
    assert 30 <= message["phase_seconds"] < 90
    assert supervisor["lock"] == "run/supervisor.lock"
    assert supervisor["queue_id"] is None
    assert FIRST in text
    assert "Killing a stuck holder is always safe" in text
    assert locks(config) == 0
    assert capsys.readouterr().out == "no lock is held\n"


def test_mail_that_is_being_dropped_is_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create_spool(config.parent, drop=True)
    with (config.parent / "drop" / "t.x").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert locks(config, "--json") == 0
    (told,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (told["lock"], told["pid"]) == ("drop/t.x", os.getpid())
