"""Help, jump labels and the tour: what can be done here, and where the keys go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import NARROW, WIDE, opened
from tuiq.tui.grid.grid import Grid

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.tui.world import World


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_help_lists_the_keys_of_the_screen(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size=size) as desk:
        await desk.press("question_mark")
        assert "Keys of Messages" in desk.screen
        assert "go to the next row" in desk.screen
        await desk.press("end")
        assert "leave; asks only while something" in desk.screen
        assert "two minutes over these keys" in desk.screen
        await desk.press("escape")
        assert len(desk.app.screen_stack) == 1


async def test_help_has_no_keys_of_other_screens(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(120, 120)) as desk:
        await desk.press("question_mark")
        assert "count by something else" not in desk.screen
        await desk.press("escape", "4", "question_mark")
        assert "count by something else" in desk.screen


async def test_help_says_what_cannot_be_done_now_and_which_keys_are_changed(
    tmp_path: Path,
) -> None:
    def change(world: World) -> None:
        world.choices.keys = {"freeze": "Ctrl+Y"}

    async with opened(
        tmp_path, size=(120, 120), prepare=change, read_only=True
    ) as desk:
        await desk.press("question_mark")
        hold = next(line for line in desk.lines if "start no attempt until" in line)
        assert "not now: read-only" in hold
        freeze = next(line for line in desk.lines if "hold the display still" in line)
        assert "Ctrl+Y" in freeze
        assert "(changed)" in freeze


async def test_f1_explains_the_columns_of_a_grid(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("f1")
        assert "Columns" in desk.screen
        grid = desk.app.page.query(Grid).first()
        assert all(column.gloss in desk.screen for column in grid.model.columns)


async def test_f1_explains_how_filters_are_written(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash", "f1")
        assert "How filters are written" in desk.screen
        assert "the whole" in desk.screen or "age>2h" in desk.screen


async def test_labels_lead_to_tabs_the_filter_and_panes(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.press("ctrl+o")
        await desk.press("4")
        assert desk.app.page.page_name == "shape"
        await desk.press("ctrl+o")
        assert " / " in desk.lines[desk.app.filter_line.region.y]
        grids = list(desk.app.page.query(Grid))
        await desk.press("s")
        assert desk.app.focused is grids[1]
        await desk.press("ctrl+o", "slash")
        assert desk.app.filter_line.is_editing


async def test_any_other_key_leaves_the_labels(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("ctrl+o", "escape")
        assert len(desk.app.screen_stack) == 1
        await desk.press("ctrl+o", "f9")
        assert len(desk.app.screen_stack) == 1


async def test_the_tour_waits_for_the_real_keys(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.press("ctrl+n")
        assert "Next step: no tour is on" in desk.toasts[0]
        await desk.press("question_mark", "t")
        await desk.until(lambda: "Tour 1/" in desk.screen)
        await desk.press("down")
        await desk.until(lambda: "Tour 2/" in desk.screen)
        await desk.press("ctrl+n")
        await desk.until(lambda: "Tour 3/" in desk.screen)
        await desk.press("ctrl+x")
        await desk.until(lambda: "Tour" not in desk.screen)


async def test_the_tour_tells_what_to_type_until_it_was_typed(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.press("6", "question_mark", "t")
        await desk.until(lambda: "Tour 1/" in desk.screen)
        assert desk.app.page.page_name == "messages"
        while "Narrow the list" not in desk.screen:
            await desk.press("ctrl+n")
        await desk.press("slash")
        await desk.type("tries>0")
        assert "Narrow the list" in desk.screen
        await desk.press("enter")
        await desk.until(lambda: "Mark this row" in desk.screen)


async def test_a_toast_is_not_shown_twice_and_hides_no_step_of_the_tour(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as desk:
        desk.app.tell("something was done")
        await desk.until(lambda: "something was done" in desk.screen)
        await desk.press("question_mark")
        await desk.until(lambda: "Keys of Messages" in desk.screen)
        assert desk.screen.count("something was done") == 1
        await desk.press("t")
        await desk.until(lambda: "Tour 1/" in desk.screen)
        toast = next(n for n, line in enumerate(desk.lines) if "was done" in line)
        tour = next(n for n, line in enumerate(desk.lines) if "Tour 1/" in line)
        assert toast < tour - 1
