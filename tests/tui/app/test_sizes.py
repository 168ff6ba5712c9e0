"""From wide to tiny there is always something useful, and never a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.app.desk import opened

if TYPE_CHECKING:
    from pathlib import Path

SIZES = [(200, 50), (120, 36), (80, 24), (60, 20), (60, 15), (50, 14), (40, 8), (20, 4)]


@pytest.mark.parametrize("size", SIZES)
async def test_every_screen_fits_every_terminal(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size=size, rows=True) as desk:
        for key in "134562":
            await desk.press(key)
            assert len(desk.lines) == size[1]
            assert {len(line) for line in desk.lines} <= {size[0]}
        assert list(desk.app.troubles) == []


async def test_narrow_terminals_show_the_current_tab_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(80, 24)) as desk:
        assert "[2 Messages] 1-6 screens" in desk.lines[1]
        assert "Shape" not in desk.lines[1]


async def test_small_terminals_show_the_grid_alone(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(59, 14), rows=True) as desk:
        assert "AGE" in desk.lines[0]
        assert "q Quit" not in desk.screen
        await desk.press("slash")
        await desk.until(lambda: "filter ›" in desk.screen)
        await desk.type("dom:full.example")
        await desk.press("enter")
        await desk.until(lambda: "filter ›" not in desk.screen)
        assert desk.app.page.filter_text == "dom:full.example"


async def test_tiny_terminals_show_one_line_of_totals(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(39, 7), rows=True) as desk:
        await desk.until(lambda: "q 12" in desk.lines[0])  # the trash was read
        assert [line for line in desk.lines[1:] if line.strip()] == []


async def test_a_resize_brings_everything_back(tmp_path: Path) -> None:
    async with opened(tmp_path, size=(30, 5), rows=True) as desk:
        await desk.pilot.resize_terminal(120, 36)
        await desk.until(lambda: len(desk.lines) == 36)
        await desk.until(lambda: "q Quit" in desk.lines[-1])
        assert "[2 Messages]" in desk.screen
        await desk.pilot.resize_terminal(45, 12)
        await desk.until(lambda: "AGE" in desk.lines[0])


@pytest.mark.parametrize("size", [(120, 36), (60, 20), (45, 12)])
async def test_dialogs_open_at_every_size(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async with opened(tmp_path, size=size) as desk:
        for key in ("colon", "question_mark", "ctrl+o", "ctrl+t"):
            await desk.press(key)
            assert len(desk.app.screen_stack) == 2, key
            await desk.press("escape")
            assert len(desk.app.screen_stack) == 1, key


async def test_bars_are_drawn_again_only_when_they_say_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        await desk.turn()
        await desk.turn()
        drawn: list[str] = []
        for bar in desk.app.bars:
            monkeypatch.setattr(
                bar, "refresh", lambda *_, id=bar.id, **__: drawn.append(str(id))
            )
        for _ in range(5):
            desk.app.refresh_bars()
        assert drawn == []
        desk.app.freeze()
        desk.app.refresh_bars()
        assert drawn == ["title"]
