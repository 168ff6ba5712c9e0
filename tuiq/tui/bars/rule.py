"""A line between two parts of the screen."""

from __future__ import annotations

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Spans
from tuiq.tui.look.roles import Role


class Rule(Bar):
    """A horizontal line, where there are lines to spare."""

    base = Role.TEXT

    def spans(self, width: int) -> Spans:
        """Return the line."""
        return (("─" * width, Role.DIM),)
