"""A display that is held still while the queue goes on.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

_COUNTED = 100_000
"""Changed messages that are told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Since when the display is held still, and what it does not show."""

    since: float
    changes: int | None
    """Messages that changed since; None: more than were counted."""


class Stillness:
    """Holds the display still, and counts what passes by."""

    def __init__(self) -> None:
        """Begin moving."""
        self.now: Frozen | None = None
        self._changed: set[str] | None = set()

    def toggle(self, at: float) -> None:
        """Hold still from *at* on, or go on."""
        self._changed = set()
        self.now = Frozen(since=at, changes=0) if self.now is None else None

    def note(self, changed: frozenset[str] | None) -> None:
        """Count what has changed; None is more than can be told apart."""
        if self.now is None:
            return
        if changed is None or self._changed is None:
            self._changed = None
        else:
            self._changed |= changed
            if len(self._changed) > _COUNTED:
                self._changed = None
        count = None if self._changed is None else len(self._changed)
        self.now = Frozen(since=self.now.since, changes=count)
