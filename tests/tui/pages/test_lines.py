"""Lines that are wrapped lose nothing, and take no more room than they may."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.pages.lines import Line, Lines, LongText, fact, wrapped

_REPLY = "451-4.4.1-cannot-connect-to-192.0.2.15:10025:-connection-refused,-again"


class _Reader(App[None]):
    def compose(self) -> ComposeResult:
        yield LongText(lambda: Palette(name="test"))


async def test_no_letter_is_lost_where_a_line_is_wrapped() -> None:
    app = _Reader()
    async with app.run_test(size=(40, 4)) as pilot:
        text = app.query_one(LongText)
        text.show([fact("Why", _REPLY * 3)])
        await pilot.pause()
        seen = ""
        for y in range(text.virtual_size.height):
            text.scroll_to(y=y, animate=False, immediate=True)
            await pilot.pause()
            line = app.screen._compositor.render_strips()[y - text.scroll_offset.y]
            seen += line.text[: text.scrollable_content_region.width]
        assert "".join(seen.split()) == "Why" + "".join(_REPLY.split()) * 3


def test_a_line_whose_beginning_is_long_goes_on_below_in_its_own_colours() -> None:
    line: Line = [(" a-name-of-24-characters", Role.STRONG), (" one two", Role.DIM)]
    assert wrapped(line, 30) == [
        [(" a-name-of-24-characters", Role.STRONG), (" one", Role.DIM)],
        [(" ", Role.TEXT), ("two", Role.DIM)],
    ]
    line = [(" a-name-of-24-characters", Role.STRONG), (" o two", Role.DIM)]
    assert wrapped(line, 29)[0][1] == (" o", Role.DIM)
    line = [(" a-name-of-24-characters", Role.STRONG), (" one two", Role.DIM)]
    narrow = wrapped(line, 20)
    assert max(len("".join(text for text, _ in row)) for row in narrow) <= 20
    assert "".join(text for row in narrow for text, _ in row).split() == [
        *("a-name-of-24-charac", "ters", "one", "two")
    ]


class _About(App[None]):
    def compose(self) -> ComposeResult:
        yield Lines(lambda: Palette(name="test"), least=2, most=4)


async def test_lines_are_as_high_as_they_have_to_be_within_their_bounds() -> None:
    app = _About()
    async with app.run_test(size=(40, 10)) as pilot:
        lines = app.query_one(Lines)
        lines.fit(30)
        heights = []
        for words in (1, 12, 20, 100):
            lines.say(
                [[(" what it is about", Role.STRONG)], fact("Why", "word " * words)]
            )
            await pilot.pause()
            heights.append(lines.size.height)
        assert heights == [2, 3, 4, 4]
        lines.say([])
        await pilot.pause()
        assert lines.size.height == 2


async def test_lines_leave_most_of_a_low_page_to_its_rows() -> None:
    app = _About()
    async with app.run_test(size=(40, 10)) as pilot:
        lines = app.query_one(Lines)
        lines.say([fact("Why", "word " * 100)])
        shown = []
        for height in (30, 10, 8, 7):
            lines.fit(height)
            await pilot.pause()
            shown.append(lines.height)
        assert shown == [4, 3, 2, 0]
        lines.fit(10)
        await pilot.pause()
        seen = [strip.text for strip in app.screen._compositor.render_strips()]
        assert "…" not in seen[1]
        assert seen[2].endswith("…")


def test_a_sentence_goes_on_below_where_it_began() -> None:
    assert wrapped([(" one two", Role.DIM)], 6) == [
        [(" one", Role.DIM)],
        [(" ", Role.TEXT), ("two", Role.DIM)],
    ]


async def test_keys_scroll_what_was_not_drawn_yet() -> None:
    app = _Reader()
    async with app.run_test(size=(40, 4)) as pilot:
        text = app.query_one(LongText)
        await pilot.pause()
        text.show([fact("Line", str(number)) for number in range(50)])
        for command in ("down", "down", "page-down"):
            text.perform(command)
        assert text.scroll_offset.y == 5
        text.perform("last")
        text.perform("up")
        assert text.scroll_offset.y == 45
