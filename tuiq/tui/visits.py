"""Where the operator has been: for ``-`` and for Esc after following something.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

_KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One change of screens."""

    left: str
    """The screen that was left."""
    came_to: str
    filter_before: str | None = None
    """The filter that the other screen had, when it got another one by the way."""


class Visits:
    """The changes of screens, the latest last."""

    def __init__(self) -> None:
        """Begin nowhere."""
        self._all: list[Visit] = []

    def note(self, visit: Visit) -> None:
        """Take note of a change."""
        self._all.append(visit)
        del self._all[:-_KEPT]

    def previous(self, now: str) -> str:
        """Return the screen before *now*; empty: there is none."""
        for visit in reversed(self._all):
            if visit.left != now:
                return visit.left
        return ""

    def way_back(self, now: str) -> Visit | None:
        """Return what Esc takes back: the step that led to *now* with a filter."""
        last = self._all[-1] if self._all else None
        if last is None or last.came_to != now or last.filter_before is None:
            return None
        return last

    def forget_last(self) -> None:
        """Forget the latest change, since it was taken back."""
        self._all.pop()
