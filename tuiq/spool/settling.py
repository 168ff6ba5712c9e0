"""Sequence D: attempts and verdicts of one claimed message."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from tuiq.mail.dsn import wants_success
from tuiq.mail.outcome import Verdict
from tuiq.mail.reply import Reply
from tuiq.spool import control, lifecycle
from tuiq.spool.failures import Failures
from tuiq.spool.flags import RReq, RState
from tuiq.spool.journal import Kind
from tuiq.spool.recording import by_reply, record
from tuiq.spool.requests import any_wish, wishes
from tuiq.spool.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tuiq.mail.envelope import Recipient
    from tuiq.mail.outcome import Outcome
    from tuiq.spool.claim import Claim
    from tuiq.spool.site import Site

_TOLD_DELIVERED = Kind.DELIVERED
_NO_REQUEST = RReq.NONE[0]
_TODO, _ATTEMPT, _UNKNOWN = RState.TODO, RState.ATTEMPT, RState.UNKNOWN
_DELIVERED, _WAS_DELIVERED = RState.DELIVERED, Verdict.DELIVERED
_NO_VERDICT = frozenset({Verdict.UNTRIED, Verdict.IN_DOUBT})
BOUNCED_BY_OPERATOR = Reply(code=550, enhanced=b"5.7.0", text=b"bounced by operator")


class Settling:
    """The part of a pass that transactions use; see ``passes.Pass``."""

    def __init__(
        self,
        claim: Claim,
        site: Site,
        *,
        relay_of: Callable[[Recipient], str] = lambda _recipient: "",
    ) -> None:
        """Take over *claim*, whose MSTATE is Q.

        *relay_of* tells the name of a recipient's next hop, for pauses.
        """
        self.claim = claim
        self.site = site
        self.relay = ""
        """Name of the server last used, for the journal."""
        self._relay_of = relay_of
        self.paused = False
        """Whether a pause kept recipients back that were due."""
        self._next = 0  # when this pass's deferrals are tried again; 0 = not drawn
        self._tried: set[int] = set()
        self._relayed: list[int] = []  # delivered, and owed a notice about it
        self._unreached = False  # header next stands for all: no slot was attempted
        # Made when there is something to write.
        self._failures: Failures | None = None
        self._transcript: Transcript | None = None
        self._reply: Reply | None = None

    def begin(self, indexes: Sequence[int]) -> list[tuple[int, Recipient]]:
        """Open attempts and return who may really be tried (D1-D2).

        First every A is written, only then are requests and pauses read: an
        operator who saw a T after asking for a cancel knows that no attempt starts.
        """
        claim = self.claim
        batch = claim.those(indexes, _TODO)
        if not batch:
            return []
        claim.mark(batch, _ATTEMPT)
        claim.reread(min(batch), max(batch))
        kept = self._settle_requests(batch)
        held = self._held_back(kept)
        if held:
            claim.mark(held, _TODO)
            left = set(kept).difference(held)
            kept = [index for index in kept if index in left]
        return list(zip(kept, claim.recipients(kept), strict=True))

    def _held_back(self, indexes: Sequence[int]) -> Sequence[int]:
        """Return who may not be tried after all: held, or behind a pause."""
        claim = self.claim
        if claim.is_held:
            return indexes
        requests = claim.requests
        if not requests.strip(b"-") and not self.site.pauses.any():
            return ()
        ends = self._pause_ends(indexes)
        self.paused = self.paused or any(end is not None for end in ends)
        return [
            index
            for index, end in zip(indexes, ends, strict=True)
            if end is not None or requests[index] != _NO_REQUEST
        ]

    def dot(self, accepted: Sequence[int]) -> None:
        """Record that the final dot is about to leave (D4)."""
        self.claim.mark(accepted, _UNKNOWN)

    def settle(
        self, outcomes: Sequence[Outcome], *, relay: str = "", dsn: bool = True
    ) -> None:
        """Record verdicts (D5-D6); failures wait for ``commit_failures``.

        *dsn* says whether the server promised to send success notices itself.
        """
        if relay:
            self.relay = relay
        by_verdict: dict[Verdict, list[Outcome]] = {}
        for outcome in outcomes:
            by_verdict.setdefault(outcome.verdict, []).append(outcome)
        for verdict, group in by_verdict.items():
            self._SETTLE[verdict](self, group)
        if not dsn and _WAS_DELIVERED in by_verdict:
            self._note_relayed(by_verdict[_WAS_DELIVERED])
        if not self.is_delivered and not by_verdict.keys() <= _NO_VERDICT:
            self.claim.put(control.OPENED, b"0")

    @property
    def is_delivered(self) -> bool:
        """Say whether every recipient is delivered: nothing is left to decide."""
        return not self.claim.states.strip(b"D")

    def _settle_delivered(self, group: list[Outcome]) -> None:
        claim = self.claim
        claim.mark([outcome.index for outcome in group], _DELIVERED)
        if not self.is_delivered:  # else the message is over, and nobody reads them
            for outcome in group:
                self._put_slot(outcome, next_=0)
        self._record_outcomes(_TOLD_DELIVERED, group)

    def _note_relayed(self, group: list[Outcome]) -> None:
        indexes = [o.index for o in group]
        recipients = zip(indexes, self.claim.recipients(indexes), strict=True)
        self._relayed += [index for index, r in recipients if wants_success(r)]

    def _settle_failed(self, group: list[Outcome]) -> None:
        for outcome in group:
            self._put_slot(outcome, next_=0)
            self._tried.add(outcome.index)
        for reply, indexes in by_reply(group):
            self._fail(indexes, reply)
        self._record_outcomes(Kind.FAILED, group)

    def _settle_deferred(self, group: list[Outcome]) -> None:
        when = self.next_time()
        for outcome in group:
            self._put_slot(outcome, next_=when)
            self._tried.add(outcome.index)
        if self._transcript is None:
            self._transcript = Transcript(self.claim)
        self._transcript.note(group, int(self.site.clock.now()))
        self._reply = group[0].reply
        self._record_outcomes(Kind.DEFERRED, group)
        self._back_to_todo([o.index for o in group])

    def _settle_in_doubt(self, group: list[Outcome]) -> None:
        when = self.next_time()
        for outcome in group:
            self._put_slot(outcome, next_=when)
            self._tried.add(outcome.index)
        self._reply = group[0].reply
        self._record_outcomes(Kind.IN_DOUBT, group)

    def _settle_untried(self, group: list[Outcome]) -> None:
        self._back_to_todo([o.index for o in group])

    _SETTLE: ClassVar[dict[Verdict, Callable[[Settling, list[Outcome]], None]]] = {
        Verdict.DELIVERED: _settle_delivered,
        Verdict.FAILED: _settle_failed,
        Verdict.DEFERRED: _settle_deferred,
        Verdict.IN_DOUBT: _settle_in_doubt,
        Verdict.UNTRIED: _settle_untried,
    }

    def _back_to_todo(self, indexes: list[int]) -> None:
        """Return slots to T, minding what operators asked for meanwhile (D6)."""
        if not indexes:
            return
        self.claim.reread(min(indexes), max(indexes))
        self.claim.mark(self._settle_requests(indexes), RState.TODO)

    def _settle_requests(self, indexes: list[int]) -> list[int]:
        """Cancel or fail open attempts as requested; return the others."""
        if not any_wish(self.claim):
            return indexes
        wanted = wishes(self.claim, indexes)
        self._cancel(wanted.cancel)
        self._fail(wanted.bounce, BOUNCED_BY_OPERATOR)
        gone = set(wanted.cancel).union(wanted.bounce)
        return [index for index in indexes if index not in gone]

    def defer_all(self, indexes: Sequence[int], reply: Reply) -> None:
        """Record that the destination of *indexes* could not be used.

        No attempt was open.  When these are all that is live, only the header
        is written; else the slots too, or the others' next look would try them.
        """
        claim = self.claim
        live = claim.those(indexes, RState.TODO)
        when = self.next_time()
        if len(live) < claim.states.count(b"T"):
            for index in live:
                self._put_soft(index, when, b"%03d" % reply.code, reply.enhanced)
        else:
            claim.put_number(control.NEXT, 8, when)
            self._unreached = True
        self._tried.update(live)
        self._reply = reply
        self._record(Kind.DEFERRED, live, reply)

    def fail_all(self, indexes: Sequence[int], reply: Reply) -> None:
        """Give up on *indexes* without an attempt: no server can ever take them."""
        live = self.claim.those(indexes, RState.TODO)
        for index in live:
            self._put_soft(index, 0, b"%03d" % reply.code, reply.enhanced)
        self._fail(live, reply)
        self._tried.update(live)
        self._record(Kind.FAILED, live, reply)

    def next_time(self) -> int:
        """Return when this pass's deferrals are tried again; drawn once."""
        if not self._next:
            self._next = lifecycle.next_attempt(
                self.site.clock.now(),
                base=self.claim.base,
                jitter=self.site.jitter(),
                retry=self.site.config.retry,
            )
        return self._next

    @property
    def has_failures(self) -> bool:
        """Say whether failures wait for ``sync_failures`` and ``mark_failures``."""
        return self._failures is not None and bool(self._failures.staged)

    def _fail(self, indexes: Sequence[int], reply: Reply) -> None:
        """Stage failures: the reason is written, the slots stay as they are."""
        if self._failures is None:
            self._failures = Failures(self.claim, self.site)
        self._failures.stage(indexes, reply)

    def sync_failures(self) -> None:
        """Make the reasons of staged failures durable; may run in a thread."""
        if self._failures is not None:
            self._failures.sync()

    def mark_failures(self, ticket: int | None = None) -> None:
        """Write F for every failure staged before *ticket* was drawn (None: all)."""
        if self._failures is not None:
            self._failures.mark(ticket)

    def failure_ticket(self) -> int:
        """Return how many failures were ever staged: what a sync begun now covers."""
        return 0 if self._failures is None else self._failures.ticket

    def commit_failures(self) -> None:
        """Sync the reasons, then write F."""
        if self.has_failures:
            self.sync_failures()
            self.mark_failures()

    def _cancel(self, indexes: Sequence[int]) -> None:
        self.claim.mark(indexes, RState.CANCELLED)
        self._record(Kind.CANCELLED, indexes)

    def _pause_ends(self, indexes: Sequence[int]) -> list[float | None]:
        claim = self.claim
        pauses = self.site.pauses
        if not pauses.any():
            return [None] * len(indexes)
        recipients = claim.recipients(indexes)
        return pauses.until(claim.directory, recipients, self._relay_of)

    def _put_slot(self, outcome: Outcome, *, next_: int) -> None:
        reply = outcome.reply
        self._put_soft(outcome.index, next_, b"%03d" % reply.code, reply.enhanced)

    def _put_soft(self, index: int, next_: int, code: bytes, status: bytes) -> None:
        claim = self.claim
        claim.put_slot(
            index,
            tries=claim.slot_tries(index) + 1,
            next_=next_,
            code=code,
            status=status,
        )

    def _record_outcomes(self, event: Kind, group: list[Outcome]) -> None:
        for reply, indexes in by_reply(group):
            self._record(event, indexes, reply)

    def _record(
        self, event: Kind, indexes: Sequence[int], reply: Reply | None = None
    ) -> None:
        if indexes:
            record(self.claim, self.site, event, indexes, reply, self.relay)
