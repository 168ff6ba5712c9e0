"""What the view says of a message: envelope, lock, and why it is not on its way."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tuiq.actions.explain import Cause, explain
from tuiq.actions.words import exact_volume, instant, plural, span
from tuiq.errors import MessageDamaged
from tuiq.spool.flags import MReq
from tuiq.tui.look.roles import Role
from tuiq.tui.look.text import clean
from tuiq.tui.pages.lines import BLANK, fact, note
from tuiq.tui.pages.message_facts import recipient_word
from tuiq.tui.pages.message_rows import RESTING, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.circumstances import Circumstances
    from tuiq.spool.entry import QueueEntry, State
    from tuiq.tui.pages.lines import Line
    from tuiq.tui.pages.message_facts import Facts

_SHOWN = 20
"""Destinations that are named."""
STUCK = 600.0
"""Seconds after which a lock deserves a look at its holder."""


def envelope(facts: Facts, around: Circumstances, now: float) -> list[Line]:
    """Say what the control file says of the message as a whole."""
    entry = facts.entry
    state = around.state(entry)
    subject = facts.trouble or facts.subject or "(none)"
    head = [
        fact("Message", entry.queue_id, Role.STRONG),
        fact("State", state.value, ROLES[state]),
        fact("Why", explain(entry, around).text),
        fact("Subject", subject, Role.BAD if facts.trouble else Role.STRONG),
    ]
    if not entry.count:
        return [
            *head,
            fact("Submitted", f"{_moment_past(entry.birth, now)}, by its id"),
            fact("Queue", clean(entry.directory)),
            note("Sender, recipients and tries cannot be read."),
        ]
    lines = [
        *head,
        fact("From", f"<{clean(entry.sender)}>"),
        fact("Recipients", _standing(facts)),
        fact("Submitted", _submitted(entry, now)),
        fact("Size", exact_volume(entry.size)),
        fact("Queue", clean(entry.directory)),
        fact("Tries", _tries(entry, now)),
        fact("Next try", _next_try(entry, state, now)),
        fact("Expires", _moment(around.expires(entry), now) or "with the next try"),
        fact("Last reply", clean(entry.last_reply) or "none"),
        fact("Origin", clean(entry.origin)),
        *_asked(entry),
    ]
    return [*lines, *_dsn(entry)]


def _standing(facts: Facts) -> str:
    counts = Counter(map(recipient_word, facts.recipients))
    words = ", ".join(f"{count:,} {word}" for word, count in counts.most_common())
    return f"{len(facts.recipients):,}: {words}" if words else "cannot be read"


def _submitted(entry: QueueEntry, now: float) -> str:
    who = "the system itself" if entry.uid is None else f"uid {entry.uid}"
    via = f", via {clean(entry.via)}" if entry.via else ""
    return f"{_moment_past(entry.birth, now)} by {who}{via}"


def _tries(entry: QueueEntry, now: float) -> str:
    if not entry.tries:
        return "none yet"
    return f"{entry.tries}, the last at {_moment_past(entry.last_attempt, now)}"


def _moment_past(epoch: float, now: float) -> str:
    """Return a time with how long that is ago."""
    return f"{instant(epoch)} ({span(now - epoch)} ago)"


def _next_try(entry: QueueEntry, state: State, now: float) -> str:
    if state in RESTING:
        return f"not while it is {state.value}"
    return _moment(entry.next_attempt, now) or "now"


def _moment(epoch: float, now: float) -> str:
    """Return a time to come with the time until then; empty when it has come."""
    return f"{instant(epoch)} (in {span(epoch - now)})" if epoch > now else ""


def _asked(entry: QueueEntry) -> Iterator[Line]:
    words = {MReq.DELETE.value: "delete", MReq.BOUNCE.value: "bounce"}
    asked = [words.get(entry.request, "purge")] if entry.request != MReq.NONE else []
    if entry.flush_pending:
        asked.append("flush")
    if asked:
        yield fact("Asked for", f"{', '.join(asked)}; its holder does it", Role.WARN)
    if entry.warned:
        yield fact("Notice", "the sender was told about the delay")


def _dsn(entry: QueueEntry) -> Iterator[Line]:
    try:
        found = entry.envelope()
    except MessageDamaged:
        return
    if found.envid or found.ret:
        yield fact("DSN", clean(b"RET=%b ENVID=%b" % (found.ret, found.envid)))
    if found.smtputf8:
        yield fact("SMTPUTF8", "needed")


def lock(facts: Facts, around: Circumstances) -> list[Line]:
    """Say who holds the message, and what to do about one that is stuck."""
    entry = facts.entry
    held = around.locks.messages.get(entry.queue_id)
    work = around.work(entry.queue_id)
    if held is None or work is None:
        lines = [fact("Lock", "none: nobody is working on it")]
        if not around.locks.complete:
            lines.append(note("Holders outside this container cannot be seen."))
        return lines
    holder = held.holder
    seconds = around.now - work.since if work.since else 0.0
    lines = [
        fact("Holder", f"pid {holder.pid} ({clean(holder.program) or 'unknown'})"),
        fact("Command", clean(holder.command) or "cannot be seen"),
    ]
    if work.phase:
        where = f"{clean(work.phase)} with {clean(work.destination)}"
        lines.append(fact("Phase", f"{where}, {plural(work.recipients, 'recipient')}"))
    if work.since:
        lines.append(
            fact("For", span(seconds), Role.WARN if seconds > STUCK else Role.TEXT)
        )
    return [*lines, BLANK, *_advice(holder.pid, seconds, gone=holder.gone)]


def _advice(pid: int, seconds: float, *, gone: bool) -> list[Line]:
    if gone:
        said = (
            f"Process {pid} died; a child of it keeps the lock. Find it with fuser on "
            "the control file and end it: the message is then tried again."
        )
        return [note(said, Role.WARN)]
    if seconds > STUCK:
        said = (
            f"This takes long. A runner gives up by its own timeouts; if it does not, "
            f"kill {pid}: the kernel frees the lock, and the next runner sees to the "
            "message. Nothing is lost by that."
        )
        return [note(said, Role.WARN)]
    return [note("An attempt takes seconds as a rule; nothing needs to be done.")]


def why(facts: Facts, around: Circumstances, now: float) -> list[Line]:
    """Explain what the message waits for."""
    entry = facts.entry
    reason = explain(entry, around)
    until = _moment(reason.until, now) if reason.until else ""
    lines = [fact("Why not now", reason.text, Role.STRONG)]
    if until:
        lines.append(fact("Until", until))
    goes = around.destinations(entry)[:_SHOWN]
    lines += [fact("Goes to", clean(key.name)) for key in goes]
    lines.append(fact("Expires", _moment(around.expires(entry), now) or "now"))
    remedy = _REMEDIES.get(reason.cause)
    return [*lines, BLANK, note(remedy)] if remedy else lines


_REMEDIES: dict[Cause, str] = {
    Cause.HELD: "H releases it.",
    Cause.WAITING: "f tries it now.",
    Cause.PAUSED: "p ends the pause.",
    Cause.DOUBT: "r sends it again, ^G counts it as delivered, D deletes it.",
    Cause.DAMAGED: "r requeues what a runner refused, D deletes it.",
    Cause.NO_RUNNER: "S starts a runner from here.",
    Cause.TRASHED: "u brings it back, X removes it for good.",
    Cause.LOCKED: "L tells about its holder.",
}
