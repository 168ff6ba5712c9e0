"""A fault of one part costs a sentence, never the UI."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.tui.app.desk import opened
from tests.tui.world import HOSTILE
from tuiq.errors import SpoolUnavailable
from tuiq.tui.troubles import Troubles

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def broken(*_arguments: object) -> None:
    raise KeyError(HOSTILE)


async def test_a_page_that_fails_is_told_once_and_everything_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "state" / "ui.log"
    async with opened(tmp_path / "s", troubles=Troubles(log)) as desk:
        monkeypatch.setattr(desk.app.page, "tick", broken)
        for _ in range(3):
            await desk.turn()
        assert len(desk.toasts) == 1
        assert "showing Messages: fault of tuiq: KeyError" in desk.toasts[0]
        (trouble,) = desk.app.troubles
        assert trouble.times >= 3
        await desk.press("4")
        assert "[4 Shape]" in desk.screen
        assert not {"\x1b", "\x9b"} & set(desk.screen)
    text = log.read_text()
    assert text.count("Traceback") == 1
    assert "in broken" in text
    assert "\x1b" not in text


async def test_a_command_that_fails_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        monkeypatch.setattr(desk.app.page, "perform", broken)
        await desk.press("s")
        assert "Sort: fault of tuiq" in desk.toasts[0]


async def test_the_title_counts_what_was_not_read_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        assert "⚠" not in desk.lines[0]
        monkeypatch.setattr(desk.app.page, "perform", broken)
        await desk.press("s")
        await desk.turn()
        assert "⚠ 1 trouble: 6" in desk.lines[0]
        await desk.press("6")
        await desk.until(lambda: "Sort: fault of tuiq" in desk.screen)
        await desk.press("2")
        await desk.turn()
        assert "⚠" not in desk.lines[0]


async def test_what_was_raised_on_purpose_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_command: str) -> None:
        raise SpoolUnavailable("q.1: the disk is full; make room")

    async with opened(tmp_path) as desk:
        monkeypatch.setattr(desk.app.page, "perform", refuse)
        await desk.press("s")
        assert desk.toasts == ["Sort: q.1: the disk is full; make room"]


async def test_a_feed_that_fails_leaves_the_keys_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        monkeypatch.setattr(desk.app.world.feed, "drain", broken)
        await desk.turn()
        assert "reading the queue" in desk.toasts[0]
        await desk.press("question_mark")
        assert "Keys of Messages" in desk.screen


async def test_a_look_around_that_fails_is_a_trouble_while_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as desk:
        lookout = desk.app.world.lookout
        failed = replace(lookout.sight, error="the spool cannot be looked at: why")
        with monkeypatch.context() as patch:
            patch.setattr(type(lookout), "sight", property(lambda _self: failed))
            await desk.turn()
            assert "⚠ 1 trouble: 6" in desk.lines[0]
            await desk.press("6")
            await desk.until(lambda: "cannot be looked at: why" in desk.screen)
            assert " now " in desk.screen
        await desk.turn()
        assert "⚠" not in desk.lines[0]
        await desk.until(lambda: " until " in desk.screen)


def test_the_log_stays_small(tmp_path: Path) -> None:
    troubles = Troubles(tmp_path / "ui.log")
    for number in range(400):
        error = ValueError("x" * 5000 + str(number))
        troubles.note("trying", error, float(number))
    sizes = [path.stat().st_size for path in tmp_path.iterdir()]
    assert len(sizes) == 2
    assert max(sizes) < 300 * 1024
    assert len(troubles) == 200


def test_a_log_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    troubles = Troubles(tmp_path / "file" / "ui.log")
    said = troubles.note("trying", ValueError("x"), 0.0)
    assert said == "trying: fault of tuiq: ValueError: x"
    assert troubles.log is None
