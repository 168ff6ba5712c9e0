"""Textual's own furniture, made to fit: toasts and scrollbars."""

from __future__ import annotations

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender

APP_CSS = """
Toast {
    max-width: 90%;
    padding: 0 1;
    background: $panel;
    color: $foreground;
    &:ansi { background: $panel; }
}
.-ascii Toast.-information { border-left: ascii $success; }
.-ascii Toast.-warning { border-left: ascii $warning; }
.-ascii Toast.-error { border-left: ascii $error; }
"""
"""For ``App.CSS``; the application has the class ``-ascii`` where it is needed."""


class _WholeCells(ScrollBarRender):
    """A scrollbar without eighths of blocks, for ASCII and for fonts without them."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


def fit_scrollbars(*, ascii: bool) -> None:
    """Choose how scrollbars are drawn in this process."""
    ScrollBar.renderer = _WholeCells if ascii else ScrollBarRender
