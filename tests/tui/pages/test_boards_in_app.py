"""The live pages in the application: keys act on what is focused there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.app.desk import opened
from tuiq.spool.flags import MHold
from tuiq.tui.operate.confirm import Confirm

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.app.desk import Desk

FULL = "dom:full.example"


def held(desk: Desk) -> int:
    entries = desk.app.world.spool.entries()
    return sum(entry.hold == MHold.HELD for entry in entries)


async def hold_a_domain(desk: Desk) -> None:
    """Hold the five messages of the largest domain from the shape."""
    before = held(desk)
    await desk.press("4")
    await desk.until(lambda: "full.example" in desk.screen)
    await desk.press("g", "down")
    assert "full.example  5 open recipients" in desk.screen
    await desk.press("h")
    await desk.until(lambda: held(desk) == before + 5)


async def test_h_on_a_row_of_the_shape_holds_its_messages(tmp_path: Path) -> None:
    async with opened(tmp_path / "s", rows=True) as desk:
        await hold_a_domain(desk)
        await desk.until(lambda: any("5 held" in toast for toast in desk.toasts))


async def test_enter_on_the_shape_and_back_keeps_the_place(tmp_path: Path) -> None:
    async with opened(tmp_path / "s", rows=True) as desk:
        await desk.press("4")
        await desk.until(lambda: "full.example" in desk.screen)
        await desk.press("g", "down", "enter")
        assert "[2 Messages]" in desk.screen
        assert FULL in desk.screen
        await desk.press("escape")
        assert "[4 Shape]" in desk.screen
        assert "full.example  5 open recipients" in desk.screen


async def test_u_on_a_row_of_activity_takes_that_action_back(tmp_path: Path) -> None:
    async with opened(tmp_path / "s", rows=True) as desk:
        before = held(desk)
        await hold_a_domain(desk)
        await desk.press("6")
        await desk.until(lambda: " done " in desk.screen)
        desk.clock.time += 3600  # no longer the one that u offers anyway
        await desk.press("g")
        while "hold" not in desk.app.page.done().verb:  # type: ignore[union-attr]
            await desk.press("down")
        await desk.press("u")
        await desk.until(lambda: isinstance(desk.app.screen, Confirm))
        await desk.press("y")
        await desk.until(lambda: held(desk) == before)
        await desk.until(lambda: "taken back" in desk.screen)


async def test_p_on_a_queue_directory_offers_to_pause_that(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as desk:
        await desk.press("1", "g", "down", "down", "P")
        assert "q.2" in desk.screen


async def test_tab_goes_round_the_parts_of_the_runner_screen(tmp_path: Path) -> None:
    async with opened(tmp_path / "s") as desk:
        await desk.press("5")
        for name in ("Locks", "Destinations", "Runners"):
            await desk.press("tab")
            assert f"[{name} 0]" in desk.screen
