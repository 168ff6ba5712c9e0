"""The sections of a message's view, and the line that names them."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from tuiq.tui.look.roles import Role

if TYPE_CHECKING:
    from tuiq.tui.pages.lines import Line


class Section(Enum):
    """A part of the view; the value is its title."""

    ENVELOPE = "Envelope"
    RECIPIENTS = "Recipients"
    HEADERS = "Headers"
    BODY = "Body"
    RAW = "Raw"
    TRANSCRIPT = "Transcript"
    ATTEMPTS = "Attempts"
    LOCK = "Lock"
    WHY = "Why"


JUMPS = {
    "raw": Section.RAW,
    "transcript": Section.TRANSCRIPT,
    "lock": Section.LOCK,
    "why": Section.WHY,
}
"""Commands that open a section."""
ORDER = tuple(Section)


def tabs_line(section: Section, width: int) -> Line:
    """Return the sections, *section* in brackets; it alone where they do not fit."""
    line: list[tuple[str, Role]] = [(" ", Role.TAB)]
    for one in ORDER:
        is_on = one is section
        text = f"[{one.value}]" if is_on else f" {one.value} "
        line.append((text, Role.TAB_ON if is_on else Role.TAB))
    if sum(len(text) for text, _ in line) <= width:
        return line
    place = f"{ORDER.index(section) + 1} of {len(ORDER)}"
    return [
        (f" [{section.value}]", Role.TAB_ON),
        (f"  {place}  ← →", Role.TAB),
    ]
