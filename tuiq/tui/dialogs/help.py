"""Help: the keys of a screen, and what the focused part of it is."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuiq.tui.commands import COMMANDS, Command
from tuiq.tui.look.dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from textual.app import ComposeResult

    from tuiq.tui.keymap import KeyMap

_KEYS, _LABEL = 16, 16
_Line = tuple[str | tuple[str, str], ...]


class Scrolled(Dialog[str]):
    """A text that may be longer than the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "scroll(1)", show=False),
        Binding("up,k", "scroll(-1)", show=False),
        Binding("pagedown,space,ctrl+d", "scroll(15)", show=False),
        Binding("pageup,ctrl+b", "scroll(-15)", show=False),
        Binding("home,g", "scroll(-9999)", show=False),
        Binding("end,G", "scroll(9999)", show=False),
        Binding("q,question_mark,f1,enter", "leave", show=False),
    ]

    def action_scroll(self, lines: int) -> None:
        """Scroll by so many lines."""
        body = self.query_one("#body", VerticalScroll)
        body.scroll_relative(y=lines, animate=False)


class Help(Scrolled):
    """The keys of the screen by what they are for; answers ``tour`` or None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("t", "tour", show=False)]

    def __init__(
        self,
        title: str,
        ids: Collection[str],
        keymap: KeyMap,
        why_not: Callable[[str], str],
        *,
        tour: bool,
    ) -> None:
        """Explain the commands *ids* of the screen *title*."""
        hints = [("down", "scroll"), ("escape", "leave")]
        if tour:
            hints.insert(0, ("t", "take the tour"))
        super().__init__(f"Keys of {title}", hints=hints, classes="-wide")
        self._commands = [one for id, one in COMMANDS.items() if id in ids]
        self._keymap = keymap
        self._why_not = why_not
        self._tour = tour

    def body(self) -> ComposeResult:
        """Yield all keys in one text."""
        lines: list[_Line] = []
        for group, commands in groupby(self._commands, key=lambda one: one.group):
            lines += [((group.value, "bold $accent"),), *map(self._line, commands), ()]
        if self._tour:
            tour = " Tour            two minutes over the real keys, here: press t"
            lines += [(tour,)]
        yield Static(_text(lines), markup=False)

    def _line(self, command: Command) -> _Line:
        ascii_only = self.shell.palette_now.ascii
        keys = (
            " ".join(self._keymap.all_shown(command.id, ascii=ascii_only)) or "no key"
        )
        changed = " (changed)" if command.id in self._keymap.overrides else ""
        why = self._why_not(command.id)
        said = f"{command.gloss}{changed}"
        style = "$text-muted" if why else "bold"
        return (
            (f" {keys:<{_KEYS}}", style),
            (f"{command.label:<{_LABEL}}", style),
            (said, "$text-muted" if why else ""),
            (f" – not now: {why}" if why else "", "$text-muted italic"),
        )

    def action_tour(self) -> None:
        """Leave for the tour."""
        if self._tour:
            self.dismiss("tour")


class HelpHere(Scrolled):
    """What the focused part of the screen is."""

    def __init__(self, title: str, lines: Sequence[tuple[str, str]]) -> None:
        """Explain words, each with what it means; clean."""
        super().__init__(title, hints=[("escape", "leave")], classes="-wide")
        self._lines = lines

    def body(self) -> ComposeResult:
        """Yield a line for each word."""
        width = max((len(word) for word, _ in self._lines), default=0) + 2
        lines: list[_Line] = [
            ((f" {word:<{width}}", "bold"), said) for word, said in self._lines
        ]
        yield Static(_text(lines), markup=False)


def _text(lines: Sequence[_Line]) -> Content:
    parts: list[str | tuple[str, str]] = []
    for line in lines:
        parts += [*line, "\n"]
    return Content.assemble(*parts).rstrip()
