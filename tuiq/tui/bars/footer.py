"""The keys that help most here; those that cannot work now are dimmed, not hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Spans, joined, two_sides, width_of
from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """One key of the footer."""

    command: str
    """Empty where only the key itself does it."""
    key: str
    """As people read it."""
    label: str
    off: bool = False
    """Whether it cannot work now."""


class Footer(Bar):
    """The last line: as many hints as fit, the last of them always."""

    def __init__(
        self, hints: Callable[[], Sequence[Hint]], *, id: str | None = None
    ) -> None:
        """Show what *hints* returns, the most useful first, the last two always."""
        super().__init__(id=id)
        self._hints = hints
        self._places: list[tuple[int, int, str]] = []

    def spans(self, width: int) -> Spans:
        """Return the hints that fit."""
        hints = list(self._hints())
        shown, always = hints[:-2], hints[-2:]
        end = joined(map(_spans_of, always))
        spare = width - width_of(end) - 3
        begin: list[Spans] = []
        for hint in shown:
            spans = _spans_of(hint)
            if width_of(joined([*begin, spans])) + 1 > spare:
                break
            begin.append(spans)
        kept = shown[: len(begin)]
        line = two_sides(
            ((" ", Role.BAR), *joined(begin)), (*end, (" ", Role.BAR)), width
        )
        self._note_places(line, [*kept, *always])
        return line

    def _note_places(self, line: Spans, hints: Sequence[Hint]) -> None:
        keys = iter(hints)
        self._places = []
        at = 0
        for span in line:
            taken = width_of([span])
            if span[1] in (Role.KEY, Role.KEY_OFF) and not span[0].startswith(" "):
                self._places.append((at, at + taken, next(keys).command))
            at += taken

    def on_click(self, event: events.Click) -> None:
        """Do what the key does that was clicked."""
        for start, end, command in self._places:
            if start <= event.x < end and command:
                self.shell.perform(command)


def _spans_of(hint: Hint) -> Spans:
    if hint.off:
        return ((f"{hint.key} {hint.label}", Role.KEY_OFF),)
    return ((hint.key, Role.KEY), (f" {hint.label}", Role.BAR))
