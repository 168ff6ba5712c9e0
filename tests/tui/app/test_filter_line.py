"""The filter is checked at each key, applied soon after, and never lost by mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import NARROW, WIDE, Desk, opened
from tests.tui.world import HOSTILE

if TYPE_CHECKING:
    from pathlib import Path


def text_below(desk: Desk) -> str:
    hints = desk.app.filter_line.hints
    return hints.text if hints.display else ""


async def narrowed_to(desk: Desk, text: str) -> None:
    await desk.until(lambda: desk.app.page.filter_text == text)


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_typing_narrows_the_page(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size=size, rows=True) as desk:
        await desk.press("slash")
        await desk.type("dom:full.example")
        await narrowed_to(desk, "dom:full.example")
        await desk.until(lambda: "5 of 12" in desk.lines[desk.app.filter_line.region.y])
        await desk.press("enter")
        assert not desk.app.filter_line.is_editing
        assert "filter › dom:full.example" in desk.screen
        assert desk.app.world.choices.history == ["dom:full.example"]


async def test_a_fault_is_shown_below_its_place_and_the_last_filter_stays(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        await desk.type("age>2h")
        await narrowed_to(desk, "age>2h")
        desk.app.filter_line.input.insert_text_at_cursor(" stat:x")  # at once
        await desk.pilot.pause()
        line = desk.app.filter_line.region.y
        place = desk.lines[line].index("stat")
        await desk.until(lambda: desk.lines[line + 1][place] == "^")
        assert "did you mean state?" in text_below(desk)
        await desk.press("enter")
        assert desk.app.filter_line.is_editing
        assert desk.app.page.filter_text == "age>2h"
        await desk.press("escape")
        assert desk.app.page.filter_text == ""


async def test_escape_restores_the_filter_that_was_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.page.set_filter("tries>0")
        await desk.press("slash")
        await desk.type(" size>1M")
        await desk.until(lambda: "size" in (desk.app.page.filter_text or ""))
        await desk.press("escape")
        assert desk.app.page.filter_text == "tries>0"
        assert desk.app.world.choices.history == []
        assert desk.app.focused in list(desk.app.page.query("*"))


async def test_tab_completes_fields_words_and_values(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        line = desk.app.filter_line.input
        await desk.press("slash")
        await desk.type("sta")
        assert "the one word of listings" in text_below(desk)
        await desk.press("tab")
        assert line.value == "state:"
        await desk.type("he")
        await desk.press("tab")
        assert line.value == "state:held"
        await desk.type(" dom:fu")
        assert "full.example" in text_below(desk)
        await desk.press("tab")
        assert line.value == "state:held dom:full.example"
        await narrowed_to(desk, "state:held dom:full.example")


async def test_after_the_only_field_that_fits_its_values_are_offered(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        await desk.type("sta")
        await desk.press("tab")
        assert "deferred" in text_below(desk)
        await desk.press("tab")
        assert desk.app.filter_line.input.value == "state:damaged"


async def test_words_to_seek_are_no_terms(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("6", "slash")
        await desk.type("sta")
        assert text_below(desk) == ""
        await desk.press("ctrl+u")
        desk.app.filter_line.input.insert_text_at_cursor("worker-1 (pid 12) said:")
        await narrowed_to(desk, "worker-1 (pid 12) said:")
        assert text_below(desk) == ""
        await desk.press("enter")
        assert not desk.app.filter_line.is_editing
        assert desk.app.page.filter_text == "worker-1 (pid 12) said:"
        assert desk.app.world.choices.history == [], "they would narrow no messages"


async def test_the_footer_says_what_the_keys_do_meanwhile(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        await desk.until(lambda: "Enter Keep  Esc As it was" in desk.lines[-1])
        assert "Delete" not in desk.lines[-1]
        await desk.press("escape")
        await desk.until(lambda: "D Delete" in desk.lines[-1])


async def test_shift_tab_goes_through_completions_backwards(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        await desk.type("is:")
        await desk.press("tab")
        first = desk.app.filter_line.input.value
        await desk.press("tab", "shift+tab")
        assert desk.app.filter_line.input.value == first
        await desk.press("shift+tab")
        assert desk.app.filter_line.input.value == "is:foreign"


async def test_arrows_recall_earlier_filters_and_what_was_being_written(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as desk:
        desk.app.world.choices.history = ["age>1h", "age>2h"]
        line = desk.app.filter_line.input
        await desk.press("slash")
        await desk.type("size")
        await desk.press("up")
        assert line.value == "age>2h"
        await desk.press("up", "up")
        assert line.value == "age>1h"
        await desk.press("down", "down")
        assert line.value == "size"


async def test_ctrl_u_clears_inside_the_line_and_outside(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.page.set_filter("tries>0")
        await desk.press("slash", "ctrl+u")
        await narrowed_to(desk, "")
        await desk.press("escape")
        assert desk.app.page.filter_text == "tries>0"
        await desk.press("ctrl+u")
        assert desk.app.page.filter_text == ""
        await desk.press("ctrl+u")
        assert desk.toasts == ["Clear filter: there is no filter"]


async def test_backslash_drops_the_filter_and_takes_it_up_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.page.set_filter("tries>0")
        await desk.press("backslash")
        assert desk.app.page.filter_text == ""
        assert "filter › off  tries>0" in desk.screen
        await desk.press("backslash")
        assert desk.app.page.filter_text == "tries>0"


async def test_a_dropped_filter_belongs_to_its_screen(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.page.set_filter("tries>0")
        await desk.press("backslash", "3", "backslash")
        assert desk.toasts == ["Filter on/off: there is no filter"]


async def test_a_screen_without_a_filter_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("5", "slash")
        assert desk.toasts == ["Filter: Runner & Locks has no filter"]
        assert not desk.app.filter_line.is_editing


async def test_leaving_the_screen_ends_editing(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        desk.app.go("queues")
        await desk.pilot.pause()
        assert not desk.app.filter_line.is_editing


async def test_what_is_pasted_cannot_reach_the_terminal(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("slash")
        desk.app.filter_line.input.insert_text_at_cursor(HOSTILE)
        await desk.pilot.pause()
        assert "\x1b" not in desk.screen
        assert "\x9b" not in desk.screen
        assert "\\x1b]0;owned" in desk.screen
