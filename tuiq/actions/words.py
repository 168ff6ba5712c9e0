"""How quantities read for people: ages, spans, sizes, instants, numbers of things.

Pure; shared by the command line and the terminal UI, so that both say the same.
"""

from __future__ import annotations

import time

MINUTE = 60
HOUR = 3600
DAY = 86400


def age(seconds: float) -> str:
    """Return a duration in the four to six characters that a column has for it."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02}"
    return f"{whole // DAY}d{whole % DAY // HOUR:02}h"


def span(seconds: float) -> str:
    """Return a duration as a sentence has it: ``12 min``, ``2 h 05 min``."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"
    return f"{whole // DAY} d {whole % DAY // HOUR:02} h"


def size(count: float) -> str:
    """Return a number of bytes with one decimal and the unit: ``14.2K``."""
    if count < 1000:
        return str(int(count))
    for unit in "KMGT":
        count /= 1024
        if count < 999.95:
            return f"{count:.1f}{unit}"
    return f"{count:.0f}T"


def instant(epoch: float) -> str:
    """Return a local time that sorts: ``2026-11-19 21:14:03``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def arrival(epoch: float) -> str:
    """Return a local time as mailq prints it: ``Sun Nov 22 02:30:24``."""
    return time.asctime(time.localtime(epoch))[:19]


def plural(count: int, noun: str) -> str:
    """Return ``1 request``, ``2 requests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
