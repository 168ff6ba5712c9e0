"""Keys that arrive many at once, as a slow line brings them."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from textual import events

from tests.tui.app.desk import Desk, opened
from tuiq.tui.dialogs.find import Find
from tuiq.tui.operate.confirm import Listing, TypeCount
from tuiq.tui.operate.freezing import Freezing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tuiq.tui.operate.freezing import Frozen

_NAMES = {
    "/": "slash",
    ":": "colon",
    ".": "full_stop",
    "\n": "enter",
    "\x15": "ctrl+u",
    "\x1b": "escape",
}


def burst(desk: Desk, text: str) -> None:
    """Let the application read all of *text* before it does any of it."""
    for char in text:
        key = _NAMES.get(char, char)
        desk.app.post_message(events.Key(key, char if char.isprintable() else None))


async def test_what_follows_the_slash_is_text_and_no_command(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, "/\x15dom:full.example\n")
        await desk.until(lambda: desk.app.page.filter_text == "dom:full.example")
        await desk.until(lambda: not desk.app.filter_line.is_editing)

        assert desk.app.screen_stack == [desk.app.screen], "no dialog was opened"
        assert not desk.app.world.jobs.all


async def test_what_follows_enter_is_a_command_and_no_text(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, "/dom:full.example\nA")
        await desk.until(lambda: "5 marked" in desk.screen)

        assert desk.app.page.filter_text == "dom:full.example"


async def test_esc_ahead_of_a_question_leaves_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, "P\x1b")
        await desk.pilot.pause(0.3)
        await desk.until(lambda: len(desk.app.screen_stack) == 1)


async def test_a_question_takes_no_answer_before_it_was_seen(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, "Dyyy")
        await desk.until(lambda: "Delete: 1 message" in desk.screen)

        assert not desk.app.world.jobs.all
        await desk.press("escape")


@contextmanager
def slow_reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Have nothing that is meant be read before the event is set."""
    go, run = threading.Event(), Freezing.run

    def waiting(self: Freezing) -> Frozen:
        assert go.wait(20)
        return run(self)

    monkeypatch.setattr(Freezing, "run", waiting)
    try:
        yield go
    finally:
        go.set()


async def test_answers_ahead_of_a_question_are_no_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it appears, what is meant has to be read."""
    monkeypatch.setattr("tuiq.tui.operate.reading.SHOWN_AFTER", 60.0)
    with slow_reading(monkeypatch) as go:
        async with opened(tmp_path / "spool", rows=True) as desk:
            burst(desk, "D1yuq")
            await desk.pilot.pause(0.1)
            assert desk.app.page.page_name == "messages"
            go.set()
            await desk.until(lambda: "Delete: 1 message" in desk.screen)
            await desk.pilot.pause(0.1)

            assert desk.app.page.page_name == "messages"
            assert desk.app.is_running
            assert not desk.app.world.jobs.all
            assert not desk.toasts
            await desk.press("escape")


async def test_keys_after_what_asks_nothing_are_done_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.tui.operate.reading.SHOWN_AFTER", 60.0)
    with slow_reading(monkeypatch) as go:
        async with opened(tmp_path / "spool", rows=True) as desk:
            burst(desk, "hjjhg")
            await desk.pilot.pause(0.1)
            assert len(desk.app.world.jobs.all) == 0
            go.set()
            await desk.until(lambda: len(desk.app.world.jobs.all) == 2)
            first, second = (job.scope for job in desk.app.world.jobs.all)
            assert first != second, "the cursor went down in between"


async def test_slow_reading_is_shown_and_left_by_esc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tuiq.tui.operate.reading.SHOWN_AFTER", 0.05)
    with slow_reading(monkeypatch):
        async with opened(tmp_path / "spool", rows=True) as desk:
            burst(desk, "D2")
            await desk.until(lambda: "freezing 0 of 1" in desk.screen)
            await desk.press("escape")
            await desk.until(lambda: "given up; nothing was done" in desk.toasts)
            await desk.press("1")
            await desk.until(lambda: desk.app.page.page_name == "queues")


async def test_a_fault_while_reading_is_told_and_gives_the_keys_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Freezing) -> Frozen:
        raise LookupError("no such thing")

    monkeypatch.setattr(Freezing, "run", fail)
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, "D1")
        await desk.until(lambda: desk.app.page.page_name == "queues")
        (told,) = desk.toasts
        assert "a mistake of tuiq" in told
        assert "LookupError: no such thing" in told


async def test_a_command_may_be_typed_ahead_of_the_palette(tmp_path: Path) -> None:
    async with opened(tmp_path / "spool", rows=True) as desk:
        burst(desk, ":activity\n")
        await desk.until(lambda: desk.app.page.page_name == "activity")

        assert not isinstance(desk.app.screen, Find)


async def test_a_field_for_digits_leaves_letters_to_its_question(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path / "spool") as desk:
        asked = TypeCount(
            "Delete 21",
            [("Does", "nothing")],
            count=21,
            does="deletes them",
            show_all=lambda: Listing("All of them", range(1), str),
        )
        desk.app.push_screen(asked)
        await desk.until(lambda: asked.is_seen)
        await desk.press("2", "v")
        await desk.until(lambda: "All of them" in desk.screen)
        await desk.press("escape")
        await desk.press("1")
        await desk.until(lambda: "deletes them" in desk.screen)
