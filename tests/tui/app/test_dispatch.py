"""Every key becomes its command, and what cannot be done says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import NARROW, WIDE, opened
from tuiq.tui.commands import COMMANDS

if TYPE_CHECKING:
    from pathlib import Path

    from tuiq.tui.world import World


async def test_every_key_of_every_command_reaches_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        seen: list[str] = []
        setattr(desk.app, "perform", seen.append)  # noqa: B010
        for command in COMMANDS.values():
            for key in command.keys.split(","):
                seen.clear()
                await desk.press(key)
                assert seen == [command.id], key


async def test_digits_show_the_screens(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        assert "[2 Messages]" in desk.screen
        for digit, title in enumerate(
            ("Queues", "Messages", "Recipients", "Shape", "Runner & Locks", "Activity"),
            1,
        ):
            await desk.press(str(digit))
            assert f"[{digit} {title}]" in desk.screen
            shown = [page for page in desk.app.pages.values() if page.display]
            assert [page.page_title for page in shown] == [title]
            assert desk.app.focused is None or shown[0] in desk.app.focused.ancestors


async def test_a_key_that_cannot_work_says_why_and_is_dimmed_not_hidden(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, rows=True) as desk:
        offs = {hint.command: hint.off for hint in desk.app.hints()}
        assert not offs["hold"]
        assert offs["undo"]
        await desk.press("H")
        assert desk.toasts == ["Release: not held"]
        await desk.press("u")
        assert "Undo: nothing was done here yet" in desk.toasts[-1]
        assert "u Undo" in desk.screen


async def test_read_only_dims_what_acts(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True, read_only=True) as desk:
        assert "read-only" in desk.lines[0]
        offs = {hint.command: hint.off for hint in desk.app.hints()}
        assert offs["hold"]
        assert offs["delete"]
        assert not offs["filter"]
        await desk.press("h")
        assert desk.toasts == ["Hold: read-only: started with --read-only"]


async def test_a_command_of_another_screen_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("d")
        assert desk.toasts == ["Group by: not on Messages"]


async def test_minus_goes_back_and_forth(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("minus")
        assert desk.toasts == ["Previous: this is the first screen"]
        await desk.press("4", "minus")
        assert desk.app.page.page_name == "messages"
        await desk.press("minus")
        assert desk.app.page.page_name == "shape"


async def test_escape_returns_to_where_a_filter_came_from(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        desk.app.go("messages", filter="tries>0")
        await desk.press("1")
        desk.app.go("messages", filter="dom:full.example")
        await desk.pilot.pause()
        assert desk.app.page.filter_text == "dom:full.example"
        await desk.press("escape")
        assert desk.app.page.page_name == "queues"
        assert desk.app.pages["messages"].filter_text == "tries>0"


async def test_going_with_a_filter_that_makes_no_sense_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        desk.app.go("messages", filter="stat:x")
        await desk.pilot.pause()
        assert len(desk.toasts) == 1
        assert "state" in desk.toasts[0]


async def test_keys_can_be_changed_and_are_shown_as_changed(tmp_path: Path) -> None:
    def change(world: World) -> None:
        world.choices.keys = {"go-queues": "f7", "freeze": "Ctrl+Y"}

    async with opened(tmp_path, prepare=change) as desk:
        assert "F7 Queues" in desk.screen
        assert "Ctrl+Y Freeze" in desk.screen
        await desk.press("1")
        assert desk.app.page.page_name == "messages"
        await desk.press("f7")
        assert desk.app.page.page_name == "queues"


async def test_a_wish_for_a_key_that_is_taken_is_told_at_the_start(
    tmp_path: Path,
) -> None:
    def change(world: World) -> None:
        world.choices.keys = {"hold": "f"}

    async with opened(tmp_path, prepare=change) as desk:
        assert any("f is the key of flush" in toast for toast in desk.toasts)


async def test_dialogs_shadow_the_keys(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("colon")
        await desk.type("z1q")
        assert desk.app.stillness.now is None
        assert desk.app.page.page_name == "messages"
        assert len(desk.app.screen_stack) == 2


@pytest.mark.parametrize("size", [WIDE, NARROW])
async def test_clicks_do_what_keys_do(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size=size) as desk:
        footer = desk.app.footer
        await desk.pilot.click(footer, offset=(footer.text.index("?"), 0))
        await desk.pilot.pause()
        assert "Keys of Messages" in desk.screen


async def test_a_click_on_a_tab_goes_there(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        tabs = desk.app.tabs
        await desk.pilot.click(tabs, offset=(tabs.text.index("Shape"), 0))
        await desk.pilot.pause()
        assert desk.app.page.page_name == "shape"


async def test_rescan_reads_the_directories_again(tmp_path: Path) -> None:
    asked: list[bool] = []

    def watch(world: World) -> None:
        setattr(world.feed, "rescan", lambda: asked.append(True))  # noqa: B010

    async with opened(tmp_path, prepare=watch) as desk:
        await desk.press("R")
        assert asked == [True]


async def test_the_mouse_of_a_terminal_without_one_says_so(tmp_path: Path) -> None:
    async with opened(tmp_path) as desk:
        await desk.press("M")
        assert desk.toasts == ["Mouse: this terminal has none to switch"]
