"""The title: where you are, how fresh it is, who delivers, how much there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Part, Spans, joined, part, shrunk, two_sides
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.style import Style

    from tuiq.tui.look.theme import HostAccent
    from tuiq.tui.stillness import Frozen
    from tuiq.tui.world import World

_WIDE = 100
"""Columns from which on there is room for two spaces between two statements."""


class TitleBar(Bar):
    """The first line of the screen."""

    def __init__(self, world: World, *, id: str | None = None) -> None:
        """Speak of *world*."""
        super().__init__(id=id)
        self._world = world
        self.frozen: Frozen | None = None
        self.accent: HostAccent | None = None
        """How this host is told from others; None: like any."""
        self.troubles: Callable[[], str] = str
        """Says how much went wrong and where to read it; empty: nothing."""
        self.is_up = False
        """Whether all parts of the world are there."""

    def spans(self, width: int) -> Spans:
        """Return the title, its least important parts shortened."""
        left = [
            part((" tuiq", Role.STRONG), (" ", Role.DIM), rank=8),
            self._host(),
            self._place(),
        ]
        right: list[Part] = []
        if self.is_up:
            from tuiq.tui.bars.title_parts import facts

            more, right = facts(self._world, self.frozen, self.troubles())
            left += more
        else:
            left.append(part(("◐ opening", Role.INFO), rank=15))
        left += _read_only(self._world)
        gap = 2 if width >= _WIDE else 1
        forms = shrunk([*left, *right], width - 2, gap=gap)
        ends = (*joined(forms[len(left) :], gap=gap), (" ", Role.DIM))
        return two_sides(joined(forms[: len(left)], gap=gap), ends, width)

    def _place(self) -> Part:
        path = clean(str(self._world.spool.path))
        last = f"…/{path.rpartition('/')[2]}"
        return part((path, Role.DIM), (last, Role.DIM), None, rank=20)

    def _host(self) -> Part:
        if self.accent is None:
            return host_part(self._world.actor.host)
        return host_part(self._world.actor.host, self.accent.label, self.accent.style)


def _read_only(world: World) -> list[Part]:
    if not world.options.read_only:
        return []
    return [part(("read-only", Role.WARN), ("r/o", Role.WARN), rank=7)]


def host_part(host: str, label: str = "", role: Role | Style = Role.ACCENT) -> Part:
    """Return the host with the word for it; where it is narrow without its domain."""
    name = clean(host) or "localhost"
    word = f" {clean(label)}" if label else ""
    return part(
        (f"{name}{word}", role), (f"{name.partition('.')[0]}{word}", role), rank=19
    )
