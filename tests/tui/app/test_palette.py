"""Everything can be found by its name, and filters by being typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import NARROW, WIDE, opened
from tests.tui.world import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("key", ["colon", "ctrl+p"])
@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_a_part_of_a_name_is_enough(
    tmp_path: Path, key: str, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size=size) as desk:
        await desk.press(key)
        await desk.type("frz")
        assert "hold the display still" in desk.screen
        await desk.press("enter")
        assert desk.app.stillness.now is not None


async def test_keys_are_shown_and_arrows_choose(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("colon")
        await desk.type("go to")
        assert "Go to Queues" in desk.screen
        await desk.press("down", "down", "down", "up", "enter")
        assert desk.app.page.page_name == "recipients"


async def test_what_cannot_work_says_why_and_is_not_done(tmp_path: Path) -> None:
    async with opened(tmp_path, read_only=True) as desk:
        await desk.press("colon")
        await desk.type("hold")
        assert "(read-only: started with --read-only)" in desk.screen
        await desk.press("enter")
        assert len(desk.app.screen_stack) == 2
        assert "Hold: read-only" in desk.screen


async def test_a_filter_may_be_typed_for_this_screen_or_another(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("4", "colon")
        await desk.type("messages dom:full.example")
        await desk.press("enter")
        assert desk.app.page.page_name == "messages"
        assert desk.app.page.filter_text == "dom:full.example"
        await desk.press("3", "colon")
        await desk.type("tries>3")
        await desk.press("enter")
        assert desk.app.page.page_name == "recipients"
        assert desk.app.page.filter_text == "tries>3"


async def test_a_filter_that_makes_no_sense_is_not_taken(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("colon")
        await desk.type("stat:x")
        assert "did you mean state?" in desk.screen
        await desk.press("enter")
        assert len(desk.app.screen_stack) == 2
        assert desk.app.page.filter_text == ""


async def test_saved_filters_are_found_by_their_names(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.world.choices.filters = {"big ones": "size>1M"}
        await desk.press("colon")
        await desk.type("big ones")
        await desk.press("enter")
        assert desk.app.page.filter_text == "size>1M"


async def test_themes_are_worn_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        before = desk.app.palette_now
        await desk.press("colon")
        await desk.type("theme mono")
        await desk.press("enter")
        assert desk.app.palette_now is not before
        assert desk.app.world.choices.theme == "mono"


async def test_any_destination_can_be_paused(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await desk.press("colon")
        await desk.type("pause full")
        assert "Pause full.example" in desk.screen
        await desk.press("enter")
        assert "destination full.example" in desk.screen


async def test_nothing_hostile_is_shown(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.world.choices.filters = {HOSTILE: f'from:"{HOSTILE}"'}
        await desk.press("colon")
        await desk.type("owned")
        assert "\\x1b]0;owned" in desk.screen
        assert not {"\x1b", "\x9b", "\x07", "\u202e"} & set(desk.screen)
