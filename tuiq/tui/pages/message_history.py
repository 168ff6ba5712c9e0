"""What the view tells of the past of a message: transcript and attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.actions.words import age, instant
from tuiq.spool.journal import Kind
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.lines import BLANK, fact, note
from tuiq.tui.pages.message_summary import attempts_plot

if TYPE_CHECKING:
    from tuiq.spool.trace import Record
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.pages.message_facts import Facts, History

_NAMED = 3
_SAID = 1000
"""Recipients whose last reply is shown; the section Recipients has them all."""


def transcript(facts: Facts, history: History | None) -> list[Line]:
    """Show what was last said about each recipient, and all that the journal tells."""
    lines: list[Line] = []
    for view in facts.recipients[:_SAID]:
        reason = facts.reasons.get(view.index)
        if reason:
            who = f" {view.index + 1}  {clean(view.address)}  "
            lines.append([(who, Role.DIM), (clean(reason), Role.TEXT)])
    lines = (
        [note("Last said about each recipient", Role.ACCENT), *lines, BLANK]
        if lines
        else [note("No server has said anything about it yet."), BLANK]
    )
    lines.append(note("Journal", Role.ACCENT))
    if history is None:
        return [*lines, note("reading the journal …")]
    if history.trouble:
        return [*lines, note(history.trouble, Role.BAD)]
    if not history.records:
        lines.append(note("It does not name this message, or no longer."))
    return [*lines, *map(_told, history.records)]


_EVENTS: dict[str, str] = {
    Kind.IN_DOUBT: "in doubt: the final dot left, no answer came",
    Kind.POSSIBLE_DUPLICATE: "POSSIBLE DUPLICATE: was in doubt, is tried again",
    Kind.DELAY_NOTICE: "sender told about a delay",
    Kind.RELAYED_NOTICE: "sender told that it was relayed",
    Kind.NOTICE_NOT_STORED: "notice could not be stored, made later",
    Kind.BOUNCED: "bounced, the sender was told",
    Kind.TLS_FALLBACK: "TLS given up",
}
_EVENT_ROLES: dict[str, Role] = {
    Kind.DELIVERED: Role.GOOD,
    Kind.DEFERRED: Role.DEFERRED,
    Kind.FAILED: Role.FAILED,
    Kind.BOUNCED: Role.FAILED,
    Kind.IN_DOUBT: Role.DOUBT,
    Kind.POSSIBLE_DUPLICATE: Role.BAD,
    Kind.OPERATOR: Role.ACCENT,
}


def _told(record: Record) -> Line:
    """Return one event of the journal."""
    word = _EVENTS.get(record.event, clean(record.event.replace("_", " ")))
    parts = [
        f"to {_names(record)}" if record.recipients else "",
        f"via {record.relay}" if record.relay else "",
        f"by {record.who}" if record.who else "",
        " ".join(filter(None, (str(record.code or ""), record.status, record.text))),
    ]
    return [
        (f" {instant(record.time)}  ", Role.DIM),
        (f"{word}  ", _EVENT_ROLES.get(record.event, Role.TEXT)),
        (clean("  ".join(filter(None, parts))), Role.TEXT),
    ]


def _names(record: Record) -> str:
    names = ", ".join(address for _, address in record.recipients[:_NAMED])
    more = len(record.recipients) - _NAMED
    return f"{names} and {more:,} more" if more > 0 else names


def attempts(facts: Facts, history: History | None, now: float) -> list[Line]:
    """Show when attempts ended, how long that was apart, and what came of them."""
    if history is None:
        return [note("reading the journal …")]
    if history.trouble:
        return [note(history.trouble, Role.BAD)]
    if not history.outcomes:
        if not facts.entry.tries:
            return [note("Nothing was tried yet.")]
        tries = fact("Tries", f"{facts.entry.tries}")
        return [tries, note("The journal has none of them, or no longer.")]
    plot = attempts_plot(history.attempts, facts.entry.birth, now)
    lines: list[Line] = [fact("Since then", plot, Role.PLOT_OUT), BLANK]
    before: float | None = None
    for record in history.outcomes:
        gap = "" if before is None else f"+{age(record.time - before)}"
        before = record.time
        lines.append(_outcome(record, gap))
    return lines


def _outcome(record: Record, gap: str) -> Line:
    """Return how an attempt ended, and how long that was after the one before."""
    count = len(record.recipients)
    said = (str(record.code or ""), record.status, record.text)
    whom = f"({count:,} recipients)" if count > 1 else ""
    word = record.event.replace("_", " ")
    told = " ".join(filter(None, (word, *said, whom)))
    return [
        (f" {instant(record.time)} {gap:>7}  ", Role.DIM),
        (f"{clean(record.relay)}  " if record.relay else "", Role.TEXT),
        (clean(told), _EVENT_ROLES[record.event]),
    ]
