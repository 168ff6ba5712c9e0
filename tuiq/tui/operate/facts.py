"""What a person reads before agreeing to an action on a frozen set, and after it.

Pure: values in, clean text out.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tuiq.actions.preview import sample
from tuiq.actions.verbs import CARDS
from tuiq.actions.words import plural, span, volume
from tuiq.log import printable
from tuiq.spool.answers import Result, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tuiq.actions.selection import Selection
    from tuiq.tui.operate.freezing import Frozen
    from tuiq.tui.operate.job import Job

_IN_FLIGHT = {
    Verb.HOLD: "held if deferred",
    Verb.RELEASE: "released at once",
    Verb.FLUSH: "tried again after that",
    Verb.DELETE: "cancelled if deferred",
    Verb.BOUNCE: "bounced if deferred",
    Verb.PURGE: "removed if deferred",
}
_LATER = "left alone; try again when the attempt is over"
_TITLES = {Verb.DELIVERED: "Mark as delivered", Verb.UNDO: "Restore from the trash"}
OFFERED = 60.0
"""Seconds for which an undo is on offer in the bar."""
GOING = {
    Verb.HOLD: "holds {}",
    Verb.RELEASE: "releases {}",
    Verb.FLUSH: "flushes {}",
    Verb.REQUEUE: "requeues {}",
    Verb.DELETE: "deletes {}",
    Verb.UNDO: "restores {}",
    Verb.PURGE: "purges {}",
    Verb.BOUNCE: "bounces {}",
    Verb.DELIVERED: "marks {} delivered",
}
"""What a yes does to what."""
_PAST = {"flush": "flush requested", "undo": "taken back"}


def title(verb: Verb, selection: Selection) -> str:
    """Return ``Delete: 1,842 messages``."""
    doing = _TITLES.get(verb, verb.value.capitalize())
    return f"{doing}: {selection.what}"


def clock_time(epoch: float) -> str:
    """Return ``14:02:11``."""
    return time.strftime("%H:%M:%S", time.localtime(epoch))


def facts(verb: Verb, frozen: Frozen, *, keep: float) -> Iterator[tuple[str, str]]:
    """Yield labels and lines about what *verb* would be done to.

    *keep* is how many seconds deleted mail stays in the trash.
    """
    selection = frozen.selection
    yield "Does", CARDS[verb].gloss
    yield "Scope", f"{printable(selection.scope)}  at {clock_time(frozen.at)}"
    yield "Size", _size(frozen)
    if selection.gone:
        yield "Gone", f"{plural(len(selection.gone), 'message')} left since"
    hidden = plural(frozen.subject.hidden, "marked row")
    yield "Hidden", f"{hidden} outside the filter: not acted on"
    for label, pick in zip(("Sample", "", ""), selection.samples, strict=False):
        yield label, sample(*pick, now=frozen.at)
    yield undo_promise(verb, keep)
    if frozen.in_flight:
        then = _IN_FLIGHT.get(verb, _LATER)
        are = "is" if frozen.in_flight == 1 else "are"
        yield "In flight", f"{frozen.in_flight:,} {are} being worked on now: {then}"


def _size(frozen: Frozen) -> str:
    selection = frozen.selection
    parts = [volume(selection.size), plural(selection.recipients, "recipient")]
    if selection.oldest is not None:
        parts.append(f"oldest {span(frozen.at - selection.oldest)}")
    parts.append(plural(frozen.senders, "sender"))
    if frozen.held:
        parts.append(f"{frozen.held:,} held")
    return " · ".join(parts)


def undo_promise(verb: Verb, keep: float) -> tuple[str, str]:
    """Say how long *verb* can be taken back, or that it cannot."""
    card = CARDS[verb]
    if card.no_undo:
        return "No undo", card.no_undo
    if verb not in (Verb.DELETE, Verb.DELIVERED):
        return "Undo", "can be taken back"
    if keep <= 0:
        return "No undo", "spool.trash_keep is 0: deleted mail is gone at once"
    return "Undo", f"kept in the trash for {span(keep)}, recipients' states included"


def report(job: Job, *, undo: str = "") -> str:
    """Return the one line that says how a job ended; *undo* tells how to undo it."""
    if job.error:
        return f"{job.verb}: {job.error}"
    if job.note:
        return " · ".join(filter(None, (job.note, undo)))
    return " · ".join([*_parts(job), *filter(None, (undo,))])


def _parts(job: Job) -> Iterator[str]:
    counts = job.counts
    acted = counts[Result.ACTED]
    if job.outcome is not None:
        yield f"{job.outcome.of:,} flushed: {job.outcome.words()}"
        if job.outcome.note:
            yield job.outcome.note
    else:
        yield f"{acted:,} {_PAST.get(job.verb) or CARDS[Verb(job.verb)].past}"
    if counts[Result.GONE]:
        yield f"{counts[Result.GONE]:,} changed since, left alone"
    if counts[Result.IN_FLIGHT]:
        yield f"{counts[Result.IN_FLIGHT]:,} in flight"
    if counts[Result.REFUSED]:
        yield f"{counts[Result.REFUSED]:,} refused{_first_reason(job)}"
    if job.stopped:
        yield f"stopped, {job.of - job.done:,} not touched"


def _first_reason(job: Job) -> str:
    refused = [a for a in job.reasons if a.result is Result.REFUSED]
    return f" ({printable(refused[0].text)})" if refused else ""


def progress(job: Job) -> str:
    """Return what a running job does and how far it is."""
    if job.outcome is not None and job.outcome.waiting:
        return f"flush of {job.outcome.of:,}: {job.outcome.words()}"
    if job.phase == "waiting":
        return f"{job.verb} of {job.of:,} waits for the jobs before it"
    doing = "stopping: " if job.stopping else ""
    if not job.of:
        return f"{doing}{job.verb} …"
    share = 100 * job.done // job.of
    return f"{doing}{job.verb} {job.done:,} of {job.of:,} ({share} %)"
