"""What was amiss stays in the list when it is over, with when that was."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.tui.pages.boards import board
from tests.tui.world import NOW
from tuiq.actions.words import instant
from tuiq.tui.index.feed import FeedState
from tuiq.tui.pages.activity import ActivityPage
from tuiq.tui.troubles import Troubles

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.tui.pages.boards import Scene

GONE = "q.2: is gone; mount it or put it back, tuiq looks again"


def amiss(
    scene: Scene[ActivityPage], monkeypatch: pytest.MonkeyPatch, *notes: str
) -> None:
    feed = scene.world.feed
    state = replace(feed.state, notes=notes)

    def told(_feed: Any) -> FeedState:
        return state

    monkeypatch.setattr(type(feed), "state", property(told))


async def test_a_trouble_that_is_over_is_listed_with_when_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with board(tmp_path, ActivityPage()) as scene:
        amiss(scene, monkeypatch, GONE)
        await scene.turn()
        assert " reading " in scene.line("q.2: is gone")
        assert " now " in scene.line("q.2: is gone")
        amiss(scene, monkeypatch)
        await scene.turn(90)
        ended = time.strftime("%H:%M:%S", time.localtime(scene.clock.time))
        assert f" until {ended} " in scene.line("q.2: is gone")
        await scene.focus(f"reading {GONE}")
        await scene.turn()
        assert f"over since {instant(scene.clock.time)}" in scene.text
        amiss(scene, monkeypatch, GONE)
        await scene.turn(90)
        assert " now, 2 times " in scene.line("q.2: is gone")
        assert scene.text.count("q.2: is gone; mount it") == 2  # the row, and below it


def test_what_comes_and_goes_is_counted_and_what_is_past_is_bounded() -> None:
    troubles = Troubles(None)
    for number in range(500):
        troubles.see(["stays", f"passes {number}"], NOW + number)
    troubles.see(["stays"], NOW + 500)
    troubles.see(["stays", "passes 499"], NOW + 501)
    spells = {spell.text: spell for spell in troubles.spells}
    assert len(spells) < 250
    assert troubles.going_on == 2
    assert (spells["stays"].began, spells["stays"].ended) == (NOW, None)
    assert spells["passes 499"].times == 2
    assert spells["passes 498"].ended == NOW + 499
    assert "passes 3" not in spells
