"""Lines of text that can be scrolled."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tuiq.tui.look.palette import Palette
from tuiq.tui.pages.message_lines import LongText, fact

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
