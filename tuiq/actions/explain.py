"""Why a message is not on its way this very moment, as one reason and one line.

Pure: the entry and the circumstances go in, words come out.  The order of the
rules is that of the state words; the first that fits is the reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tuiq.actions.words import span
from tuiq.config.routes import Means
from tuiq.delivery.route import settings_for
from tuiq.log import printable
from tuiq.spool import texts
from tuiq.spool.entry import State
from tuiq.spool.pauses import Scope

if TYPE_CHECKING:
    from tuiq.actions.circumstances import Circumstances, Work
    from tuiq.delivery.route import DestinationKey
    from tuiq.spool.entry import QueueEntry, RecipientView
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.pauses import Pause


class Cause(StrEnum):
    """What a message waits for; the value is what ``--json`` prints."""

    DAMAGED = "damaged"
    MOVING = "moving"
    FINISHED = "finished"
    TRASHED = "trashed"
    HELD = "held"
    LOCKED = "locked"
    DOUBT = "in-doubt"
    FAILED = "failed"
    PAUSED = "paused"
    LOW_DISK = "low-disk"
    WAITING = "waiting"
    NO_RUNNER = "no-runner"
    AT_LIMIT = "at-limit"
    ROUTE = "route"
    DUE = "due"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a message is where it is."""

    cause: Cause
    text: str
    """One line for people, escaped."""
    until: int | None = None
    """Epoch seconds at which this ends by itself; None: it does not, or now."""


_UNUSABLE: dict[bytes, tuple[Cause, str]] = {
    b"C": (
        Cause.DAMAGED,
        "damaged: a runner refused it; see tuiq check, then requeue or delete it",
    ),
    b"P": (
        Cause.MOVING,
        "a copy that a move has not activated; it is not delivered from here",
    ),
    b"M": (
        Cause.MOVING,
        "moved to another queue directory; it is not delivered from here",
    ),
    b"F": (Cause.FINISHED, "finished; its files are being removed"),
}


def explain(entry: QueueEntry, around: Circumstances) -> Reason:
    """Return the reason that keeps *entry* from being delivered just now."""
    for rule in (_unusable, _by_operator, _by_state, _by_surroundings):
        reason = rule(entry, around)
        if reason is not None:
            return reason
    return _due(entry, around)


def _unusable(entry: QueueEntry, _around: Circumstances) -> Reason | None:
    if entry.damage:
        return Reason(cause=Cause.DAMAGED, text=f"damaged: {printable(entry.damage)}")
    found = _UNUSABLE.get(entry.mstate)
    return Reason(cause=found[0], text=found[1]) if found else None


def _by_operator(entry: QueueEntry, around: Circumstances) -> Reason | None:
    state = around.state(entry)
    if state is State.TRASHED:
        until = int(entry.trashed_at + around.trash_keep)
        return Reason(
            cause=Cause.TRASHED,
            text=f"trashed until {_when(until, around.now)}; "
            f"tuiq undo {entry.queue_id} brings it back",
            until=until,
        )
    if state is State.HELD:
        return Reason(
            cause=Cause.HELD,
            text=f"held by an operator; tuiq release {entry.queue_id} lets it go",
        )
    return None


def _by_state(entry: QueueEntry, around: Circumstances) -> Reason | None:
    work = around.work(entry.queue_id)
    if work is not None:
        return Reason(cause=Cause.LOCKED, text=_working(work, around.now))
    state = around.state(entry)
    if state is State.DOUBT:
        return Reason(cause=Cause.DOUBT, text=_doubt(entry, around))
    if state is State.FAILED:
        return Reason(
            cause=Cause.FAILED,
            text="failed for good; its bounce could not be stored yet and is tried "
            "again in 5 min",
        )
    return None


def _doubt(entry: QueueEntry, around: Circumstances) -> str:
    count = entry.states.count(b"U")
    who = "1 recipient" if count == 1 else f"{count} recipients"
    said = f"in doubt for {who}: everything was sent and no answer came; "
    if around.in_doubt == "hold":
        return said + (
            f"decide with tuiq requeue, tuiq delivered or tuiq delete {entry.queue_id}"
        )
    return said + "it is sent again at the next try, so it may arrive twice"


