"""The page of queue directories tells what is so, in every size."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.tui.pages.boards import board
from tests.tui.world import HOSTILE
from tuiq.spool.fs import OsFs
from tuiq.spool.journal import Event, Kind
from tuiq.spool.pauses import Scope
from tuiq.tui.live.directories import DirectoryFacts
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.pages.queue_rows import QueueRow, cell
from tuiq.tui.pages.queues import TOTAL, QueuesPage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.world import PlantedSpool


def link_q2(planted: PlantedSpool) -> None:
    disk = planted.path / "disk2"
    (planted.path / "q.2").rename(disk)
    (planted.path / "q.2").symlink_to(disk)


async def test_every_directory_is_a_row_and_all_are_the_first(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        assert scene.line("TOTAL").split()[:2] == ["TOTAL", "12"]
        assert scene.line(" q.2 ").split()[:2] == ["q.2", "6"]
        assert "2h00" in scene.line(" q.3 ")
        assert scene.page.table.key_at(0) == TOTAL
        await scene.do("sort")
        assert scene.page.table.sorted_by == ("name", True)
        assert [scene.page.table.key_at(n) for n in (0, 1)] == [TOTAL, "q.4"]


async def test_a_directory_says_where_it_really_is_and_who_serves_it(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", QueuesPage(), prepare=link_q2) as scene:
        with scene.runner("worker-1", directories=("q.2",)):
            await scene.turn()
            await scene.focus("q.2")
            assert f"-> {tmp_path}/s/disk2" in scene.page.detail.text
            assert f"served by worker-1 (pid {os.getpid()})" in scene.page.detail.text
            assert "nobody" in scene.line(" q.3 ")
            assert "worker-1 " in scene.line(" q.2 "), "its name, not cut"
            assert "worker-1 …" not in scene.line(" q.2 ")
        await scene.turn()
        assert "served by nobody" in scene.page.detail.text


async def test_enter_lists_the_messages_of_a_directory(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        await scene.focus("q.2")
        await scene.do("open")
        await scene.focus(TOTAL)
        await scene.do("open")
        assert scene.app.went == [
            ("messages", "queue:q.2", None),
            ("messages", "", None),
        ]


async def test_a_pause_is_told_with_its_reason_and_what_is_left_of_it(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        uuid = scene.world.spool.directory("q.1").uuid
        scene.world.spool.pauses.pause(
            Scope.DIRECTORY,
            uuid,
            who="ann",
            reason=f"new disk {HOSTILE}",
            until=int(scene.clock.time) + 751,
        )
        await scene.turn()
        await scene.focus("q.1")
        assert "paused, 12:31 left: new disk \\x1b]0" in scene.page.detail.text
        assert "by ann" in scene.page.detail.text
        await scene.turn(60)
        assert "paused, 11:31 left" in scene.page.detail.text
        scene.world.spool.pauses.pause(Scope.SPOOL, who="bob", reason="")
        await scene.turn()
        assert "spool paused, open-ended" in scene.line(" q.4 ") + scene.text


@pytest.mark.parametrize("size", [(120, 36), (80, 24)])
async def test_a_long_note_is_read_whole_below_the_rows(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with board(tmp_path / "s", QueuesPage(), size) as scene:
        uuid = scene.world.spool.directory("q.1").uuid
        reason = " ".join(f"word-{number}" for number in range(25))
        scene.world.spool.pauses.pause(Scope.DIRECTORY, uuid, who="ann", reason=reason)
        await scene.turn()
        await scene.focus("q.1")
        await scene.turn()
        region = scene.page.detail.region
        below = scene.text.splitlines()[region.y : region.bottom]
        said = " ".join(" ".join(line.split()) for line in below)
        assert f"{reason} · by ann · resume ends it" in said
        assert " q.4 " in scene.text
        await scene.focus("q.2")
        await scene.turn()
        assert scene.page.detail.size.height == 3


def test_a_row_tells_the_worst_and_how_much_more_there_is() -> None:
    row = QueueRow(
        name="q.1",
        now=0.0,
        facts=DirectoryFacts(name="q.1", path="/q.1", error="is gone", low="no room"),
    )
    assert cell(row, "note") == ("is gone (and 1 more)", Role.BAD)


async def test_the_first_row_tells_of_all_pauses(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        about = scene.page.detail.text
        assert "stop.example: paused, 30:00 left: their upgrade · by ann" in about
        assert "1 pause" in scene.line("TOTAL")


async def test_what_pause_means_is_the_focused_directory(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        assert scene.page.pausable() == [["spool"]]
        await scene.focus("q.3")
        assert scene.page.pausable() == [["queue", "q.3"], ["spool"]]


async def test_rates_and_their_lines_are_those_of_the_journal(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage(), (160, 36)) as scene:
        queued = Event(kind=Kind.QUEUED, queue_id="A", directory="q.1")
        for _ in range(30):
            scene.world.spool.journal.append([queued] * 12)
            scene.clock.time += 1
            scene.world.lookout.look()
        await scene.turn()
        row = scene.page.table.value("q.1")
        assert row is not None
        assert row.rates[0] == pytest.approx(12, abs=3)
        assert "█" in scene.line(" q.1 ")
        assert "came in" in scene.text
        assert "messages/s" in scene.text


async def test_the_plotted_time_becomes_longer_and_shorter(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        assert "5 min ago" in scene.text
        await scene.do("plot-longer", "plot-longer", "plot-longer")
        assert "6 h ago" in scene.text
        assert scene.page.why_not("plot-longer") == "6 h is the longest"
        await scene.do(*["plot-shorter"] * 4)
        assert "1 min ago" in scene.text
        assert scene.page.why_not("plot-shorter") == "1 min is the shortest"


async def test_a_directory_that_vanished_says_so_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        shutil.rmtree(scene.planted.path / "q.4")
        await scene.turn()
        assert "is gone" in scene.line(" q.4 ")
        assert "q.2" in scene.text


async def test_a_full_disk_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SimpleNamespace(
        f_frsize=4096, f_blocks=1 << 24, f_bavail=1 << 10, f_files=1000, f_favail=900
    )
    monkeypatch.setattr(OsFs, "statvfs", lambda _self, _fd: space)
    async with board(tmp_path / "s", QueuesPage(), (200, 36)) as scene:
        await scene.focus("q.1")
        await scene.turn()
        assert "only 4 MiB free" in scene.line(" q.1 ")
        assert "low disk" in scene.page.detail.text
        assert "4.0M of 64.0G free (<1 %)" in scene.page.detail.text
        assert "900 inodes free (90 %)" in scene.page.detail.text


async def test_a_look_that_fails_is_told_above_the_last_good_one(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        (scene.planted.path / "run").rename(scene.planted.path / "ran")
        (scene.planted.path / "run").write_text("no directory")
        await scene.turn(1)
        assert "cannot be looked at: Not a directory" in scene.page.detail.text
        assert scene.line("TOTAL").split()[1] == "12"


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (40, 8), (20, 3)])
async def test_every_size_shows_names_and_counts(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with board(tmp_path / "s", QueuesPage(), size) as scene:
        assert scene.line("TOTAL").split()[:2] == ["TOTAL", "12"]
        assert len(scene.text.splitlines()) == size[1]


async def test_signs_are_ascii_where_they_must_be(tmp_path: Path) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        scene.app.palette_now = Palette(name="plain", ascii=True)
        await scene.focus("q.1")
        await scene.turn(1)
        scene.page.grid.notify_style_update()
        await scene.pilot.pause()
        assert scene.line(" q.1 ").isascii()
        assert "·" not in scene.line("inodes free") + scene.line(" q.1 ")


async def test_nothing_new_draws_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board(tmp_path / "s", QueuesPage()) as scene:
        await scene.turn()
        drawn: list[object] = []
        for widget in (scene.page.grid, scene.page.detail):
            monkeypatch.setattr(widget, "refresh", lambda *a, **k: drawn.append(a))
        scene.app.turn()
        await scene.pilot.pause()
        assert drawn == []
