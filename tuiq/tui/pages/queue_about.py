"""The lines about the focused queue directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import instant, plural, size
from tuiq.spool.pauses import Scope
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.figures import percent
from tuiq.tui.pages.queue_rows import paused

if TYPE_CHECKING:
    from tuiq.tui.live.lookout import DirectoryFacts
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.pages.queue_rows import QueueRow

_NAMED = 4
"""Pauses that are named."""


def about(row: QueueRow) -> list[Line]:
    """Return the lines on the focused directory."""
    if row.facts is None:
        moving = plural(row.moving, "message")
        first: Line = [(f" {moving} on the way", Role.DIM)]
        return [first, *_pauses(row)]
    facts = row.facts
    real = f" -> {facts.real}" if facts.real else ""
    who = f"served by {clean(facts.runner)}" if facts.runner else "served by nobody"
    first = [
        (f" {facts.path}{real}", Role.STRONG),
        (f"   {who}", Role.TEXT if facts.runner else Role.WARN),
    ]
    return [first, *_warnings(row), *_room(facts)]


def _room(facts: DirectoryFacts) -> list[Line]:
    if not facts.total_bytes:
        return []
    free = percent(facts.free_bytes / facts.total_bytes)
    disk = f"{size(facts.free_bytes)} of {size(facts.total_bytes)} free ({free})"
    counted = "inodes are not counted there"
    if facts.total_inodes:
        share = percent(facts.free_inodes / facts.total_inodes)
        counted = f"{facts.free_inodes:,} inodes free ({share})"
    return [[(f" disk {disk} · {counted}", Role.DIM)]]


def _warnings(row: QueueRow) -> list[Line]:
    facts = row.facts
    assert facts is not None
    lines: list[Line] = []
    if facts.error:
        lines.append([(f" {row.name} {facts.error}", Role.BAD)])
    if facts.suspect:
        lines.append([(f" suspect: {facts.suspect}", Role.BAD)])
    if facts.low:
        text = f" low disk: {facts.low}; nothing is sent from here: free some space"
        lines.append([(text, Role.BAD)])
    return [*lines, *_pauses(row)]


def _pauses(row: QueueRow) -> list[Line]:
    lines: list[Line] = []
    for pause in row.pauses[:_NAMED]:
        who = f"by {clean(pause.who)}" if pause.who else ""
        end = f"ends {instant(pause.until)}" if pause.until else ""
        place = ""
        if row.facts is None and pause.scope is not Scope.SPOOL:
            place = f" {clean(row.places.get(pause.file, pause.name))}:"
        parts = (f"{place} {paused(pause, row.now)}", who, end, "resume ends it")
        lines.append([(" · ".join(filter(None, parts)), Role.PAUSED)])
    more = len(row.pauses) - len(lines)
    if more:
        lines.append([(f" and {more} more; P lists them", Role.PAUSED)])
    return lines
