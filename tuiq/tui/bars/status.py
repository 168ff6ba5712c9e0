"""What is marked and how it is ordered; what is being done and may be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.tui.bars.bar import Bar
from tuiq.tui.bars.parts import Spans, cut, two_sides, width_of
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean

if TYPE_CHECKING:
    from collections.abc import Callable


class StatusLine(Bar):
    """The page's state on the left; on the right jobs and undo, if both fit."""

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
        self.has_all = True
        """Whether jobs and undo stand here, and not on a line of their own."""

    def spans(self, width: int) -> Spans:
        """Return both, or the state alone where there is no room for both."""
        left = ((f" {clean(self._status())}", Role.BAR),)
        doing = clean(self._doing())
        right = ((f"{doing} ", Role.STRONG),) if doing else ()
        self.has_all = width_of(left) + width_of(right) + 4 <= width
        return two_sides(left, right if self.has_all else (), width)


class JobsLine(Bar):
    """Jobs and undo on a line of their own, where they do not fit beside the state."""

    DEFAULT_CSS = "JobsLine { display: none; } JobsLine.-needed { display: block; }"

    def __init__(
        self, doing: Callable[[], str], beside: StatusLine, *, id: str | None = None
    ) -> None:
        """Say what *doing* returns where *beside* has no room for it."""
        super().__init__(id=id)
        self._doing = doing
        self._beside = beside

    def bring(self) -> None:
        """Appear only where that is needed."""
        self.set_class(not self._beside.has_all, "-needed")
        super().bring()

    def spans(self, width: int) -> Spans:
        """Return the line."""
        return cut(((f" {clean(self._doing())}", Role.STRONG),), width)
