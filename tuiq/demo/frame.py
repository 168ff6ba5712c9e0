"""One picture of a running demo: a scene and a size to lines, no wider, no higher.

Pure.  Nothing here comes from mail unescaped.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.demo.ledger import Fate
from tuiq.demo.scene import ABOUT, SHOWN_FATES, clock, export, messages, sums
from tuiq.demo.world import DOMAINS
from tuiq.log import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuiq.demo.scene import Scene

_BOLD, _DIM = "1", "2"
_COLOURS = {
    Fate.DELIVERED: "32",
    Fate.DEFERRED: "33",
    Fate.DOUBT: "35",
    Fate.FAILED: "31",
    Fate.WAITING: _DIM,
}
_GLYPHS = {
    Fate.DELIVERED: "█",
    Fate.DEFERRED: "▓",
    Fate.DOUBT: "?",
    Fate.FAILED: "×",
    Fate.WAITING: "░",
}
_COLUMNS = {
    Fate.DELIVERED: 10,
    Fate.DEFERRED: 9,
    Fate.DOUBT: 9,
    Fate.FAILED: 7,
    Fate.WAITING: 8,
}
"""The columns of the table and their widths."""
_NARROW = 40
"""Columns below which there is room for the figures only."""
_LEGEND = 74
"""Columns that all figures need in one line."""
_NAME = 17
_MANNER = 17
_NOTHING: Counter[Fate] = Counter()
_MAX_WIDTH = 110
"""Wider than this, lines get hard to follow."""
_FEWEST_STORIES = 3
"""Lines of stories that the table of domains must leave room for."""
_MAX_STORIES = 16
_SHORT = "…"


@dataclass(frozen=True, slots=True)
class Style:
    """How text is set off."""

    colour: bool

    def paint(self, text: str, code: str) -> str:
        """Return *text* with an SGR *code* around it."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and text else text


def frame(scene: Scene, width: int, height: int, style: Style) -> list[str]:
    """Return the picture: at most *height* lines of at most *width* columns."""
    width = min(width - 1, _MAX_WIDTH)  # the last column makes terminals wrap
    if width < _NARROW:
        words = [messages(scene), *sums(scene)]
        return [_cut(line, width) for line in words][:height]
    top = [*_title(scene, width, style), "", *_sums(scene, width, style), ""]
    table = [*_table(scene, width, style), ""]
    foot = ["", *_foot(scene, width, style)]
    room = height - len(top) - len(foot)
    if room - len(table) >= _FEWEST_STORIES:
        top += table
        room -= len(table)
    stories = _stories(scene, width, min(max(room, 1), _MAX_STORIES), style)
    return [*top, *stories, *foot][:height]


def _cut(text: str, width: int) -> str:
    """Shorten *text* to *width* characters."""
    return text if len(text) <= width else text[: max(0, width - 1)] + _SHORT


def _title(scene: Scene, width: int, style: Style) -> list[str]:
    right = clock(scene.elapsed)
    if scene.limit is not None:
        right += f" of {clock(scene.limit)}"
    if width >= _LEGEND:
        right = f"Ctrl+C ends it   {right}"
    left = f"{'tuiq demo':<12}"
    about = _cut(ABOUT, width - len(left) - 1 - len(right))
    gap = " " * (width - len(left) - len(about) - len(right))
    return [style.paint(left, _BOLD) + about + gap + style.paint(right, _DIM)]


def _sums(scene: Scene, width: int, style: Style) -> list[str]:
    left, right = messages(scene), f"{scene.rate:,.0f} delivered/s"
    gap = " " * max(1, width - len(left) - len(right))
    legend = [
        style.paint(text, _COLOURS[fate])
        for fate, text in zip(SHOWN_FATES, sums(scene), strict=True)
    ]
    return [
        _cut(left + gap + right, width),
        _bar(scene.ledger.totals, width, style),
        "  ".join(legend if width >= _LEGEND else legend[:2]),
    ]


def _bar(totals: Mapping[Fate, int], width: int, style: Style) -> str:
    """Return a bar in which every fate that occurs has at least one cell."""
    count = sum(totals[fate] for fate in SHOWN_FATES)
    if not count:
        return style.paint(_GLYPHS[Fate.WAITING] * width, _DIM)
    cells = {
        fate: max(1, totals[fate] * width // count) if totals[fate] else 0
        for fate in SHOWN_FATES
    }
    largest = max(cells, key=cells.__getitem__)
    cells[largest] += width - sum(cells.values())
    return "".join(_segment(fate, cells[fate], style) for fate in SHOWN_FATES)


def _segment(fate: Fate, cells: int, style: Style) -> str:
    solid = style.colour and fate is not Fate.WAITING
    glyph = _GLYPHS[Fate.DELIVERED if solid else fate]
    return style.paint(glyph * cells, _COLOURS[fate])


def _table(scene: Scene, width: int, style: Style) -> list[str]:
    told = width >= _NAME + _MANNER + sum(_COLUMNS.values())
    name = f"{'domain':<{_NAME}}" + (f"{'manners':<{_MANNER}}" if told else "")
    head = "".join(f"{fate.value:>{size}}" for fate, size in _COLUMNS.items())
    lines = [style.paint(_cut(name + head, width), _DIM)]
    for domain in DOMAINS:
        counts = scene.ledger.domains.get(domain.name, _NOTHING)
        cells = "".join(_cell(counts[fate], fate, style) for fate in _COLUMNS)
        manner = f"{domain.manner:<{_MANNER}}" if told else ""
        line = f"{domain.name:<{_NAME}}{style.paint(manner, _DIM)}{cells}"
        lines.append(line if width >= _NAME + sum(_COLUMNS.values()) else domain.name)
    return lines


def _cell(number: int, fate: Fate, style: Style) -> str:
    size = _COLUMNS[fate]
    if not number:
        return style.paint(f"{'·':>{size}}", _DIM)
    return style.paint(f"{number:>{size},}", _COLOURS[fate])


def _stories(scene: Scene, width: int, room: int, style: Style) -> list[str]:
    """Return the latest stories that fit into exactly *room* lines."""
    lines: list[str] = []
    for when, story in reversed(scene.stories):
        first, *rest = textwrap.wrap(story, max(20, width - 7)) or [""]
        told = [f"{style.paint(f'{clock(when):>5}', _DIM)}  {first}"]
        told += [f"{'':7}{line}" for line in rest]
        if len(lines) + len(told) > room:
            break
        lines[:0] = told
    return lines + [""] * (room - len(lines))


def _foot(scene: Scene, width: int, style: Style) -> list[str]:
    lines = (
        f"look around:  {export(scene)}",
        f"then          {printable(scene.command)} status, domains, locks, mailq …",
    )
    return [style.paint(_cut(line, width), _DIM) for line in lines]
