"""Textual's own furniture, made to fit: toasts, scrollbars, highlighted lines."""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.scrollbar import ScrollBar, ScrollBarRender

from tuiq.tui.look.signs import drawn

APP_CSS = """
Toast {
    max-width: 90%;
    margin-top: 0;
    max-height: 40vh;
    padding: 0 1;
    background: $panel;
    color: $foreground;
    &:ansi { background: $panel; }
}
.-below Toast { display: none; }
"""
"""For ``App.CSS``."""


class _WholeCells(ScrollBarRender):
    """A scrollbar without eighths of blocks, for ASCII and for fonts without them."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


def fit_scrollbars(*, ascii: bool) -> None:
    """Choose how scrollbars are drawn in this process."""
    ScrollBar.renderer = _WholeCells if ascii else ScrollBarRender


class AsciiSigns(LineFilter):
    """Draws the house's signs and Textual's frames with ASCII alone."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with stand-ins."""
        return [
            Segment(drawn(text, ascii=True), style, control)
            for text, style, control in segments
        ]


class ReverseForColour(LineFilter):
    """Draws reversed whatever has a background, for themes without colours.

    Textual drops the attribute from the highlighted line of a list, so such a theme
    gives it a colour, and this filter takes the colour away.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without backgrounds."""
        return [
            Segment(text, style and _reversed(style), control)
            for text, style, control in segments
        ]


_OWN = RichColor.default()
_REVERSED = Style(color=_OWN, bgcolor=_OWN, reverse=True)


@lru_cache(256)
def _reversed(style: Style) -> Style:
    ground = style.bgcolor
    return style if ground is None or ground.is_default else style + _REVERSED
