"""Screens as small SVG files: for the snapshot tests, and for the README.

One text element per run of equal style, one class per style; the same screen always
gives the same bytes, and nothing is fetched from anywhere to show it.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.color import Color
    from textual.app import App
    from textual.strip import Strip

CELL_WIDTH = 8.4
CELL_HEIGHT = 18.0
_FONT = "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
_THEME: TerminalTheme = DIMMED_MONOKAI
_FOREGROUND, _BACKGROUND = "#d9d9d9", "#0c0c0c"

Run = tuple[int, int, str, Style]
"""Column, width in cells, text, style."""


def screen_svg(app: App[Any]) -> str:
    """Return what *app* shows now."""
    strips = app.screen._compositor.render_strips()
    return strips_svg(strips, app.size.width)


def strips_svg(strips: Iterable[Strip], width: int) -> str:
    """Return an SVG of lines of *width* cells."""
    rows = [list(_runs(strip)) for strip in strips]
    names: dict[str, str] = {}
    body = []
    for number, row in enumerate(rows):
        body += [_rect(run, number) for run in row if _colours(run[3])[1]]
        body += [_text(run, number, names) for run in row if run[2].strip()]
    rules = "".join(f".{name}{{{rule}}}" for rule, name in names.items())
    w, h = width * CELL_WIDTH, len(rows) * CELL_HEIGHT
    return "\n".join(
        [
            '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" '
            f'viewBox="0 0 {w:g} {h:g}">',
            f"<style>text{{font:14px {_FONT};white-space:pre}}{rules}</style>",
            f'<rect width="100%" height="100%" fill="{_BACKGROUND}"/>',
            *filter(None, body),
            "</svg>",
            "",
        ]
    )


def _runs(strip: Strip) -> Iterator[Run]:
    """Yield runs of equal style of a line."""
    column = 0
    plain = Style()
    pairs = [(part.text, part.style or plain) for part in strip if not part.control]
    for style, parts in groupby(pairs, key=lambda pair: pair[1]):
        text = "".join(part for part, _ in parts)
        width = cell_len(text)
        yield column, width, text, style
        column += width


def _colours(style: Style) -> tuple[str, str]:
    """Return foreground and background; the usual background is empty."""
    front = _hex(style.color, front=True)
    back = _hex(style.bgcolor, front=False)
    if style.reverse:
        front, back = back or _BACKGROUND, front
    return front, "" if back == _BACKGROUND else back


def _hex(color: Color | None, *, front: bool) -> str:
    if color is None or color.is_default:
        return _FOREGROUND if front else ""
    return color.get_truecolor(_THEME, foreground=front).hex


def _rect(run: Run, number: int) -> str:
    column, width, _, style = run
    x, y = column * CELL_WIDTH, number * CELL_HEIGHT
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width * CELL_WIDTH:g}" '
        f'height="{CELL_HEIGHT:g}" fill="{_colours(style)[1]}"/>'
    )


def _text(run: Run, number: int, names: dict[str, str]) -> str:
    column, _, text, style = run
    lead = len(text) - len(text.lstrip(" "))
    text = text.strip(" ")
    if not text:
        return ""
    rule = f"fill:{_colours(style)[0]}"
    rule += ";font-weight:bold" if style.bold else ""
    rule += ";opacity:.6" if style.dim else ""
    rule += ";text-decoration:underline" if style.underline else ""
    rule += ";text-decoration:line-through" if style.strike else ""
    name = names.setdefault(rule, f"s{len(names)}")
    x = (column + lead) * CELL_WIDTH
    y = (number + 0.76) * CELL_HEIGHT
    length = cell_len(text) * CELL_WIDTH
    return (
        f'<text class="{name}" x="{x:g}" y="{y:g}" textLength="{length:g}">'
        f"{escape(text)}</text>"
    )
