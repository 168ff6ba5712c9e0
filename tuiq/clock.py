"""The two clocks that tuiq looks at; passed in, never read behind one's back."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for schedules, boot time to notice when wall time jumped."""

    def now(self) -> float:
        """Return seconds since the epoch."""
        ...

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        ...

    def boottime(self) -> float:
        """Return seconds since boot, suspended time included, never set back."""
        ...


class SystemClock:
    """The clocks of the kernel."""

    now = staticmethod(time.time)
    now_ns = staticmethod(time.time_ns)

    def boottime(self) -> float:
        """Return CLOCK_BOOTTIME in seconds."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
