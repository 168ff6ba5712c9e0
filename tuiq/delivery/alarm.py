"""One timer for waits that begin and end all the time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Alarm:
    """Rings when it was set and not put off in time.

    Making and cancelling a timer of the loop costs more than the rest of a short
    wait.  So one that is there already stays, and when it fires looks whether it is
    time.
    """

    __slots__ = ("_due", "_fires", "_loop", "_ring", "_timer")

    def __init__(self, ring: Callable[[], None]) -> None:
        """Call *ring* on the loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        # Loop times: when the timer fires, and when it has to ring; None: not set.
        self._fires = 0.0
        self._due: float | None = None

    def set(self, seconds: float) -> None:
        """Ring so many *seconds* from now, and at no time it was set to before."""
        due = self._due = self._loop.time() + seconds
        if self._timer is None or due < self._fires:
            self._arm(due)

    def clear(self) -> None:
        """Do not ring until it is set again."""
        self._due = None

    def close(self) -> None:
        """Do not ring, and let go of the loop's timer."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._fires = when
        self._timer = self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self._timer = None
        due = self._due
        if due is None:
            return
        if due > self._loop.time():
            self._arm(due)
        else:
            self._due = None
            self._ring()
