"""What was done and what happened, as rows that plain words can be sought in."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.verbs import CARDS
from tuiq.actions.words import plural, span
from tuiq.spool.answers import Verb
from tuiq.tui.grid.model import Cell, left, right
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.page import Done

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.actions.records import Record
    from tuiq.tui.index.feed import FeedState
    from tuiq.tui.live.runs import Run
    from tuiq.tui.troubles import Spell, Trouble

COLUMNS = (
    left("time", "WHEN", 14, 0, "when it was begun"),
    left("what", "WHAT", 9, 0, "the verb, or what kind of thing it is"),
    left("who", "WHO", 10, 2, "who did it"),
    right("count", "MSGS", 7, 1, "messages it was about"),
    left("outcome", "OUTCOME", 12, 3, "how it went", flex=1),
    left("scope", "SCOPE", 16, 0, "what it was applied to, and why", flex=2),
)
_HOW = (
    ("acted", "done"),
    ("gone", "gone before"),
    ("in_flight", "in flight"),
    ("refused", "refused"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityRow:
    """One thing that was done, or that happened; all text is clean."""

    at: float
    """Epoch seconds."""
    what: str
    scope: str
    role: Role = Role.TEXT
    who: str = ""
    count: int = 0
    outcome: str = ""
    record: Record | None = None
    """What the audit log says about an action; None: it is none."""
    running: bool = False
    ended: float | None = None
    """When something that was amiss was so no more."""

    @property
    def text(self) -> str:
        """Return all that words are sought in, in lower case."""
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.at))
        action = self.record.start.action if self.record else ""
        parts = (when, self.what, self.who, self.outcome, self.scope, action)
        return " ".join(parts).lower()


def of_action(record: Record, *, host: str) -> ActivityRow:
    """Return the row of an operator's action."""
    start = record.start
    reason = f" ({clean(start.reason)})" if start.reason else ""
    undoes = f"takes back {start.undoes}: " if start.undoes else ""
    running = record.counts is None and is_alive(record, host)
    return ActivityRow(
        at=start.at,
        what=clean(start.verb),
        scope=undoes + clean(start.scope) + reason,
        who=clean(start.actor.who),
        count=start.count,
        outcome=_outcome(record, running=running),
        role=_role(record, running=running),
        record=record,
        running=running,
    )


def is_alive(record: Record, host: str) -> bool:
    """Say whether the process behind an action may still be at work."""
    actor = record.start.actor
    if actor.host and host and actor.host != host:
        return True  # it cannot be seen from here
    return os.path.exists(f"/proc/{actor.pid}")


def _role(record: Record, *, running: bool) -> Role:
    if running:
        return Role.ACTIVE
    if record.undone_by:
        return Role.DIM
    if record.counts is None or not record.complete:
        return Role.WARN
    return Role.WARN if record.counts.get("refused") else Role.GOOD


def _outcome(record: Record, *, running: bool) -> str:
    if record.undone_by:
        return "taken back"
    if running:
        return f"running: {record.done:,} done" if record.done else "running"
    if record.counts is None:
        return "died on the way: some may be done"
    counts = record.counts
    if not record.start.count:
        return "done" if record.complete else "stopped"
    if counts.get("acted") == record.start.count:
        return "done"  # to all: the column before says to how many
    said = [f"{counts[key]:,} {word}" for key, word in _HOW if counts.get(key)]
    left_over = record.start.count - sum(counts.values())
    if left_over > 0:
        said.append(f"stopped before {left_over:,}")
    return " · ".join(said) or "nothing to do"


def of_run(run: Run) -> ActivityRow:
    """Return the row of a runner that came, turned or went."""
    done = f", {plural(run.count, 'recipient')} delivered" if run.count else ""
    roles = {"died": Role.BAD, "ended": Role.WARN}
    return ActivityRow(
        at=run.at,
        what="runner",
        scope=clean(run.runner),
        outcome=run.what + done,
        role=roles.get(run.what, Role.INFO),
    )


def of_trouble(trouble: Trouble) -> ActivityRow:
    """Return the row of a fault of the UI."""
    times = f"{trouble.times} times" if trouble.times > 1 else ""
    return ActivityRow(
        at=trouble.at,
        what="error",
        scope=trouble.text,
        outcome=times,
        role=Role.BAD,
    )


def of_spell(spell: Spell) -> ActivityRow:
    """Return the row of something that is amiss, or was."""
    ended = spell.ended
    said = ["now" if ended is None else f"until {when(ended, ended)}"]
    if spell.times > 1:
        said.append(f"{spell.times} times")
    return ActivityRow(
        at=spell.began,
        ended=ended,
        what="reading",
        scope=spell.text,
        outcome=", ".join(said),
        role=Role.BAD if ended is None else Role.DIM,
    )


def of_list(state: FeedState) -> ActivityRow:
    """Return the row of the last time that all was listed."""
    return ActivityRow(
        at=state.scanned,
        what="rescan",
        scope="all queue directories were listed",
        outcome=f"{state.read:,} read",
        role=Role.DIM,
    )


def cell(row: ActivityRow, column: str, *, now: float) -> Cell:
    """Return what a column says."""
    if column == "time":
        return when(row.at, now), Role.DIM
    if column == "what":
        return row.what, Role.STRONG if row.record else row.role
    if column == "count":
        return (f"{row.count:,}" if row.count else ""), Role.TEXT
    role = row.role if column == "outcome" else Role.TEXT
    return getattr(row, column), role


def rank(row: ActivityRow, column: str) -> object:
    """Return what a column is ordered by."""
    if column == "time":
        return row.at
    return row.count if column == "count" else getattr(row, column)


def when(at: float, now: float) -> str:
    """Return the time of today's, the day before that for others."""
    moment, today = time.localtime(at), time.localtime(now)
    same = moment[:3] == today[:3]
    return time.strftime("%H:%M:%S" if same else "%m-%d %H:%M:%S", moment)


def matching(
    rows: dict[str, ActivityRow], words: Iterable[str]
) -> dict[str, ActivityRow]:
    """Return the rows in which all *words* are; with ``!`` before one: it is not."""
    wanted = [word.lower() for word in words if not word.startswith("!")]
    barred = [word[1:].lower() for word in words if word.startswith("!") and word[1:]]
    if not wanted and not barred:
        return rows
    return {
        key: row
        for key, row in rows.items()
        if all(word in row.text for word in wanted)
        and not any(word in row.text for word in barred)
    }


def undoing(row: ActivityRow, *, now: float, keep: float) -> Done | None:
    """Return what ``undo`` would take back; None: the row is no action."""
    record = row.record
    if record is None:
        return None
    start, counts = record.start, record.counts or {}
    count = counts.get("acted", 0) + counts.get("in_flight", 0)
    return Done(
        action=start.action,
        verb=clean(start.verb),
        count=count or start.count,
        at=start.at,
        why_not=_why_final(row, now=now, keep=keep),
    )


def _why_final(row: ActivityRow, *, now: float, keep: float) -> str:
    record = row.record
    assert record is not None
    verb = record.start.verb
    if record.undone_by:
        return f"taken back already by {record.undone_by}"
    if row.running:
        return "it is still running"
    card = CARDS[Verb(verb)] if verb in set(Verb) else None
    if card is not None and card.no_undo:
        return f"{verb} cannot be taken back: {card.no_undo}"
    if verb == Verb.DELETE and now - record.start.at > keep:
        return f"the trash keeps mail for {span(keep)}; this was longer ago"
    return ""
