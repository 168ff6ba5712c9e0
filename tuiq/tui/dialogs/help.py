"""Help: the keys of a screen, and what the focused part of it is."""

from __future__ import annotations

from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tuiq.tui.commands import COMMANDS, Command
from tuiq.tui.dialog import Dialog
from tuiq.tui.look.text import fit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from textual.app import ComposeResult

    from tuiq.tui.keymap import KeyMap

_LABEL = 16
_WIDEST, _FRAME, _SHORTEST = 100, 6, 16
"""Columns of the dialog, of what is around its text, of the shortest line."""
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
        shown = {one.id: self._keys(one) for one in self._commands}
        width = max(map(cell_len, shown.values())) + 3
        lines: list[_Line] = []
        for group, commands in groupby(self._commands, key=lambda one: one.group):
            lines.append(((group.value, "bold $accent"),))
            for one in commands:
                lines += self._lines(one, fit(f" {shown[one.id]}", width))
            lines.append(())
        if self._tour:
            lines += self._said(
                fit(" t", width), fit("Tour", _LABEL), "two minutes over these keys"
            )
        yield Static(_text(lines), markup=False)

    def _keys(self, command: Command) -> str:
        ascii_only = self.shell.palette_now.ascii
        shown = self._keymap.all_shown(command.id, ascii=ascii_only)
        return " ".join(shown) or "no key"

    def _lines(self, command: Command, keys: str) -> list[_Line]:
        changed = " (changed)" if command.id in self._keymap.overrides else ""
        why = self._why_not(command.id)
        later = f"; not now: {why}" if why else ""
        said = f"{command.gloss}{changed}{later}"
        return self._said(keys, fit(command.label, _LABEL), said, dim=bool(why))

    def _said(
        self, keys: str, label: str, said: str, *, dim: bool = False
    ) -> list[_Line]:
        """Return a line, or more where the sentence is too long for one."""
        indent = cell_len(keys) + cell_len(label)
        spare = min(_WIDEST, self.app.size.width) - _FRAME - indent
        first, *rest = wrap(said, max(_SHORTEST, spare))
        style, strong = ("$text-muted", "$text-muted") if dim else ("", "bold")
        begin = (f"{keys}{label}", strong)
        return [
            (begin, (first, style)),
            *(((" " * indent + line, style),) for line in rest),
        ]

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
