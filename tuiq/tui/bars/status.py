"""What is marked and how it is ordered; what is being done and may be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Spans, two_sides, width_of
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable


class StatusLine(Bar):
    """The page's state on the left, jobs and undo on the right.

    ``wants`` is how many lines the two need in a width: with two, the jobs have a
    line of their own above, which is another ``JobsLine``.
    """

    def __init__(
        self,
        status: Callable[[], str],
        doing: Callable[[], str],
        *,
        id: str | None = None,
    ) -> None:
        """Say what *status* and *doing* return."""
        super().__init__(id=id)
        self._status = status
        self._doing = doing

    def fits(self, width: int) -> bool:
        """Say whether both stand in one line."""
        return width_of(self._left()) + width_of(self._right()) + 4 <= width

    def spans(self, width: int) -> Spans:
        """Return both, or the state alone where there is no room for both."""
        right = self._right() if self.fits(width) else ()
        return two_sides(self._left(), right, width)

    def _left(self) -> Spans:
        return ((f" {self._status()}", Role.BAR),)

    def _right(self) -> Spans:
        doing = self._doing()
        return ((f"{clean(doing)} ", Role.STRONG),) if doing else ()


class JobsLine(Bar):
    """Jobs and undo on a line of their own, where they do not fit beside the state."""

    def __init__(self, doing: Callable[[], str], *, id: str | None = None) -> None:
        """Say what *doing* returns."""
        super().__init__(id=id)
        self._doing = doing

    def spans(self, width: int) -> Spans:
        """Return the line."""
        return ((f" {clean(self._doing())}", Role.STRONG),)
