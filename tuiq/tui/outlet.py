"""The thread that writes to the terminal; it alone waits when nobody reads there."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable

_BOUND = 64 * 1024
"""Characters that may wait; more is dropped, and drawn anew when there is room."""
_CHUNK = 4096
_MODE = re.compile(r"(?:\x1b\[[?<>=](?!2026)[\d;]*[a-z])+")
"""Switches of the terminal, which no drawing brings back."""


class Outlet(threading.Thread):
    """Writes what it is given, in order; ``put`` never waits.

    Once more waits than may, frames are dropped until all that waited is written;
    then *caught_up* is called, from this thread, for everything to be drawn again.
    *lost* is called when the terminal takes nothing any more.
    """

    def __init__(
        self, fd: int, *, caught_up: Callable[[], None], lost: Callable[[], None]
    ) -> None:
        """Write to a duplicate of *fd*."""
        super().__init__(name="tuiq-terminal", daemon=True)
        self._fd = os.dup(fd)
        self._caught_up = caught_up
        self._lost = lost
        self._changed = threading.Condition()
        self._waiting: list[str] = []
        self._amount = 0
        self._behind = False
        self._ending = False
        self.dropped = 0
        """Frames that were not sent."""

    def put(self, text: str) -> bool:
        """Have *text*, never empty, written; False: too much waits, it is dropped."""
        with self._changed:
            if self._amount > _BOUND:
                self._behind = True
            if self._behind and not _is_mode(text):
                self.dropped += 1
                return False
            self._waiting.append(text)
            self._amount += len(text)
            self._changed.notify()
            return True

    def close(self, timeout: float = 1.0) -> None:
        """Write what waits, but only the switches if it is much, and end.

        Gives up after *timeout* seconds: a terminal that is not read must not keep
        anybody from leaving.
        """
        with self._changed:
            if self._behind:
                self._waiting = [text for text in self._waiting if _is_mode(text)]
            self._ending = True
            self._changed.notify()
        if self.is_alive():
            self.join(timeout)

    def run(self) -> None:
        """Write until ``close``, or until the terminal is gone."""
        try:
            while text := self._next():
                self._write(text.encode("utf-8", "replace"))
                self._account(len(text))
        except OSError:
            self._lost()
        finally:
            os.close(self._fd)

    def _next(self) -> str:
        """Wait for what is to be written; empty: nothing any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ending)
            text = "".join(self._waiting)
            self._waiting.clear()
            return text

    def _account(self, written: int) -> None:
        """Note what was written; say so if nothing is left of a jam."""
        with self._changed:
            self._amount -= written
            relieved = self._behind and not self._waiting
            if relieved:
                self._behind = False
        if relieved:
            self._caught_up()

    def _write(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            rest = data[start : start + _CHUNK]
            while rest:
                rest = rest[os.write(self._fd, rest) :]


def _is_mode(text: str) -> bool:
    """Return whether *text* only switches modes of the terminal."""
    return _MODE.fullmatch(text) is not None
