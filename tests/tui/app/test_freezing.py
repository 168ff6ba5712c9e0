"""z holds the display still while the queue goes on, and says what is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.app.desk import opened
from tests.tui.world import DAY
from tuiq.tui.grid.grid import Grid
from tuiq.tui.pages.recipient_rows import RecipientRows
from tuiq.tui.stillness import Stillness

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.tui.app.desk import Desk


async def test_a_frozen_page_is_not_ticked_and_changes_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        ticks: list[float] = []
        monkeypatch.setattr(desk.app.page, "tick", ticks.append)
        await desk.press("z")
        ticks.clear()
        monkeypatch.setattr(
            desk.app.world.feed, "drain", lambda: frozenset({"a", "b", "c"})
        )
        desk.clock.time += 32
        await desk.turn()
        await desk.turn()
        assert ticks == []
        assert "❄ frozen 32 s, 3 changes waiting" in desk.lines[0]
        await desk.press("z")
        assert ticks
        assert "❄" not in desk.lines[0]


async def test_another_screen_is_shown_as_it_is_even_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        ticks: list[float] = []
        monkeypatch.setattr(desk.app.pages["shape"], "tick", ticks.append)
        await desk.press("z", "4")
        assert ticks


def ids(desk: Desk) -> list[str]:
    """Return the ends of the ids that are on the screen, from the top."""
    lines = [line[4:14] for line in desk.lines]
    known = {id[-10:] for id in desk.planted.ids.values()}
    return [part for part in lines if part in known]


async def test_rows_stay_where_and_what_they_are_until_it_is_thawed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.until(lambda: len(ids(desk)) == 12)
        before, planted = ids(desk), desk.planted
        await desk.press("z")
        planted.control_file("QA3").unlink()
        planted.plant("AGED", age=9 * DAY)
        planted.tried("NEW", tries=7, wait=60, reply=b"451 later")
        await desk.until(lambda: "3 changes waiting" in desk.lines[0])
        await desk.press("G", "k", "g", "j")
        assert ids(desk) == before
        assert "451 later" not in desk.screen
        assert desk.app.page.matched() == "12 messages"
        await desk.press("z")
        await desk.until(lambda: "451 later" in desk.screen)
        gone, come = (planted.ids[name][-10:] for name in ("QA3", "AGED"))
        await desk.until(lambda: gone not in ids(desk) and come in ids(desk))


def rows_of(desk: Desk) -> list[str]:
    """Return the lines of the grid, without the scroll bar."""
    region = desk.app.page.query_one(Grid).region
    return [line[:-1] for line in desk.lines[region.y + 1 : region.bottom]]


async def test_recipients_stay_where_and_what_they_are_until_it_is_thawed(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.press("3")
        page, planted = desk.app.page, desk.planted
        model = page.query_one(Grid).model
        assert isinstance(model, RecipientRows)
        await desk.until(lambda: not model.unread(0, model.count - 1))
        said = page.matched()
        assert "recipients of 12 messages" in said
        await desk.press("z")
        before = rows_of(desk)
        planted.control_file("QA3").unlink()
        planted.plant("AGED", age=9 * DAY)
        planted.tried("NEW", tries=7, wait=60, reply=b"451 later")
        await desk.until(lambda: "3 changes waiting" in desk.lines[0])
        desk.clock.time += 3600
        await desk.press("G", "k", "g")
        assert rows_of(desk) == before
        assert page.matched() == said
        await desk.press("z")
        await desk.until(lambda: "451 later" in desk.screen)
        gone, come = (planted.ids[name][-10:] for name in ("QA3", "AGED"))
        await desk.until(lambda: gone not in desk.screen and come in desk.screen)


async def test_a_filter_is_taken_while_frozen_and_held_from_then_on(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.until(lambda: len(ids(desk)) == 12)
        planted, view = desk.planted, desk.app.page.view  # type: ignore[attr-defined]
        await desk.press("z")
        planted.control_file("QA3").unlink()
        await desk.until(lambda: "1 change waiting" in desk.lines[0])
        assert not desk.app.page.set_filter("dom:full.example")
        await desk.until(lambda: view.is_held and len(ids(desk)) == 4)
        planted.control_file("QA2").unlink()
        await desk.until(lambda: "2 changes waiting" in desk.lines[0])
        await desk.press("G", "g")
        assert len(ids(desk)) == 4


def test_more_changes_than_are_told_apart_are_many() -> None:
    stillness = Stillness()
    stillness.toggle(10.0)
    stillness.note(frozenset({"a"}))
    stillness.note(None)
    stillness.note(frozenset({"b"}))
    assert stillness.now is not None
    assert stillness.now.changes is None
    stillness.toggle(20.0)
    stillness.note(frozenset({"b"}))
    assert stillness.now is None
