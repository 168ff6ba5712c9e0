"""The shape counts what the index knows, and acts on exactly what a cell shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.pages.boards import Scene, board
from tests.tui.world import DAY, HOSTILE
from tuiq.spool.journal import Event, Kind
from tuiq.tui.index.messages import Forecast, ShapeRow
from tuiq.tui.look.roles import HEAT
from tuiq.tui.pages.shape import TOTAL, ShapePage
from tuiq.tui.pages.shape_forecast import drain, expiring
from tuiq.tui.pages.shape_rows import (
    BOUNDS,
    BUCKETS,
    HeatRow,
    ages,
    bounds,
    bucket_of,
    cell,
)

if TYPE_CHECKING:
    from pathlib import Path


async def counted(scene: Scene[ShapePage]) -> Scene[ShapePage]:
    await scene.until(lambda: scene.world.feed.state.scanned > 0)
    return await recounted(scene)


async def recounted(scene: Scene[ShapePage]) -> Scene[ShapePage]:
    """Let every part be counted."""
    scene.page.again()
    for _ in range(3):
        await scene.turn()
    return scene


async def test_totals_come_first_then_the_domain_with_most(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        page = scene.page
        assert page.heat.key_at(0) == TOTAL
        assert scene.line("full.example").split()[-10:] == list("0000113000")
        total, largest = (page.heat.value(page.heat.key_at(n)) for n in (0, 1))
        assert total is not None
        assert largest is not None
        assert largest.row.name == "full.example"
        assert total.row.total == total.whole == 12
        await scene.do("column-right", "sort")
        assert page.heat.sorted_by[0] == "age-0"
        assert page.heat.key_at(0) == TOTAL


async def test_d_counts_by_something_else(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        seen = [scene.page.by]
        for name in ("lists.example.com", "452 4.2.2", "mx.example.net"):
            await scene.do("group")
            seen.append(scene.page.by)
            assert name in scene.text
        await scene.do("group")
        assert seen == ["domain", "sender", "reason", "route"]
        assert scene.page.by == "domain"


async def test_no_row_of_another_grouping_stays_in_sight(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first", "down")
        assert scene.page.heat_grid.cursor == "dom:full.example"
        await scene.do("group")
        assert scene.page.heat_grid.cursor == TOTAL
        assert "full.example" not in scene.text
        assert scene.page.pausable() == [["spool"]]


async def test_enter_opens_the_focused_cell(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first", "down", "open")
        await scene.do(*["column-right"] * 5, "open")
        await scene.do("first", "open")
        assert [filter for _, filter, _ in scene.app.went] == [
            "dom:full.example",
            "dom:full.example age>=40m age<80m",
            "age>=40m age<80m",
        ]


async def test_a_cell_means_its_messages_and_no_others(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first", "down", *["column-right"] * 7)
        assert scene.page.heat_grid.focused_column == "age-6"
        assert "full.example  3 open recipients" in scene.text
        subject = scene.page.subject()
        assert subject is not None
        ids = scene.planted.ids
        assert {queue_id for queue_id, _ in subject.picks} == {
            ids[name] for name in ("QA2", "QA3", "QA4")
        }
        assert subject.scope == "3 messages to full.example, 160m to 320m old"
        assert subject.filter == "dom:full.example age>=160m age<320m"
        assert all(slots is None for _, slots in subject.picks)
        assert subject.recipients == subject.filter


async def test_a_sample_is_taken_once_and_again_for_another_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first")
        first = scene.page.sample()
        assert first is not None
        assert first.count == 12
        assert scene.page.sample() is first
        await scene.do("down")
        second = scene.page.sample()
        assert second is not None
        assert second.count == 5
        monkeypatch.setattr("tuiq.tui.pages.shape._SAMPLE", 2)
        await scene.do("up")
        third = scene.page.sample()
        assert third is not None
        assert (third.count, third.scope) == (2, "all 12 messages")


async def test_an_empty_cell_means_nothing(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first", "down", "column-right")
        assert scene.page.subject() is None


async def test_a_reason_means_all_that_heard_it(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("pane")
        assert scene.page.active is scene.page.reason_grid
        assert "452 4.2.2" in scene.line("× 5")
        subject = scene.page.subject()
        assert subject is not None
        assert subject.count == 5
        assert subject.scope.startswith("5 messages told 452 4.2.2")
        assert subject.recipients == f"{subject.filter} code:4.2.2"
        await scene.do("open")
        assert scene.app.went == [("messages", subject.filter, None)]
        assert scene.page.pausable() == [["spool"]]


async def test_what_pause_means_is_the_focused_domain(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("first")
        assert scene.page.pausable() == [["spool"]]
        await scene.do("down")
        assert scene.page.pausable()[0] == ["destination", "full.example"]
        await scene.do("group")
        assert scene.page.pausable() == [["spool"]]


async def test_a_filter_narrows_both_parts_and_goes_with_the_cell(
    tmp_path: Path,
) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        assert scene.page.set_filter("tries>=2 | is:held") == ""
        await recounted(scene)
        assert scene.line("full.example").split()[-11] == "4"
        assert "452 4.2.2" in scene.line("× 4")
        await scene.do("first", "down", "open")
        assert scene.app.went[-1][1] == "(tries>=2 | is:held) dom:full.example"
        assert "age takes < or >" in scene.page.set_filter("age:2h")
        assert scene.page.filter_text == "tries>=2 | is:held"
        assert scene.page.set_filter("") == ""
        await scene.pilot.pause()
        assert scene.line("full.example").split()[-11] == "5"


async def test_counting_is_rare_while_nobody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        counts: list[float] = []
        monkeypatch.setattr(scene.page, "_count_shape", counts.append)
        for _ in range(20):
            await scene.turn(1)
        assert counts == []
        scene.page.again()
        assert len(counts) == 1


async def test_text_from_mail_is_escaped(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage()) as scene:
        await counted(scene)
        await scene.do("group", "group")
        assert "\x1b" not in scene.text
        assert "\u202e" not in scene.text
        assert "\\x1b]0;owned" in scene.text


async def test_an_empty_queue_says_so(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage(), read=False) as scene:
        await recounted(scene)
        assert "Nothing waits in the queue" in scene.text
        assert "nothing waits to leave" in scene.text
        assert scene.page.subject() is None


async def test_the_outlook_is_that_of_the_last_minute(tmp_path: Path) -> None:
    async with board(tmp_path / "s", ShapePage(), (160, 36)) as scene:
        await counted(scene)
        assert "no runner is running" in scene.text
        gone = Event(kind=Kind.FINISHED, queue_id="A", directory="q.1")
        with scene.runner("worker-1"):
            for _ in range(20):
                scene.world.spool.journal.append([gone] * 2)
                scene.clock.time += 1
                scene.world.lookout.look()
            await recounted(scene)
            assert "empty in 5 s at this rate: 0/s in, " in scene.text


@pytest.mark.parametrize("size", [(80, 24), (40, 8), (30, 3)])
async def test_every_size_shows_the_totals_and_then_the_reasons(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with board(tmp_path / "s", ShapePage(), size) as scene:
        await counted(scene)
        assert "TOTAL" in scene.text
        assert len(scene.text.splitlines()) == size[1]
        await scene.do("pane")
        await scene.turn()
        assert "452 4.2.2" in scene.text


def heat(*buckets: int, whole: int) -> list[object]:
    row = ShapeRow(
        name="x", buckets=buckets + (0,) * (BUCKETS - len(buckets)), reasons=(),
        filter="dom:x",
    )  # fmt: skip
    value = HeatRow(row=row, whole=whole)
    return [cell(value, f"age-{n}") for n in range(len(buckets))]


def test_every_cell_has_its_number_and_a_shade_by_its_share() -> None:
    assert heat(0, 1, 20, 199, 4100, whole=10_000) == [
        ("0", HEAT[0]),
        ("1", HEAT[1]),
        ("20", HEAT[1]),
        ("199", HEAT[2]),
        ("4.1k", HEAT[4]),
    ]


def test_the_ages_of_columns_touch_and_leave_nothing_out() -> None:
    assert [bounds(n) for n in (0, 1, BUCKETS - 1)] == [
        "age<5m",
        "age>=5m age<10m",
        "age>=1280m",
    ]
    assert BOUNDS[-1] == 1280 * 60 < DAY
    assert ages(0) == "younger than 5m"
    assert [bucket_of(name) for name in ("age-9", "total")] == [9, None]


def test_a_queue_that_does_not_drain_is_told_so() -> None:
    came, left = [12.0] * 60, [8.0] * 60
    assert drain(100, came, left, is_served=True) == (
        "never empty at this rate: 12/s in, 8.0/s out"
    )
    assert drain(1440, left, came, is_served=True).startswith("empty in 6 min")
    assert drain(0, came, left, is_served=True) == "nothing waits to leave"
    assert "being measured" in drain(5, [1.0], [1.0], is_served=True)
    assert "no runner" in drain(5, came, left, is_served=False)


def test_a_difference_by_chance_tells_of_no_end() -> None:
    for out in (1.21, 1.2, 1.19):
        said = drain(200, [1.2] * 60, [out] * 60, is_served=True)
        assert said == "neither grows nor shrinks: 1.2/s in, 1.2/s out"


def test_one_message_expires_and_several_expire() -> None:
    def forecast(count: int) -> Forecast:
        return Forecast(due_now=0, due_5m=0, due_15m=0, due_60m=0, expiring_24h=count)

    assert expiring(forecast(1)) == "1 message expires within 24 h"
    assert expiring(forecast(2000)) == "2,000 messages expire within 24 h"


def test_hostile_names_reach_no_filter_unquoted() -> None:
    from tuiq.actions.filter import parse
    from tuiq.actions.filter_tree import Term, Value

    text = str(Term(field="dom", operator=":", values=(Value(text=HOSTILE),)))
    assert str(parse(f"{text} {bounds(3)}")).endswith(bounds(3))
