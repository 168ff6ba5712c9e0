"""Marks of messages that have left are forgotten, a part of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuiq.tui.grid.marks import Marks
    from tuiq.tui.grid.model import Key
    from tuiq.tui.index.messages import Messages

_PART = 20_000


class Sweep:
    """Goes round all marks, again and again."""

    def __init__(self, message_of: Callable[[Key], str]) -> None:
        """Learn by *message_of* which message a mark is about."""
        self._message_of = message_of
        self._left: list[Key] = []

    def forget(self, messages: Messages, marks: Marks) -> bool:
        """Look at the next part of *marks*; return whether some were forgotten."""
        if not marks:
            return False
        from tuiq.tui.index.recipients import gone  # numpy, after the first paint

        keys = self._left or list(marks.keys)
        part, self._left = keys[:_PART], keys[_PART:]
        about = list(map(self._message_of, part))
        lost = set(gone(messages, about))
        if lost:
            marks.discard(*(k for k, id in zip(part, about, strict=True) if id in lost))
        return bool(lost)
