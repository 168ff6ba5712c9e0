"""Who works on what is told by the kernel and the runners, and nothing is made up."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.spool.test_holders import holding
from tests.tui.pages.boards import board
from tests.tui.world import HOSTILE, NOW
from tuiq.config import DeliveryConfig
from tuiq.spool.holders import Holder
from tuiq.spool.pauses import Scope
from tuiq.spool.status import Connection, DestinationStatus, RunnerStatus
from tuiq.tui.pages.holder_rows import HolderRow, advice
from tuiq.tui.pages.runner import RunnerPage

if TYPE_CHECKING:
    from pathlib import Path

DEAD = DestinationStatus(
    name="gone.example",
    ceiling=20,
    waiting=1234,
    state="dead",
    until=NOW + 61.0,
    reason=f"connection refused {HOSTILE}",
)
BUSY = DestinationStatus(
    name="mx.example.net:25", limit=5, ceiling=20, connections=3, waiting=120
)
SLOW = DestinationStatus(name="slow.example", limit=1, ceiling=9, state="slow")


async def test_no_runner_is_said_with_the_key_that_starts_one(tmp_path: Path) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        assert "S starts one here" in scene.text
        assert "no runner is running" in scene.text
        assert "No message is locked" in scene.text
        assert scene.page.subject() is None
        assert scene.page.pausable() == [["spool"]]


async def test_two_runners_are_two_rows(tmp_path: Path) -> None:
    async with board(tmp_path / "s", RunnerPage(), (160, 36), read=False) as scene:
        connection = Connection(destination="x", phase="idle", since=NOW)
        with (
            scene.runner(
                "worker-1",
                version="1.2",
                host="mx1",
                fd_used=40,
                connections=(connection,),
                counters={"connections_limit": 20},
                rates={"delivered": 12.3},
            ),
            scene.runner("worker-2", phase="draining", notes=(f"q.3: {HOSTILE}",)),
        ):
            await scene.turn()
            cells = scene.line("worker-1").split()
            assert cells[:4] == ["worker-1", str(os.getpid()), "running", "1h06"]
            for cell in ("mx1", "1.2", "40/1024", "1/20", "12"):
                assert cell in cells
            assert "draining" in scene.line("worker-2")
            assert "q.3: \\x1b]0" in scene.line("worker-2")
            assert "[Runners 2]" in scene.text
        await scene.turn()
        assert "[Runners 0]" in scene.text


async def test_a_runner_that_was_killed_is_told_from_one_that_ended(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        run = scene.planted.path / "run"
        with scene.runner("worker-1") as writer:
            left = (run / "worker-1.status").read_bytes()
            assert writer.write(RunnerStatus(name="worker-1"))
        (run / "worker-1.status").write_bytes(left)
        await scene.turn()
        assert "died" in scene.line("worker-1")
        assert "killed, or crashed" in scene.line("worker-1") + scene.page.detail.text


async def test_a_lock_of_a_tool_is_told_with_what_to_do(tmp_path: Path) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        queue_id = scene.planted.ids["NEW"]
        with holding(scene.planted.control_file("NEW")) as process:
            await scene.do("pane")
            await scene.turn()
            await scene.pilot.pause()
            assert "[Locks 1]" in scene.text
            line = scene.line(f"{process.pid}")
            assert queue_id in line
            assert "claimed" in line
            about = scene.page.detail.text
            assert f"pid {process.pid} is not a runner" in about
            assert "the mail stays" in about
            subject = scene.page.subject()
            assert subject is not None
            assert subject.picks == ((queue_id, None),)
            await scene.do("open")
            assert scene.app.went == [("messages", f"id:{queue_id}", queue_id)]


async def test_a_transaction_is_told_with_the_time_that_it_has_left(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        queue_id = scene.planted.ids["NEW"]
        told = Connection(
            destination="mx.example.net:25",
            phase="dot",
            since=NOW - 48.0,
            message=queue_id,
            directory="q.1",
            recipients=3,
        )
        with (
            scene.runner("worker-1", connections=(told,)),
            holding(scene.planted.control_file("NEW")),
        ):
            await scene.do("pane")
            await scene.turn()
            await scene.pilot.pause()
            assert "dot" in scene.line(queue_id)
            about = scene.page.detail.text
            assert "ends by itself in 9:12 if nothing is heard" in about
            assert "delivery.dot_timeout" in about
            assert scene.page.pausable() == [
                ["destination", "mx.example.net:25"],
                ["spool"],
            ]
            await scene.turn(600)
            assert "dot_timeout is over" in scene.page.detail.text


async def test_destinations_in_trouble_stand_first_with_the_servers_words(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        with scene.runner("supervisor", destinations=(BUSY, DEAD, SLOW)):
            await scene.do("pane", "pane")
            await scene.turn()
            table = scene.page.destinations
            assert list(table.keys()) == [DEAD.name, SLOW.name, BUSY.name]
            assert "1 dead, 1 slow" in scene.text
            cells = scene.line("gone.example").split()
            assert cells[1:3] == ["dead", "1:01"]
            assert "0/20" in cells
            assert "1,234" in cells
            await scene.focus("gone.example")
            assert "left alone until" in scene.page.detail.text
            assert "connection refused \\x1b]0" in scene.page.detail.text
            assert scene.page.pausable()[0] == ["destination", "gone.example"]
            await scene.do("open")
            assert scene.app.went[-1][:2] == ("messages", "route=gone.example")


async def test_a_paused_destination_says_by_whom_and_until_when(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        scene.world.spool.pauses.pause(
            Scope.DESTINATION, BUSY.name, who="ann", reason="moving", until=NOW + 90
        )
        with scene.runner("supervisor", destinations=(BUSY,)):
            await scene.do("pane", "pane")
            await scene.turn()
            assert scene.line(BUSY.name).split()[1:3] == ["paused", "1:30"]
            assert "moving; resume ends it" in scene.page.detail.text


async def test_pane_goes_round_and_each_part_keeps_its_cursor(tmp_path: Path) -> None:
    async with board(tmp_path / "s", RunnerPage(), read=False) as scene:
        with scene.runner("supervisor", destinations=(BUSY, DEAD)):
            await scene.turn()
            await scene.do("pane", "pane", "down")
            before = scene.page.destination_grid.cursor
            await scene.do("pane")
            assert scene.page.active is scene.page.runner_grid
            await scene.do("pane", "pane")
            assert scene.page.active is scene.page.destination_grid
            assert scene.page.destination_grid.cursor == before


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (30, 4)])
async def test_every_size_shows_the_part_that_has_the_keys(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with board(tmp_path / "s", RunnerPage(), size=size, read=False) as scene:
        with scene.runner("worker-1", destinations=(BUSY, DEAD)):
            await scene.turn()
            assert "worker-1" in scene.text
            await scene.do("pane", "pane")
            await scene.turn()
            assert "gone.example" in scene.text
            assert len(scene.text.splitlines()) == size[1]


@pytest.mark.parametrize(
    ("phase", "spent", "says"),
    [
        ("connect", 10, "in 0:20"),
        ("rcpt", 10, "command_timeout"),
        ("body", 5000, "data still flows"),
        ("greeting", 400, "greeting_timeout is over"),
        ("phase-of-the-moon", 10, "phase-of-the-moon with x for 10 s, 1 recipient"),
    ],
)
def test_each_phase_has_its_own_patience(phase: str, spent: float, says: str) -> None:
    connection = Connection(
        destination="x", phase=phase, since=NOW - spent, recipients=1
    )
    row = HolderRow(
        message="A",
        directory="q.1",
        holder=Holder(pid=12),
        now=float(NOW),
        runner="worker-1",
        connection=connection,
    )
    assert says in advice(row, DeliveryConfig())[0]


def test_a_lock_whose_taker_died_names_the_way_to_find_who_keeps_it() -> None:
    row = HolderRow(
        message="A", directory="q.1", holder=Holder(pid=12, gone=True), now=float(NOW)
    )
    assert "fuser" in advice(row, DeliveryConfig())[0]


async def test_a_rate_that_cannot_be_told_is_blank_and_a_known_zero_is_not(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", RunnerPage(), (160, 36), read=False) as scene:
        with scene.runner("supervisor", destinations=(BUSY, DEAD)):
            await scene.turn()
            sight = replace(scene.world.lookout.sight, delivered={BUSY.name: 0.0})
            rows = scene.page._destinations(sight, NOW)
            assert rows[BUSY.name].rate == 0.0
            assert rows[DEAD.name].rate is None
