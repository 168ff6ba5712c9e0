"""One message in a few lines, for the pane below a list."""

from __future__ import annotations

import time
from itertools import chain, islice
from typing import TYPE_CHECKING

from rich.cells import cell_len

from tuiq.actions.explain import explain
from tuiq.actions.words import instant, plural, span, volume
from tuiq.spool.entry import State
from tuiq.spool.flags import OPEN
from tuiq.tui.look.plot import sparkline
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.message_facts import (
    recipient_sign,
    recipient_word,
)
from tuiq.tui.pages.message_rows import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.pages.message_facts import Facts

_LABEL = 11
_ADDRESS, _WORD = 28, 18
_TIMES = 6
_BARS = 12


def pane_title(facts: Facts, around: Circumstances) -> Line:
    """Return id, state and what is left."""
    entry = facts.entry
    state = around.state(entry)
    left = f" · {entry.left:,} of {plural(entry.count, 'recipient')} left"
    return [
        ("──", Role.DIM),
        (f" {entry.queue_id} ", Role.STRONG),
        ("· ", Role.DIM),
        (state.value, ROLES[state]),
        (f"{left if entry.count else ''} · {clean(entry.directory)} ", Role.DIM),
    ]


def pane_lines(
    facts: Facts, around: Circumstances, *, now: float, room: int
) -> list[Line]:
    """Return what there is to say in *room* lines; recipients give way first."""
    entry = facts.entry
    tail = [_attempts(facts, now), lock_line(entry, around)]
    head: list[Line] = [
        _envelope(entry, around, now),
        [label("Subject"), subject_cell(facts)],
        [label("Why"), (explain(entry, around).text, Role.TEXT)],
    ]
    space = max(1, room - len(head) - len(tail))
    return [*head, *_recipients(facts, around, space), *tail]


def label(text: str) -> tuple[str, Role]:
    """Return the name of a line, as wide as all of them."""
    return f" {text:<{_LABEL}}", Role.DIM


def subject_cell(facts: Facts) -> tuple[str, Role]:
    """Return the subject, or why there is none."""
    if facts.trouble:
        return facts.trouble, Role.BAD
    subject = facts.subject
    return (subject, Role.STRONG) if subject else ("(none)", Role.DIM)


def _envelope(entry: QueueEntry, around: Circumstances, now: float) -> Line:
    if not entry.count:
        return [label("Envelope"), ("cannot be read", Role.DAMAGED)]
    parts = [
        f"from <{clean(entry.sender)}>",
        f"size {volume(entry.size)}",
        f"queued {instant(entry.birth)}",
        next_words(entry, around, now),
    ]
    return [label("Envelope"), ("   ".join(filter(None, parts)), Role.TEXT)]


def next_words(entry: QueueEntry, around: Circumstances, now: float) -> str:
    """Return when it is tried next, as far as time alone decides."""
    state = around.state(entry)
    if state not in {State.DUE, State.DEFERRED, State.DOUBT}:
        return ""
    wait = entry.next_attempt - now
    return f"next try in {span(wait)}" if wait > 0 else "next try now"


def _recipients(facts: Facts, around: Circumstances, space: int) -> list[Line]:
    """Return the recipients that fit, those that are not settled first."""
    views = facts.recipients
    if not views:
        return [[label("Rcpt"), ("cannot be read", Role.DAMAGED)]]
    room = space if len(views) <= space else max(1, space - 1)
    left = (view for view in views if view.state in OPEN)
    others = (view for view in views if view.state not in OPEN)
    shown = list(islice(chain(left, others), room))
    state = around.state(facts.entry)
    lines: list[Line] = []
    for view in shown:
        sign, role = recipient_sign(view)
        there = clean(facts.destination(view, around))
        said = clean(facts.reasons.get(view.index, b""))
        lines.append(
            [
                label(""),
                (f"{sign} ", role),
                (padded(clean(view.address), _ADDRESS), Role.TEXT),
                (padded(_word(view, state), _WORD), role),
                (f"{there}  ", Role.DIM),
                (said, Role.TEXT),
            ]
        )
    lines[0] = [label("Rcpt"), *lines[0][1:]]
    more = len(views) - len(shown)
    if more and space > 1:
        lines.append([label(""), (f"and {more:,} more: Enter, Recipients", Role.DIM)])
    return lines


def _word(view: RecipientView, state: State) -> str:
    word = recipient_word(view, state)
    if not view.tries:
        return word
    return f"{word}, " + ("1 try" if view.tries == 1 else f"{view.tries} tries")


def padded(text: str, width: int) -> str:
    """Return clean *text* in *width* cells at least, and two spaces after it."""
    return text + " " * max(0, width - cell_len(text)) + "  "


def _attempts(facts: Facts, now: float) -> Line:
    entry = facts.entry
    if not entry.tries:
        said = "none yet" if entry.count else "cannot be read"
        return [label("Attempts"), (said, Role.DIM)]
    if not facts.attempts:
        last = f", the last {span(now - entry.last_attempt)} ago"
        return [label("Attempts"), (f"{entry.tries}{last}", Role.TEXT)]
    return [
        label("Attempts"),
        (_times(facts.attempts), Role.TEXT),
        ("   ", Role.TEXT),
        (attempts_plot(facts.attempts, entry.birth, now), Role.PLOT_OUT),
    ]


def _times(moments: Sequence[float]) -> str:
    shown = [time.strftime("%H:%M", time.localtime(m)) for m in moments[-_TIMES:]]
    more = ["…"] if len(moments) > len(shown) else []
    return " ".join([*more, *shown])


def attempts_plot(moments: Sequence[float], birth: float, now: float) -> str:
    """Return how densely attempts lay between the submission and now."""
    width = max(1.0, now - birth) / _BARS
    counts = [0.0] * _BARS
    for moment in moments:
        counts[max(0, min(_BARS - 1, int((moment - birth) / width)))] += 1
    return sparkline(counts, _BARS)


def lock_line(entry: QueueEntry, around: Circumstances) -> Line:
    """Return who holds the message."""
    work = around.work(entry.queue_id)
    if work is None:
        return [label("Lock"), ("none", Role.DIM)]
    what = f"{clean(work.phase)} with {clean(work.destination)}" if work.phase else ""
    since = f"for {span(around.now - work.since)}" if work.since else ""
    program = clean(work.program) or "unknown program"
    words = [f"pid {work.pid} ({program})", what, since]
    return [label("Lock"), (" ".join(filter(None, words)), Role.ACTIVE)]
