"""Text in lines: one that is cut, a few that are read whole, many that are scrolled.

A line is a sequence of cells (safe text and role); the last one is what is wrapped
or cut, below where it began if that is in the first third of the width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len, get_character_cell_size
from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.grid.model import Cell
from tuiq.tui.look.palette import Palette
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import ELLIPSIS, fit

Line = Sequence[Cell]
_LABEL = 13
_BAR = 1
"""Columns that the scroll bar may take, whether it is there or not yet."""
_FEW = 8
"""Lines of a page below which they are all for its rows."""
BLANK: Line = ()


def fact(name: str, text: str, role: Role = Role.TEXT) -> Line:
    """Return one named fact."""
    return [(f" {name:<{_LABEL}}", Role.DIM), (text, role)]


def note(text: str, role: Role = Role.DIM) -> Line:
    """Return a sentence about what is shown."""
    return [(f" {text}", role)]


def strip_of(line: Line, width: int, palette: Palette, rest: str = " ") -> Strip:
    """Return *line* in exactly *width* cells, cut with an ellipsis; *rest* fills it."""
    segments: list[Segment] = []
    left = width
    for text, role in line:
        length = cell_len(text)
        if length > left:
            text, length = fit(text, left), left
        if text:
            segments.append(Segment(text, palette[role]))
        left -= length
        if left <= 0:
            break
    if left > 0:
        role = Role.TEXT if rest == " " else Role.DIM
        segments.append(Segment(rest * left, palette[role]))
    return Strip(segments, width)


def wrapped(line: Line, width: int) -> list[Line]:
    """Return *line* as the lines of at most *width* cells that it takes."""
    if not line:
        return [line]
    *head, (text, role) = line
    taken = sum(cell_len(part) for part, _ in head)
    indent = taken or len(text) - len(text.lstrip(" "))
    if indent > width // 3:
        indent = 1
    if taken >= width:
        head, text, taken = [], "".join(part for part, _ in line), 0
    first, *rest = _pieces(text, max(1, width - indent), max(1, width - taken))
    pad: Line = [(" " * indent, Role.TEXT)] if indent else []
    return [[*head, (first, role)], *([*pad, (piece, role)] for piece in rest)]


def _pieces(text: str, rest: int, width: int) -> Iterable[str]:
    """Yield parts of *text*, cut between words if possible.

    The first has at most *width* cells, each of the others at most *rest*.
    """
    start = 0
    while len(text) - start > width or (
        not text.isascii() and cell_len(text[start:]) > width
    ):
        end = _cut(text, start, width)
        space = text.rfind(" ", start, end + 1)
        # A line is not left half empty for a long word, but for the end of a first one.
        if space > start + ((end - start) // 2 if width == rest else 0):
            yield text[start:space]
            start = space + 1
        else:
            yield text[start:end]
            start = end
        width = rest
    yield text[start:]


def _cut(text: str, start: int, width: int) -> int:
    """Return where *width* cells from *start* end, a character further at least."""
    if text.isascii():
        return start + width
    used, at = 0, start
    while at < len(text):
        used += get_character_cell_size(text[at])
        if used > width:
            break
        at += 1
    return max(at, start + 1)


class OneLine(Widget):
    """One line of cells; painted again only when it says something else."""

    DEFAULT_CSS = "OneLine { height: 1; }"

    def __init__(
        self, palette: Callable[[], Palette], *, ruled: bool = False, **options: Any
    ) -> None:
        """Show nothing yet; when *ruled*, a rule goes on to the end of the line."""
        super().__init__(**options)
        self._palette = palette
        self._ruled = ruled
        self._line: Line = ()

    @property
    def line(self) -> Line:
        """Return what is shown."""
        return self._line

    def show(self, line: Line) -> None:
        """Show *line*."""
        if list(line) != list(self._line):
            self._line = line
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        palette = self._palette()
        rest = "─" if self._ruled else " "
        strip = strip_of(self._line, self.size.width, palette, rest)
        return strip.apply_style(self.rich_style)


class Lines(Widget):
    """Some lines about what is focused, wrapped: as high as it takes, within bounds."""

    DEFAULT_CSS = "Lines { height: 1; width: 1fr; }"

    def __init__(
        self,
        palette: Callable[[], Palette],
        *,
        least: int,
        most: int,
        id: str | None = None,
    ) -> None:
        """Show nothing yet, in *least* lines."""
        super().__init__(id=id)
        self._palette = palette
        self._least = least
        self._most = self._bound = most
        self._lines: Sequence[Line] = ()
        self._rows: Sequence[Line] = ()
        self.styles.height = least

    def say(self, lines: Sequence[Line]) -> None:
        """Show *lines*; nothing is drawn when they are the same."""
        if lines != self._lines:
            self._lines = lines
            self._lay_out()

    @property
    def text(self) -> str:
        """Return the lines without their colours, not wrapped."""
        return "\n".join("".join(text for text, _ in line) for line in self._lines)

    @property
    def height(self) -> int:
        """Return how many lines of the screen it takes, 0 while it is hidden."""
        wanted = min(max(len(self._rows), self._least), self._most)
        return wanted if self.display else 0

    def fit(self, height: int) -> None:
        """Take up to a third of a page of *height* lines; none where these are few."""
        self.display = height >= _FEW
        self._most = max(self._least, min(self._bound, height // 3))
        self._lay_out()

    def on_resize(self) -> None:
        """Wrap anew."""
        self._lay_out()

    def _lay_out(self) -> None:
        width = max(self.size.width, 1)
        rows = [row for line in self._lines for row in wrapped(line, width)]
        if len(rows) > self._most:
            *head, (text, role) = rows[self._most - 1]
            rows[self._most - 1] = [*head, (f"{text} {ELLIPSIS}", role)]
        self._rows = rows
        if self.display:
            self.styles.height = self.height
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        line = self._rows[y] if y < len(self._rows) else ()
        strip = strip_of(line, self.size.width, self._palette())
        return strip.apply_style(self.rich_style)


class LongText(ScrollView, can_focus=True, inherit_bindings=False):
    """Lines that may be more than fit; the commands of movement scroll them."""

    DEFAULT_CSS = """
    LongText { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    """
    COMMANDS: ClassVar[frozenset[str]] = frozenset(
        {"down", "up", "page-down", "page-up", "first", "last"}
    )

    def __init__(
        self, palette: Callable[[], Palette], *, wrap: bool = True, **options: Any
    ) -> None:
        """Show nothing yet; without *wrap* long lines are cut."""
        super().__init__(**options)
        self._palette = palette
        self._wrap = wrap
        self._lines: Sequence[Line] = ()
        self._rows: Sequence[Line] = ()
        self._width = 0

    @property
    def lines(self) -> Sequence[Line]:
        """Return what was given to ``show``."""
        return self._lines

    def show(self, lines: Sequence[Line], *, again: bool = False) -> None:
        """Show *lines* from their beginning, or from where it was *again*."""
        if again and lines == self._lines:
            return
        self._lines = lines
        self._lay_out()
        if not again:
            self._scroll(0)
        self.refresh()

    def perform(self, command: str) -> None:
        """Do one of ``COMMANDS``."""
        page = max(1, self.size.height - 1)
        step = {"down": 1, "up": -1, "page-down": page, "page-up": -page}.get(command)
        if step is not None:
            self._scroll(self.scroll_offset.y + step)
        else:
            end = 0 if command == "first" else self.max_scroll_y
            self._scroll(end)

    def _scroll(self, y: int) -> None:
        """Scroll, also where the scroll bar is not there yet: keys come fast."""
        self.scroll_to(y=y, animate=False, force=True)

    def on_resize(self) -> None:
        """Wrap anew where the width is another."""
        if self.size.width != self._width:
            self._lay_out()

    def _lay_out(self) -> None:
        width = self._width = self.size.width
        room = max(0, width - _BAR)
        if self._wrap and room:
            self._rows = [row for line in self._lines for row in wrapped(line, room)]
        else:
            self._rows = self._lines
        self.virtual_size = Size(width, len(self._rows))

    def render_line(self, y: int) -> Strip:
        """Return one row of what is in sight."""
        at = self.scroll_offset.y + y
        line = self._rows[at] if at < len(self._rows) else ()
        strip = strip_of(line, self.size.width, self._palette())
        return strip.apply_style(self.rich_style)