def _by_surroundings(entry: QueueEntry, around: Circumstances) -> Reason | None:
    pause = around.pause(entry)
    if pause is not None:
        return Reason(
            cause=Cause.PAUSED,
            text=_paused(pause, around),
            until=pause.until or None,
        )
    if entry.directory in around.low_disk:
        return Reason(
            cause=Cause.LOW_DISK,
            text=f"low disk: {around.low_disk[entry.directory]}; free some space",
        )
    if entry.next_attempt > around.now and not entry.flush_pending:
        last = printable(entry.last_reply) or "no reply yet"
        return Reason(
            cause=Cause.WAITING,
            text=f"next try at {_when(entry.next_attempt, around.now)}; last: {last}",
            until=entry.next_attempt,
        )
    return None


def _due(entry: QueueEntry, around: Circumstances) -> Reason:
    keys = around.destinations(entry)
    if keys and all(key.via.means is Means.HOLD for key in keys):
        return Reason(
            cause=Cause.ROUTE,
            text=f"held by a route: {printable(keys[0].via.text)}; tuiq route ADDRESS "
            "explains it",
        )
    if not around.alive:
        return Reason(
            cause=Cause.NO_RUNNER,
            text="due now, but no runner is running; start one with: tuiq --run",
        )
    for key in keys:
        reason = _at_limit(key, around)
        if reason is not None:
            return reason
    runner = around.alive[0]
    why = f"; it says: {printable(runner.idle)}" if runner.idle else ""
    return Reason(
        cause=Cause.DUE, text=f"due now; the runner (pid {runner.pid}) is next{why}"
    )


def _at_limit(key: DestinationKey, around: Circumstances) -> Reason | None:
    """Say whether a destination has all the connections it may have."""
    limit = settings_for(around.delivery, key).concurrency
    busy = [c for c in around.connections() if c.destination == key.name]
    if not limit or len(busy) < limit:
        return None
    return Reason(
        cause=Cause.AT_LIMIT,
        text=f"due now, but its destination {printable(key.name)} is at its limit "
        f"({len(busy)} of {limit} connections)",
    )


def _working(work: Work, now: float) -> str:
    program = printable(work.program) or "an unknown program"
    since = f" for {span(now - work.since)}" if work.since else ""
    if not work.phase:
        return f"locked by pid {work.pid} ({program}{since})"
    return (
        f"locked by pid {work.pid} ({program}, {printable(work.phase)} with "
        f"{printable(work.destination)}{since})"
    )


def _paused(pause: Pause, around: Circumstances) -> str:
    what = {
        Scope.SPOOL: "the whole spool",
        Scope.DIRECTORY: f"queue directory {around.pause_place(pause)}",
        Scope.DESTINATION: f"destination {printable(pause.name)}",
    }[pause.scope]
    if pause.damage:
        return f"paused: {printable(pause.damage)}"
    until = (
        f" until {_when(pause.until, around.now)}" if pause.until else ", open-ended"
    )
    who = f" by {printable(pause.who)}" if pause.who else ""
    reason = f" ({printable(pause.reason)})" if pause.reason else ""
    return f"paused{until}{reason}: {what}{who}; end it with tuiq resume"


def _when(epoch: float, now: float) -> str:
    """Return ``14:02:09 (in 12 min)``, with the date when it is another day."""
    moment, today = time.localtime(epoch), time.localtime(now)
    same_day = moment[:3] == today[:3]
    shown = time.strftime("%H:%M:%S" if same_day else "%Y-%m-%d %H:%M:%S", moment)
    return f"{shown} (in {span(epoch - now)})"


def recipient_reasons(
    directory: QueueDirectory, entry: QueueEntry, views: list[RecipientView]
) -> dict[int, bytes]:
    """Return per slot what was last said about it; escaped text, none for some.

    Texts of their own come from the transcript (deferrals) and the bounce file
    (failures); where these are silent, the message's last reply speaks.
    """
    states, last = entry.states, entry.last_reply
    lines = {}
    if len(states) > 1 and entry.tries:
        lines = texts.read(directory, "xf", entry.queue_id)
    if b"F" in states or b"B" in states:
        lines |= texts.read(directory, "bf", entry.queue_id)
    reasons = {}
    for view in views:
        line = lines.get(view.index)
        if line is not None:
            code = line.code.replace(b"-", b" ", 1).strip()
            reason = b" ".join(filter(None, (code, line.text)))
        elif last.startswith(view.code):
            reason = last
        else:
            reason = b" ".join(filter(None, (view.code, view.status)))
        if reason:
            reasons[view.index] = reason
    return reasons
