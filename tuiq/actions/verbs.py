"""The operator verbs: what they are called, how careful one is, and doing them.

Both front ends call ``act`` and ``undo``; each call is one action in the audit log.
Pauses are in ``pausing``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions import limiting
from tuiq.actions.audit import ActionLog, Start, mark_undone, open_log
from tuiq.actions.lookup import entry_of
from tuiq.actions.pausing import undo_pause
from tuiq.actions.records import Record, read_action
from tuiq.actions.selection import Selection
from tuiq.actions.undoing import plan
from tuiq.errors import UsageError
from tuiq.spool.answers import Answer, Result, Target, Verb
from tuiq.spool.flags import OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tuiq.actions.actor import Actor
    from tuiq.spool import Spool

MANY = 20
"""Messages above which an action needs more than a key or a ``y``."""
VERY_MANY = 1000
"""Messages above which no action starts unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerbCard:
    """Everything a front end needs to know about a verb."""

    verb: Verb
    gloss: str
    """What it does to a message, after ``to``."""
    past: str
    """The word for what was done: ``held 3 messages``."""
    tier: int
    """1 at once, 2 asked about, 3 asked about and counted (see ``tier_of``)."""
    no_undo: str = ""
    """Why it cannot be taken back; empty: it can."""

    @property
    def is_destructive(self) -> bool:
        """Say whether mail may never arrive because of it."""
        return self.tier == 3


_CARDS = (
    VerbCard(
        verb=Verb.HOLD, gloss="start no attempt until released", past="held", tier=1
    ),
    VerbCard(verb=Verb.RELEASE, gloss="end a hold", past="released", tier=1),
    VerbCard(
        verb=Verb.UNHOLD,
        gloss="take a hold back; the next try is when it was to be",
        past="released",
        tier=1,
    ),
    VerbCard(
        verb=Verb.FLUSH,
        gloss="have it tried now",
        past="flush requested for",
        tier=1,
        no_undo="what was tried was tried",
    ),
    VerbCard(
        verb=Verb.REQUEUE,
        gloss="start over, with a fresh lifetime",
        past="requeued",
        tier=2,
        no_undo="the lifetime it had is not known any more; hold or delete instead",
    ),
    VerbCard(
        verb=Verb.DELETE,
        gloss="take it out of the queue, into the trash",
        past="deleted",
        tier=3,
    ),
    VerbCard(
        verb=Verb.UNDO,
        gloss="take a delete back",
        past="restored",
        tier=1,
        no_undo="delete again instead",
    ),
    VerbCard(
        verb=Verb.PURGE,
        gloss="remove it for good",
        past="purged",
        tier=3,
        no_undo="the mail is not there any more",
    ),
    VerbCard(
        verb=Verb.BOUNCE,
        gloss="give up and tell the sender",
        past="bounced",
        tier=3,
        no_undo="the sender is told at once",
    ),
    VerbCard(
        verb=Verb.DELIVERED,
        gloss="count it as delivered",
        past="marked delivered",
        tier=3,
    ),
)
CARDS: dict[Verb, VerbCard] = {card.verb: card for card in _CARDS}


def tier_of(verb: Verb, count: int) -> int:
    """Return how carefully *verb* on *count* messages has to be confirmed."""
    tier = CARDS[verb].tier
    asked = count > VERY_MANY or (verb is Verb.FLUSH and count > MANY)
    return max(tier, 2) if asked else tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """An action that has been written down and is done while it is iterated."""

    action: str
    """Its id in the audit log."""
    verb: Verb
    count: int
    """How many answers there will be unless it is stopped."""
    answers: Iterator[Answer]
    """One per message of the selection; each is durable when it comes."""


def _keep_going() -> bool:
    return False


def act(
    spool: Spool,
    verb: Verb,
    selection: Selection,
    *,
    actor: Actor,
    reason: str = "",
    stop: Callable[[], bool] = _keep_going,
) -> Act:
    """Apply *verb* to a frozen selection; no message is taken once *stop* is true."""
    start = Start(
        verb=verb.value,
        actor=actor,
        scope=selection.scope,
        filter=selection.filter,
        reason=reason,
    )
    return _begin(spool, verb, selection, start, stop)


