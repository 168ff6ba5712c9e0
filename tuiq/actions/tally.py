"""How far an action is that another process has at work, by its growing file."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TURN = 8 * 1024 * 1024
"""Bytes that one look reads at most."""
_ANSWER = b'{"event": "answer"'
"""How an answer's line begins; inside a line its quotes would be escaped."""


class Tally:
    """Counts the answers in an action's file; what was read is not read again."""

    def __init__(self, path: Path) -> None:
        """Count in *path*; nothing is read yet."""
        self._path = path
        self._at = 0
        self._found = 0
        self._rest = b""  # too short for an answer that was counted
        self._is_behind = True

    @property
    def done(self) -> int | None:
        """Return how many messages were answered; None: not all was read yet."""
        return None if self._is_behind else self._found

    def look(self) -> None:
        """Count what was appended.  Raises OSError."""
        with self._path.open("rb") as file:
            file.seek(self._at)
            data = file.read(TURN)
        self._at += len(data)
        self._is_behind = len(data) == TURN
        data = self._rest + data
        self._found += data.count(_ANSWER)
        self._rest = data[1 - len(_ANSWER) :]
