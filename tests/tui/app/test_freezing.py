"""z holds the display still while the queue goes on, and says what is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tui.app.desk import opened
from tuiq.tui.stillness import Stillness

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


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
        assert "❄ frozen 00:32, 3 changes waiting" in desk.lines[0]
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