def undo(
    spool: Spool,
    action: str,
    *,
    actor: Actor,
    reason: str = "",
    stop: Callable[[], bool] = _keep_going,
) -> Act | str:
    """Take back exactly what *action* changed.

    Returns the running action, or for a pause or limits, which have no messages, the
    id of the one that is done.  Raises UsageError when it cannot be taken back.
    """
    record = read_action(spool.path / "audit", action)
    if record.undone_by:
        raise UsageError(f"{action}: was taken back by {record.undone_by} already")
    if record.start.verb in ("pause", "resume"):
        return undo_pause(spool, record.start, actor=actor, reason=reason)
    if record.start.verb == limiting.VERB:
        return limiting.undo_limits(spool, record.start, actor=actor, reason=reason)
    verb, selection = _inverse(record)
    start = Start(
        verb=verb.value,
        actor=actor,
        scope=selection.scope,
        reason=reason,
        undoes=action,
    )
    return _begin(spool, verb, selection, start, stop)


def _inverse(record: Record) -> tuple[Verb, Selection]:
    card = CARDS[Verb(record.start.verb)]
    if card.no_undo:
        raise UsageError(
            f"{record.start.action}: {card.verb} cannot be taken back: {card.no_undo}"
        )
    verb, items = plan(record)
    return verb, Selection(scope=f"undo {record.start.action}", items=items)


def _begin(
    spool: Spool,
    verb: Verb,
    selection: Selection,
    start: Start,
    stop: Callable[[], bool],
) -> Act:
    log = open_log(spool)
    log.start(start, selection.items)
    answers = _audited(spool, verb, selection, log=log, start=start, stop=stop)
    count = len(selection.items) + len(selection.gone)
    return Act(action=log.action, verb=verb, count=count, answers=answers)


def _audited(
    spool: Spool,
    verb: Verb,
    selection: Selection,
    *,
    log: ActionLog,
    start: Start,
    stop: Callable[[], bool],
) -> Iterator[Answer]:
    """Yield the answers, each after it was written down."""

    left = len(selection.items)
    acted = 0
    try:
        for answer in _gone(selection):
            log.answer(answer)
            yield answer
        for answer in _operate(spool, verb, selection, stop):
            left -= 1
            acted += answer.result in (Result.ACTED, Result.GONE)
            log.answer(answer)
            yield answer
    finally:
        log.finish(complete=left == 0)
        if start.undoes and acted == len(selection.items):
            now = spool.clock.now()
            mark_undone(spool.path / "audit", start.undoes, by=log.action, at=now)


def _operate(
    spool: Spool, verb: Verb, selection: Selection, stop: Callable[[], bool]
) -> Iterator[Answer]:
    """Do *verb* to the messages of *selection*, but end no hold of what is over."""
    over: list[Answer] = []

    def targets() -> Iterator[Target]:
        for item in selection.items:
            if stop():
                return
            if verb is Verb.UNHOLD and _is_over(spool, item.target):
                text = "deleted or settled since; left as it is"
                over.append(Answer(target=item.target, result=Result.GONE, text=text))
            else:
                yield item.target

    for answer in spool.operate(verb, targets()):
        yield answer
        yield from over
        over.clear()
    yield from over


def _is_over(spool: Spool, target: Target) -> bool:
    """Say whether nothing that is meant is alive in a message that is there."""
    entry = entry_of(spool, target.queue_id)
    if entry is None:
        return False
    states = entry.states
    meant = range(len(states)) if target.recipients is None else target.recipients
    there = [states[slot] for slot in meant if slot < len(states)]
    return bool(there) and not any(state in OPEN for state in there)


def _gone(selection: Selection) -> Iterator[Answer]:
    for queue_id in selection.gone:
        yield Answer(
            target=Target(queue_id=queue_id),
            result=Result.GONE,
            text="no such message in this spool",
        )
