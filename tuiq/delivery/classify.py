"""From replies to outcomes: pure decisions, the same with and without PIPELINING."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.mail.outcome import Outcome, Verdict
from tuiq.mail.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_DELIVERED = Verdict.DELIVERED
INTERRUPTED = Reply(code=451, enhanced=b"4.3.2", text=b"delivery was interrupted")
_NO_ANSWER = Reply(code=451, enhanced=b"4.4.2", text=b"no answer")


@dataclass(slots=True, kw_only=True)
class Answers:
    """The replies to MAIL, each RCPT and DATA, as far as they came."""

    mail: Reply | None = None
    rcpts: Sequence[Reply] = ()
    data: Reply | None = None

    @property
    def started(self) -> bool:
        """Whether MAIL was accepted."""
        return self.mail is not None and self.mail.is_positive

    @property
    def go_ahead(self) -> bool:
        """Whether the server waits for data (354)."""
        return self.data is not None and self.data.is_positive


@dataclass(slots=True, kw_only=True)
class Judgement:
    """What the answers before the data mean."""

    settled: list[Outcome] = field(default_factory=list)
    """The slots that are decided."""
    accepted: list[int] = field(default_factory=list)
    """The slots that the data is for."""
    batch_limit: int | None = None
    """Recipients the server takes in one transaction, where it said so."""


def is_plain(replies: Sequence[Reply], recipients: int) -> bool:
    """Say whether the server took MAIL and each RCPT and waits for the data."""
    if len(replies) != recipients + 2 or replies[-1].code // 100 != 3:
        return False
    for reply in replies[:-1]:  # noqa: SIM110 - all() would need a generator
        if reply.code // 100 != 2:
            return False
    return True


def fits(reply: Reply, place: int, recipients: int) -> bool:
    """Say whether *reply* can answer command *place* (0: MAIL, 1…: RCPT, then DATA)."""
    if not reply.is_positive:
        return True
    return reply.code // 100 == (3 if place == recipients + 1 else 2)


def arrange(replies: Sequence[Reply], recipients: int) -> Answers:
    """Sort *replies*, in the order of the commands, into answers."""
    return Answers(
        mail=replies[0] if replies else None,
        rcpts=replies[1 : recipients + 1],
        data=replies[recipients + 1] if len(replies) > recipients + 1 else None,
    )


def too_many(reply: Reply) -> bool:
    """Say whether *reply* to RCPT can mean: enough recipients in this transaction.

    RFC 5321 §4.5.3.1.10 has 452, and 552 of old servers; any other enhanced status
    than X.5.3 gives another reason.
    """
    if reply.code not in {452, 552}:
        return False
    if not reply.enhanced and reply.text.startswith((b"4.5.3", b"5.5.3")):
        return True
    bare = reply.code == 452 and not reply.enhanced
    return bare or reply.enhanced in {b"4.5.3", b"5.5.3"}


def refused(index: int, reply: Reply) -> Outcome:
    """Return the outcome of a slot that *reply*, no 2xx, speaks about."""
    verdict = Verdict.FAILED if reply.is_permanent else Verdict.DEFERRED
    return Outcome(index=index, verdict=verdict, reply=reply)


def judge(
    slots: Sequence[int], answers: Answers, lost: Reply | None, *, stale: bool
) -> Judgement:
    """Decide what can be decided before data is sent.

    *lost* is why the session ended, if it did.  *stale*: it had been used before and
    was over when this transaction came, so nobody was tried.
    """
    end = lost or _NO_ANSWER
    if stale:
        return Judgement(settled=alike(slots, Verdict.UNTRIED, answers.mail or end))
    if not answers.started:
        reply = answers.mail or end
        return Judgement(settled=[refused(slot, reply) for slot in slots])
    judgement = _judge_recipients(slots, answers.rcpts)
    unanswered = slots[len(answers.rcpts) :]
    judgement.settled += alike(unanswered, Verdict.DEFERRED, end)
    if judgement.accepted and not answers.go_ahead:
        reply = answers.data or end
        judgement.settled += [refused(slot, reply) for slot in judgement.accepted]
        judgement.accepted = []
    return judgement


def _judge_recipients(slots: Sequence[int], replies: Sequence[Reply]) -> Judgement:
    judgement = Judgement()
    accepted = judgement.accepted
    full: list[Outcome] = []
    for slot, reply in zip(slots, replies, strict=False):
        if reply.is_positive:
            accepted.append(slot)
        elif accepted and too_many(reply):
            full.append(Outcome(index=slot, verdict=Verdict.UNTRIED, reply=reply))
        else:
            judgement.settled.append(refused(slot, reply))
    if full:
        judgement.batch_limit = len(accepted)
        judgement.settled += full
    return judgement


def after_dot(reply: Reply | None, lost: Reply | None) -> tuple[Verdict, Reply]:
    """Return what the *reply* to the final dot means, or that there was none."""
    if reply is None or 300 <= reply.code < 400:
        return Verdict.IN_DOUBT, lost or reply or _NO_ANSWER
    if reply.is_positive:
        return _DELIVERED, reply
    return (Verdict.FAILED if reply.is_permanent else Verdict.DEFERRED), reply


def alike(slots: Iterable[int], verdict: Verdict, reply: Reply) -> list[Outcome]:
    """Return the same *verdict* and *reply* for all *slots*."""
    return [Outcome(slot, verdict, reply) for slot in slots]
