"""From a model and a window on it to the lines of a grid, none drawn twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tuiq.tui.grid.lines import Look, Pen
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from rich.style import Style
    from textual.geometry import Size
    from textual.strip import Strip

    from tuiq.tui.grid.layout import Layout
    from tuiq.tui.grid.marks import Marking
    from tuiq.tui.grid.model import Cell, GridModel, Key
    from tuiq.tui.grid.viewport import Viewport
    from tuiq.tui.look.palette import Palette

_KEPT = 2048
"""Rows whose strips are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be drawn."""

    model: GridModel
    view: Viewport
    marks: Marking
    ranged: Container[int]
    """Places that would be marked if the range ended at the cursor."""
    layout: Layout
    column: str
    """The focused one."""
    focused: bool
    """Whether keys go to the grid."""


class _Kept(NamedTuple):
    """A row as it was drawn last."""

    version: int
    look: Look
    column: str
    cells: Sequence[Cell]
    strip: Strip


class Painter:
    """Draws frames, and keeps the strips of rows while nothing about them changes."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._pen: Pen | None = None
        self._layout: Layout | None = None
        self._strips: dict[Key, _Kept] = {}
        self._thumb = range(0)

    def dip(self, palette: Palette, base: Style) -> None:
        """Draw with *palette* on the background *base* from now on."""
        pen = self._pen
        if pen is None or pen.palette is not palette or pen.base != base:
            self._pen = Pen(palette, base)
            self._strips.clear()

    def frame(self, scene: Scene, size: Size, empty: str) -> list[Strip]:
        """Return the lines of the whole grid."""
        pen = self._pen
        if pen is None:
            raise RuntimeError("dip the pen first")
        if scene.layout is not self._layout or len(self._strips) > _KEPT:
            self._layout = scene.layout
            self._strips.clear()
        head = pen.header(
            scene.layout, scene.model.sorted_by, scene.column, focused=scene.focused
        )
        height = size.height - 1
        if not scene.view.total:
            return [head, *pen.notice(empty, size.width, height)]
        rows = self._rows(scene, pen)
        blank = pen.blank(size.width)
        return [head, *rows, *[blank] * (height - len(rows))]

    def _rows(self, scene: Scene, pen: Pen) -> list[Strip]:
        """Return the rows in sight."""
        view = scene.view
        self._thumb = _thumb(view, self._thumb)
        return [
            self._row(scene, pen, key, place)
            for place, key in enumerate(view.rows(), view.top)
            if key is not None
        ]

    def _row(self, scene: Scene, pen: Pen, key: Key, place: int) -> Strip:
        """Return one row, as it was kept if it still looks so."""
        view = scene.view
        here = place == view.place
        gone = here and view.gone
        look = Look(
            cursor=here,
            focused=here and scene.focused,
            gone=gone,
            marked=key in scene.marks,
            ranged=place in scene.ranged,
            thumb=place - view.top in self._thumb,
        )
        column = scene.column if here else ""
        kept = self._strips.get(key)
        if gone:
            cells = kept.cells if kept else _unknown(scene.layout)
            return pen.row(scene.layout, cells, look, column)
        version = scene.model.version(key)
        if kept and kept.version == version:
            if kept.look == look and kept.column == column:
                return kept.strip
            cells = kept.cells
        else:
            cells = scene.model.cells(key, scene.layout.ids)
        strip = pen.row(scene.layout, cells, look, column)
        self._strips[key] = _Kept(version, look, column, cells, strip)
        return strip


def _unknown(layout: Layout) -> list[Cell]:
    """Return the cells of a row that had gone before it was ever drawn so wide."""
    return [("gone" if n == 0 else "", Role.GONE) for n in range(len(layout.drawn))]


def _thumb(view: Viewport, before: range) -> range:
    """Return the lines of the scroll bar's thumb; none when everything is in sight.

    It stays where it is as long as it is at most a line off: a bar that creeps while
    rows come and go would cost bytes and say nothing.
    """
    height, total = view.height, view.total
    if total <= height:
        return range(0)
    size = max(height * height // total, 1)
    start = view.top * (height - size) // (total - height)
    if size == len(before) and abs(start - before.start) <= 1:
        at_end = start in (0, height - size)
        return range(start, start + size) if at_end else before
    return range(start, start + size)
