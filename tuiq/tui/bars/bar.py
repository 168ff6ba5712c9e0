"""A line of the screen that is drawn again only when what it says has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from tuiq.tui.bars.parts import cut
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from textual import events

    from tuiq.tui.bars.parts import Spans
    from tuiq.tui.look.palette import Palette
    from tuiq.tui.shell import Shell


class Bar(Widget):
    """One line; a subclass says what is in it."""

    DEFAULT_CSS = "Bar { height: 1; }"
    base: ClassVar[Role] = Role.BAR
    """What the whole line is coloured by; roles of spans come on top."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        """Begin with an empty line."""
        super().__init__(id=id, classes=classes)
        self._spans: Spans = ()
        self._palette: Palette | None = None

    @property
    def shell(self) -> Shell:
        """Return the application."""
        return cast("Shell", self.app)

    def spans(self, width: int) -> Spans:
        """Return what to say in *width* cells."""
        raise NotImplementedError

    def bring(self) -> None:
        """Look again at what there is to say; draw it if it is something new."""
        if self.size.width < 1 or not self.display:
            return
        spans, palette = self.spans(self.size.width), self.shell.palette_now
        if spans != self._spans or palette is not self._palette:
            self._spans, self._palette = spans, palette
            self.refresh()

    @property
    def text(self) -> str:
        """Return the line without its colours."""
        return "".join(text for text, _role in self._spans)

    def on_resize(self, _event: events.Resize) -> None:
        """Say it in the new width."""
        self.bring()

    def render_line(self, y: int) -> Strip:
        """Return the line as it was brought."""
        return painted(self._spans, self.shell.palette_now, self.base, self.size.width)


def painted(spans: Spans, palette: Palette, ground: Role, width: int) -> Strip:
    """Return *spans* as a line of *width* cells on the *ground*."""
    base = palette[ground]
    segments = [
        Segment(text, base + (palette[role] if isinstance(role, Role) else role))
        for text, role in cut(spans, width)
        if text
    ]
    return Strip(segments).simplify().adjust_cell_length(width, base)
