"""The styles of a theme, as the grid and the bars look them up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style

from tuiq.tui.look.roles import Role

_PLAIN = Style()


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Palette:
    """One style per role; immutable, so that what was drawn with it may be kept.

    TEXT, HEADER, CURSOR, BAR, TAB and TAB_ON have a background.  The others are drawn
    over one of these: ``palette[Role.TEXT] + palette[Role.GOOD]``.
    """

    name: str
    styles: Mapping[Role, Style] = field(default_factory=dict)
    ascii: bool = False
    """Whether lines, blocks and arrows are drawn with ASCII signs alone."""

    def __getitem__(self, role: Role) -> Style:
        """Return the style of a role; plain without one."""
        return self.styles.get(role, _PLAIN)
