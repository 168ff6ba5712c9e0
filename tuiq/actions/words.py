"""How quantities read for people: ages, spans, sizes, instants, numbers of things.

Pure; shared by the command line and the terminal UI, so that both say the same.
"""

from __future__ import annotations

import math
import time

MINUTE = 60
HOUR = 3600
DAY = 86400
_ROUNDED = 1000
"""Bytes from which on a size has a unit."""


def age(seconds: float) -> str:
    """Return a duration in the two to six characters that a column has for it."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // MINUTE}m"
    if whole < DAY:
        return f"{whole // HOUR}h{whole % HOUR // MINUTE:02}"
    return f"{whole // DAY}d{whole % DAY // HOUR:02}h"


def span(seconds: float) -> str:
    """Return a duration as a sentence has it: ``12 min``, ``2 h 05 min``, ``1 d``.

    Rounded to what is said: what has just begun to last an hour lasts ``1 h``.
    """
    whole = max(0, _nearest(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    minutes = _nearest(whole / MINUTE)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < DAY // MINUTE:
        return _two(minutes // 60, "h", minutes % 60, "min")
    hours = _nearest(whole / HOUR)
    return _two(hours // 24, "d", hours % 24, "h")


def _two(large: int, unit: str, small: int, lesser: str) -> str:
    return f"{large} {unit} {small:02} {lesser}" if small else f"{large} {unit}"


def _nearest(number: float) -> int:
    return math.floor(number + 0.5)


def countdown(seconds: float) -> str:
    """Return what is left of a time that is watched: ``0:07``, ``4:12``, ``2h05``.

    It is zero when the time is over, and not before.
    """
    whole = max(0, math.ceil(seconds))
    if whole >= HOUR:
        return age(whole)
    return f"{whole // MINUTE}:{whole % MINUTE:02}"


def size(count: float) -> str:
    """Return a number of bytes in up to six characters: ``371``, ``14.2K``."""
    if count < _ROUNDED:
        return str(int(count))
    for unit in "KMGT":
        count /= 1024
        if count < 999.95:
            return f"{count:.1f}{unit}"
    return f"{count:.0f}T"


def volume(count: int) -> str:
    """Return a number of bytes as a sentence has it: ``371 bytes``, ``14.2K``."""
    return plural(count, "byte") if count < _ROUNDED else size(count)


def exact_volume(count: int) -> str:
    """Return the same with what was rounded away: ``14.2K (14,529 bytes)``."""
    exact = plural(count, "byte")
    return exact if count < _ROUNDED else f"{size(count)} ({exact})"


def instant(epoch: float) -> str:
    """Return a local time that sorts: ``2026-11-19 21:14:03``."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(epoch))


def arrival(epoch: float) -> str:
    """Return a local time as mailq prints it: ``Sun Nov 22 02:30:24``."""
    return time.asctime(time.localtime(epoch))[:19]


def plural(count: int, noun: str) -> str:
    """Return ``1 request``, ``2 requests``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
