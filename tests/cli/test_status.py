"""``tuiq status``: counts, runners, pauses, disks, and an exit status for alarms."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tuiq.clock import SystemClock
from tuiq.spool.fs import OsFs
from tuiq.spool.pauses import Scope
from tuiq.spool.status import (
    Connection,
    DestinationStatus,
    RunnerStatus,
    StatusWriter,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_the_report_is_as_pinned(
    stocked: Any, tuiq: Callable[..., Any], golden: Callable[[str, str], None]
) -> None:
    ran = tuiq("status")
    assert (ran.status, ran.err) == (0, "")
    golden("status.txt", ran.out)
    golden("status.json", tuiq("status", "--json").out)


def test_every_message_is_counted_once(stocked: Any, tuiq: Callable[..., Any]) -> None:
    report = json.loads(tuiq("status", "--json").out)
    assert sum(report["states"].values()) == len(stocked.ids)
    assert report["messages"] == len(stocked.ids) - 1  # the trash counts apart
    assert sum(d["messages"] for d in report["directories"]) == report["messages"]


def test_a_living_runner_is_shown_with_its_numbers(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    fd = os.open(planted.path / "run", os.O_RDONLY)
    writer = StatusWriter(OsFs(), fd, "supervisor", SystemClock())
    connection = Connection(destination="mx:25", phase="idle", since=0.0)
    status = RunnerStatus(
        name="supervisor",
        started=planted.now - 7200.0,
        fd_used=17,
        fd_limit=1024,
        idle="nothing is due",
        notes=("disk nearly full",),
        connections=(connection,),
    )
    try:
        writer.write(status)
        lines = tuiq("status").lines
        runner = json.loads(tuiq("status", "--json").out)["runners"][0]
    finally:
        writer.close()
        os.close(fd)
    assert lines[1] == (
        f"runner     supervisor pid {os.getpid()} running for 2 h, "
        "1 connection, 17 of 1024 descriptors, nothing is due"
    )
    assert lines[2].strip() == "disk nearly full"
    assert (runner["alive"], runner["fd_used"], runner["connections"]) == (True, 17, 1)
    assert runner["notes"] == ["disk nearly full"]


def test_slowed_and_dead_destinations_are_told_with_the_reason(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    destinations = (
        DestinationStatus(name="fine:25", limit=20, ceiling=20),
        DestinationStatus(
            name="busy:25", limit=2, ceiling=20, connections=2, waiting=1234,
            state="slow", reason="421 4.7.0 too fast",
        ),
        DestinationStatus(
            name="gone.example", limit=0, ceiling=20, state="dead",
            until=planted.now + 60.0, reason="no route \x1b[2J",
        ),
    )  # fmt: skip
    fd = os.open(planted.path / "run", os.O_RDONLY)
    writer = StatusWriter(OsFs(), fd, "supervisor", SystemClock())
    try:
        writer.write(RunnerStatus(name="supervisor", destinations=destinations))
        lines = [line.strip() for line in tuiq("status").lines]
        report = json.loads(tuiq("status", "--json").out)
    finally:
        writer.close()
        os.close(fd)
    assert lines[2:4] == [
        "busy:25 slowed to 2 of 20 connections, 1,234 waiting: 421 4.7.0 too fast",
        "gone.example left alone until 2027-01-15 08:01:00: no route \\x1b[2J",
    ]
    told = report["runners"][0]["destinations"]
    assert [(d["name"], d["limit"], d["state"]) for d in told] == [
        ("fine:25", 20, "ok"),
        ("busy:25", 2, "slow"),
        ("gone.example", 0, "dead"),
    ]
    assert told[0]["until"] is None
    assert told[0]["reason"] is None
    documented = (Path(__file__).parents[2] / "README.md").read_text()
    assert all(f"`{name}`" in documented for name in told[0])


def test_a_dead_runner_is_not_called_running(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    (planted.path / "run" / "supervisor.status").write_text('{"pid": 1}')
    assert tuiq("status").lines[1].startswith("runner     none is running; start one")
    assert json.loads(tuiq("status", "--json").out)["runners"][0]["alive"] is False


@pytest.mark.parametrize(("age", "status"), [("3d", 0), ("2d", 75), ("30m", 75)])
def test_monitoring_learns_of_old_mail_by_the_exit_status(
    stocked: Any, tuiq: Callable[..., Any], age: str, status: int
) -> None:
    ran = tuiq("status", "--fail-if-older", age)
    assert ran.status == status
    assert ("the oldest message has waited 2 d 04 h" in ran.err) == (status == 75)


def test_held_and_deleted_mail_raises_no_alarm(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    planted.plant("hed", age=10**6)
    planted.poke("hed", (513, b"H"))
    assert tuiq("status", "--fail-if-older", "1h").status == 0


def test_a_wrong_age_is_a_usage_error(planted: Any, tuiq: Callable[..., Any]) -> None:
    ran = tuiq("status", "--fail-if-older", "soon")
    assert ran.status == 64
    assert "soon is no duration" in ran.err


def test_a_paused_directory_goes_by_its_name(
    planted: Any, tuiq: Callable[..., Any]
) -> None:
    uuid = (planted.path / "q.2" / ".tuiq-id").read_text().strip()
    planted.pause(Scope.DIRECTORY, uuid, wait=0, reason="")
    assert "paused open-ended: directory q.2: no reason given" in tuiq("status").lines
    pause = json.loads(tuiq("status", "--json").out)["pauses"][0]
    assert (pause["scope"], pause["name"]) == ("directory", "q.2")
