"""Toasts say a thing once, and leave room for what is below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.app.desk import opened

if TYPE_CHECKING:
    from pathlib import Path

    from tests.tui.app.desk import Desk

SAID = "Release: not held"


async def told(desk: Desk, *keys: str) -> None:
    """Press keys that are told to be of no use here, and wait for the words."""
    await desk.press(*keys)
    await desk.until(lambda: SAID in desk.screen)


async def test_the_same_is_told_once_while_it_stands_there(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await told(desk, "g", "H", "H", "H")
        assert desk.toasts == [SAID]
        desk.app.tell("something else")
        await desk.until(lambda: "something else" in desk.screen)
        assert desk.screen.count(SAID) == 1


async def test_a_toast_stands_once_on_a_screen_with_a_dialog(tmp_path: Path) -> None:
    async with opened(tmp_path, rows=True) as desk:
        await told(desk, "g", "H")
        await desk.press("question_mark")
        await desk.until(lambda: "Keys of Messages" in desk.screen)
        await desk.until(lambda: desk.screen.count(SAID) == 1)
        await desk.press("escape")
        await desk.until(lambda: "Keys of Messages" not in desk.screen)
        assert desk.screen.count(SAID) == 1


async def test_a_question_is_not_covered_where_there_are_few_lines(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, size=(40, 8), rows=True) as desk:
        await told(desk, "g", "H")
        await desk.press("D")
        await desk.until(lambda: "Delete: 1 message" in desk.screen)
        assert SAID not in desk.screen
        await desk.press("escape")
        await desk.until(lambda: "Delete: 1 message" not in desk.screen)
        await told(desk, "H")


async def test_on_a_few_lines_the_last_toast_stands_alone_and_leaves_most_of_them(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path, size=(40, 8), rows=True) as desk:
        await desk.press("G", "g")
        before = desk.lines
        for number in range(5):
            desk.app.tell(f"{number} is told in many words, " * 9)
        await desk.until(lambda: "4 is told" in desk.screen)
        assert "3 is told" not in desk.screen
        same = sum(old == new for old, new in zip(before, desk.lines, strict=True))
        assert same > 4
