"""Numbers over time: areas of eighth blocks, and lines that fit into a bar.

What is seen is also said: now, greatest and least stand beside each area as text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.segment import Segment
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from tuiq.tui.look.palette import Palette

_BLOCKS, _RAMP = "▁▂▃▄▅▆▇█", "_.:-=+*#"
_STEPS = (1, 2, 5, 10)
_GUTTER = 6
"""Cells of the labels beside the vertical axis."""

Value = float | None
"""One point; None where nothing is known."""
Line = tuple[tuple[str, Role], ...]


def sparkline(values: Sequence[Value], width: int) -> str:
    """Return *values*, oldest first, in *width* cells, the greatest as a full block.

    Zero has the lowest sign; there is a space where nothing is known.
    """
    points = condensed(values, width)
    top = max((value for value in points if value), default=0.0)
    drawn = [
        " " if value is None else _BLOCKS[_level(value, top, len(_BLOCKS) - 1)]
        for value in points
    ]
    return "".join(drawn).rjust(width)


def condensed(values: Sequence[Value], width: int) -> list[Value]:
    """Return at most *width* values: means of neighbours, aligned to the latest."""
    known = [None if v is None or math.isnan(v) else max(v, 0.0) for v in values]
    count = len(known)
    if count <= width:
        return known
    bounds = [count * n // width for n in range(width + 1)]
    return [_mean(known[start:end]) for start, end in pairwise(bounds)]


def _mean(values: Sequence[Value]) -> Value:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _level(value: float, top: float, steps: int) -> int:
    """Return how many of *steps* a value fills; more than nothing fills one."""
    if value <= 0 or top <= 0:
        return 0
    return min(max(round(value / top * steps), 1), steps)


def ceiling(value: float) -> float:
    """Return the least of 1, 2, 5, 10, 20 … that is not below *value*."""
    if value <= 1:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in _STEPS if unit * step >= value * (1 - 1e-9))


def figure(value: float) -> str:
    """Return a number in up to six cells: ``0``, ``0.4``, ``2,931``, ``1.2M``."""
    if value >= 1e5:
        return f"{value / 1e6:.1f}M" if value >= 1e6 else f"{value / 1e3:.0f}k"
    if 0 < value < 0.05:
        return "<0.1"
    return f"{value:,.1f}".removesuffix(".0") if value < 9.95 else f"{value:,.0f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What an area and its axes are drawn with."""

    blocks: str
    up: str
    tick: str
    corner: str
    along: str
    unknown: str
    """The zero line where nothing is known."""


_SIGNS = Signs(
    blocks=f" {_BLOCKS}", up="│", tick="┤", corner="└", along="─", unknown="╌"
)
_ASCII = Signs(
    blocks=f" {_RAMP[1:]}#", up="|", tick="+", corner="+", along="-", unknown="."
)


def area(values: Sequence[Value], height: int, top: float, signs: Signs) -> list[str]:
    """Return *height* lines of one cell a value; *top* fills them all."""
    fine = len(signs.blocks) - 1
    levels = [_level(value or 0.0, top, height * fine) for value in values]
    return [
        "".join(signs.blocks[min(max(level - base, 0), fine)] for level in levels)
        for base in range((height - 1) * fine, -1, -fine)
    ]


class Plot(Widget):
    """An area plot that fills its size; asks for as many points as it is wide."""

    DEFAULT_CSS = """
    Plot { height: 1fr; width: 1fr; }
    """
    ALLOW_SELECT = False

    def __init__(  # noqa: PLR0913 - what it shows, and what any widget takes
        self,
        title: str,
        unit: str,
        series: Callable[[int], Sequence[Value]],
        *,
        palette: Callable[[], Palette],
        role: Role = Role.PLOT_IN,
        window: Callable[[], str] | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        """Plot *series*, which returns up to so many points, the latest last.

        *window* says what time the whole width is: ``5 min``.
        """
        super().__init__(id=id, classes=classes)
        self._named = title
        self._unit = unit
        self._series = series
        self._palette = palette
        self._role = role
        self._window = window or str
        self._lines: list[Line] = []
        self._drawn_with: tuple[object, ...] = ()

    def update(self) -> None:
        """Ask for the values, and send the lines that came out differently."""
        size = self.size
        if size.height < 1 or size.width < 1:
            return
        look = (self._palette(), self.rich_style, size)
        before, self._lines = self._lines, self.lines(size.width, size.height)
        if look != self._drawn_with:
            self._drawn_with = look
            self.refresh()
            return
        changed = [y for y, line in enumerate(self._lines) if line != before[y]]
        if changed:
            self.refresh(*(Region(0, y, size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Draw a line as it was at the last update."""
        if y >= len(self._lines):
            self.update()
        palette, base = self._palette(), self.rich_style
        line = self._lines[y] if y < len(self._lines) else ()
        return Strip(
            [Segment(text, base + palette[role]) for text, role in line if text],
        ).adjust_cell_length(self.size.width, base)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.update()

    def lines(self, width: int, height: int) -> list[Line]:
        """Return the plot as lines of text with roles."""
        rows, cells = height - 2, width - _GUTTER - 1
        if rows < 1 or cells < 1:
            heading = self._heading(condensed(self._series(width), width), width)
            return [heading, *[()] * (height - 1)]
        signs = _ASCII if self._palette().ascii else _SIGNS
        values = condensed(self._series(cells), cells)
        top = ceiling(max((value for value in values if value), default=0.0))
        lines = [self._heading(values, width)]
        for y, text in enumerate(area(values, rows, top, signs)):
            label = figure(top * (rows - y) / rows) if 2 * y in (0, rows) else ""
            axis = label.rjust(_GUTTER) + (signs.tick if label else signs.up)
            lines.append(((axis, Role.PLOT_AXIS), (text.rjust(cells), self._role)))
        axis = "0".rjust(_GUTTER) + signs.corner + self._time(values, cells, signs)
        return [*lines, ((axis, Role.PLOT_AXIS),)]

    def _heading(self, values: Sequence[Value], width: int) -> Line:
        """Return the title, and in words what the plot shows, as far as it fits."""
        known = [value for value in values if value is not None]
        parts: list[tuple[str, Role]] = [(self._named, Role.TEXT)]
        if known:
            now = "?" if values[-1] is None else figure(values[-1])
            parts += [
                (f"  {now} {self._unit}", Role.STRONG),
                (f"  max {figure(max(known))}", Role.DIM),
                (f"  min {figure(min(known))}", Role.DIM),
            ]
        else:
            parts.append(("  nothing measured yet", Role.DIM))
        while len(parts) > 1 and sum(cell_len(text) for text, _ in parts) > width:
            parts.pop()
        return tuple(parts)

    def _time(self, values: Sequence[Value], cells: int, signs: Signs) -> str:
        """Return the zero line with the time that it stands for."""
        missing = [None] * (cells - len(values))
        line = "".join(
            signs.unknown if value is None else signs.along
            for value in (*missing, *values)
        )
        first, last = f" {self._window()} ago ", " now "
        if first != "  ago " and cells > len(first) + len(last) + 4:
            line = f"{line[0]}{first}{line[len(first) + 1 : -len(last)]}{last}"
        return line
