"""What each operator verb does to a message under its lock (X2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.errors import MessageDamaged, MessageGone
from tuiq.spool import control
from tuiq.spool.answers import HOLD_ENDS, Result, Target, Verb
from tuiq.spool.asking import needs_lock, write_requests
from tuiq.spool.finish import remove_finished, unlink_control, unlink_rest
from tuiq.spool.flags import OPEN, UNDECIDED, MHold, MReq, MState, RReq, RState
from tuiq.spool.fs import pwrite_all
from tuiq.spool.journal import Kind
from tuiq.spool.passes import End, Pass
from tuiq.spool.recording import (
    DOUBT,
    keep_doubt,
    name_doubts,
    record,
    retry_in_doubt,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.site import Site


@dataclass(slots=True)
class Deed:
    """What a verb did under the lock."""

    visit: Pass | None
    result: Result
    text: str
    end: End = End.WAITING
    changed: list[int] = field(default_factory=list)
    rest: Callable[[], None] | None = None
    """What is left to do once everything written so far is durable; None: nothing.
    Raises what ``apply_locked`` raises."""


def apply_locked(claim: Claim, site: Site, verb: Verb, target: Target) -> Deed:
    """Do *verb* as the holder of the lock (X2); the caller syncs and releases.

    Where the deed has a rest, the caller syncs, has it done, and syncs again.

    Raises MessageGone, MessageDamaged, IllegalTransition.
    """
    _check_state(claim, verb)
    if target.recipients is not None and any(
        not 0 <= index < claim.count for index in target.recipients
    ):
        raise MessageGone(f"{claim.queue_id}/{max(target.recipients) + 1}")
    visit = Pass(claim, site)
    visit.spell_out()
    before = claim.states  # what others asked for earlier is not this verb's change
    chosen = _chosen(claim, verb, target)
    refusal = _refusal(claim, site, verb, chosen, whole=target.recipients is None)
    if refusal:
        return Deed(visit, Result.REFUSED, refusal, visit.apply())
    deed = Deed(visit, Result.ACTED, _DONE.get(verb, ""))

    def conclude() -> None:
        deed.end = visit.apply()
        after = claim.states
        deed.changed = [i for i in range(claim.count) if before[i] != after[i]]

    if not needs_lock(verb, target):
        write_requests(claim.directory, claim.fd, claim.count, target, verb)
        claim.changed = True
        conclude()
        return deed

    def act() -> None:
        deed.text = _UNDER_LOCK[verb](claim, site, chosen)
        conclude()

    if verb in _CLEARING:
        _clear_requests(claim, chosen, verb)
        deed.rest = act
    else:
        act()
    return deed


def _chosen(claim: Claim, verb: Verb, target: Target) -> list[int]:
    """Return the recipients a verb is about."""
    if target.recipients is not None:
        return sorted(set(target.recipients))
    if verb is Verb.UNDO:
        cancelled = claim.indexes(RState.CANCELLED)
        # What an operator marked as delivered, beside the rest, was not deleted.
        deleted = [i for i in cancelled if claim.slot_code(i) != b"250"]
        return deleted or cancelled or list(range(claim.count))
    return list(range(claim.count))


def _check_state(claim: Claim, verb: Verb) -> None:
    """Refuse what only a move or a person may touch; finish what is over."""
    mstate = claim.mstate
    if mstate == MState.QUEUED:
        return
    path = claim.directory.path_of("qf" + claim.queue_id)
    if mstate == MState.FINISHED:
        remove_finished(claim)
        raise MessageGone(claim.queue_id)
    if mstate == MState.CORRUPT:
        if verb in {Verb.REQUEUE, Verb.PURGE}:
            claim.set_message(MState.QUEUED)
            return
        raise MessageDamaged(
            path, "was found damaged", "tuiq requeue it once repaired, or tuiq purge it"
        )
    raise MessageDamaged(path, "belongs to an unfinished move", "leave it to tuiq move")


_TOUCHES: dict[Verb, bytes] = {
    Verb.HOLD: UNDECIDED,
    Verb.FLUSH: b"TF",
    Verb.REQUEUE: b"TUF",
    Verb.DELETE: OPEN,
    Verb.UNDO: b"X",
    Verb.BOUNCE: b"TU",
    Verb.DELIVERED: b"TUF",
}
"""States that a verb can do something about; absent: it needs none."""


def _refusal(
    claim: Claim, site: Site, verb: Verb, chosen: list[int], *, whole: bool
) -> str:
    """Say why *verb* has nothing to do, else empty."""
    states = claim.states
    if verb in HOLD_ENDS:
        if claim.hold != MHold.NONE:
            return "" if whole else "the whole message is held; release that"
        held = [claim.requests[index] == RReq.HOLD[0] for index in chosen]
        return "" if any(held) else "not held"
    found = {states[index] for index in chosen}
    return nothing_to_do(verb, found, in_doubt=site.config.spool.in_doubt)


def nothing_to_do(verb: Verb, found: set[int], *, in_doubt: str) -> str:
    """Say why *verb* can do nothing about recipients in these states, else empty.

    *in_doubt* is the setting.
    """
    touched = _TOUCHES.get(verb)
    if verb is Verb.FLUSH and in_doubt == "retry":
        touched = b"TFU"
    if touched is None or found & set(touched):
        return ""
    if verb is Verb.UNDO:
        return "nothing was deleted that could be restored"
    return next((t for among, t in _SETTLED if found & set(among)), "already settled")


_SETTLED = (
    (b"X", "deleted; tuiq undo restores it"),
    (b"U", "in doubt; tuiq requeue sends it again, tuiq delivered settles it"),
    (b"D", "already settled"),
    (b"B", "already bounced: the sender was told"),
    (b"TAF", "nothing of that kind is left to do"),
)
"""What a verb is told that finds none of the states it could change."""


_DONE: dict[Verb, str] = {
    Verb.HOLD: "held",
    Verb.RELEASE: "released, due now",
    Verb.UNHOLD: "no longer held; next try as before",
    Verb.FLUSH: "due now",
    Verb.DELETE: "deleted; tuiq undo restores it while it is in the trash",
    Verb.BOUNCE: "given up; the sender is told",
    Verb.PURGE: "removed for good",
}


def _flush_some(claim: Claim, _site: Site, chosen: list[int]) -> str:
    _make_due(claim, [i for i in chosen if claim.states[i] == RState.TODO[0]])
    return _DONE[Verb.FLUSH]


def _make_due(claim: Claim, indexes: list[int]) -> None:
    """Let these recipients be tried at the next look."""
    for index in indexes:
        at = control.slot_at(index)
        slot = bytes(claim.buffer[at : at + control.SLOT])
        claim.put_slot(
            index,
            tries=claim.slot_tries(index),
            next_=0,
            code=slot[control.S_CODE : control.S_STATUS],
            status=slot[control.S_STATUS : control.S_HEAP],
        )
    claim.put_number(control.NEXT, 8, 0)


_CLEARING = (Verb.REQUEUE, Verb.UNDO)
"""Verbs that bring slots back to T: requests go first, durably."""


def _clear_requests(claim: Claim, chosen: list[int], verb: Verb) -> None:
    """Take back delete and bounce requests; the caller syncs before a slot is T."""
    if verb is Verb.UNDO:
        states = claim.states
        chosen = [i for i in chosen if states[i] == RState.CANCELLED[0]]
    if claim.request != MReq.NONE:
        claim.put(control.MREQ, MReq.NONE.value)
    requests = claim.requests
    for index in chosen:
        if requests[index] in b"XB":
            claim.clear_request(index)


def _requeue(claim: Claim, site: Site, chosen: list[int]) -> str:
    states = claim.states
    failed = [i for i in chosen if states[i] == RState.FAILED[0]]
    doubt = [i for i in chosen if states[i] == RState.UNKNOWN[0]]
    name_doubts(claim, site, failed)  # may refuse: before anything else changes
    retry_in_doubt(claim, site, doubt)
    claim.put_number(control.BASE, 8, int(site.clock.now()))
    claim.put_number(control.TRIES, 4, 0)
    claim.put(control.OPENED, b"0")
    claim.mark(failed, RState.TODO)
    _make_due(claim, [i for i in chosen if states[i] in b"TUF"])
    bounced = sum(states[i] == RState.BOUNCED[0] for i in chosen)
    if bounced:
        return f"due now, tries reset; {bounced} already bounced stay so"
    return "due now, tries reset"


def _undo(claim: Claim, site: Site, chosen: list[int]) -> str:
    cancelled = [i for i in chosen if claim.states[i] == RState.CANCELLED[0]]
    nexts = claim.nexts()
    name_doubts(claim, site, cancelled)
    claim.mark(cancelled, RState.TODO)
    for index in cancelled:
        if claim.slot_code(index) == b"250":  # delivered by word, and no longer so
            tries, next_ = claim.slot_tries(index), nexts[index]
            claim.put_slot(index, tries=tries, next_=next_, code=b"", status=b"")
    claim.put_number(control.TRASHED, 8, 0)
    return f"{len(cancelled)} recipient{'s'[: len(cancelled) != 1]} restored"


def _delivered(claim: Claim, site: Site, chosen: list[int]) -> str:
    states, nexts = claim.states, claim.nexts()
    open_ones = [i for i in chosen if states[i] in b"TUF"]
    keep_doubt(claim, open_ones)
    claim.mark(open_ones, RState.CANCELLED)
    for index in open_ones:
        claim.put_slot(
            index,
            tries=claim.slot_tries(index),
            next_=nexts[index],  # for an undo
            code=b"250",
            status=DOUBT if states[index] == RState.UNKNOWN[0] else b"",
        )
    record(claim, site, Kind.OPERATOR, open_ones)
    return "counted as delivered, by your word"


_UNDER_LOCK: dict[Verb, Callable[[Claim, Site, list[int]], str]] = {
    Verb.FLUSH: _flush_some,
    Verb.REQUEUE: _requeue,
    Verb.UNDO: _undo,
    Verb.DELIVERED: _delivered,
    Verb.PURGE: lambda claim, _site, _chosen: _refuse_partial_purge(claim),
}


def _refuse_partial_purge(claim: Claim) -> str:
    raise MessageDamaged(
        claim.queue_id,
        "single recipients cannot be purged",
        "tuiq delete the recipients, or tuiq purge the message",
    )


def purge_damaged(directory: QueueDirectory, queue_id: str, fd: int) -> None:
    """Remove a damaged message whose header is sound; *fd* holds its lock."""
    pwrite_all(directory.fs, fd, MState.FINISHED.value, control.MSTATE)
    directory.fs.fdatasync(fd)
    unlink_rest(directory, queue_id, has_texts=True)
    unlink_control(directory, queue_id)
