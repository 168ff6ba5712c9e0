"""Numbers as the live pages print them: short, and never a zero that is not one."""

from __future__ import annotations

_BLOCKS = " ▏▎▍▌▋▊▉█"


def compact(number: float) -> str:
    """Return a count in up to four characters: ``901``, ``4.1k``, ``417k``."""
    if number < 1000:
        return str(int(number))
    for unit in "kMG":
        number /= 1000
        if number < 9.95:
            return f"{number:.1f}{unit}"
        if number < 999.5:
            return f"{number:.0f}{unit}"
    return f"{number:.0f}G"


def rate(number: float) -> str:
    """Return a number per second: ``0``, ``0.2``, ``2,931``."""
    if number <= 0:
        return "0"
    if number < 0.05:
        return "<0.1"
    return f"{number:.1f}" if number < 9.95 else f"{number:,.0f}"


def percent(share: float) -> str:
    """Return ``71 %``; ``<1 %`` and ``>99 %`` where rounding would lie."""
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{share * 100:.0f} %"


def gauge(share: float, width: int) -> str:
    """Return a bar of *width* cells that is filled up to *share*."""
    share = min(max(share, 0.0), 1.0)
    full, eighths = divmod(round(share * width * 8), 8)
    part = _BLOCKS[eighths] if eighths else ""
    return (_BLOCKS[8] * full + part).ljust(width)
