"""``delivery.Transaction`` on top of a pass: where the wire meets the spool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuiq.mail.message import is_eight_bit
from tuiq.mail.outcome import Verdict
from tuiq.runner.threads import in_thread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tuiq.mail.envelope import Envelope, Recipient
    from tuiq.mail.outcome import Outcome
    from tuiq.mail.reply import Reply
    from tuiq.runner.marks import Marks
    from tuiq.runner.watcher import ConnectionWatcher
    from tuiq.spool.passes import Pass


_DELIVERED = Verdict.DELIVERED


class Letter:
    """What all transactions of one pass share: the envelope and the data."""

    __slots__ = ("data", "eight_bit", "envelope", "size", "visit")

    def __init__(self, visit: Pass) -> None:
        """Read the envelope, and look through the data for 8-bit bytes."""
        self.visit = visit
        self.envelope: Envelope = visit.envelope()
        self.size: int = visit.claim.header.data_length
        self.data = visit.data
        self.eight_bit = is_eight_bit(visit.data())


class PassTransaction:
    """One batch of one pass, as a session sees it."""

    def __init__(
        self,
        letter: Letter,
        batch: Sequence[int],
        *,
        marks: Marks,
        watcher: ConnectionWatcher,
        dsn: bool,
    ) -> None:
        """Offer *batch*; *dsn* says whether the server sends success notices."""
        self._letter = letter
        self._visit = letter.visit
        self._batch = batch
        self._marks = marks
        self._watcher = watcher
        self._dsn = dsn
        self._hold = self._visit.site.config.spool.in_doubt == "hold"
        self.is_begun = False
        """Whether attempts were opened."""
        self.untried: list[int] = []
        """Recipients to be tried in another transaction of this pass."""
        self.counts: dict[Verdict, int] = {}
        self._deferral: Reply | None = None

    @property
    def envelope(self) -> Envelope:
        """Return the message's envelope."""
        return self._letter.envelope

    @property
    def size(self) -> int:
        """Return the length of the data."""
        return self._letter.size

    @property
    def eight_bit(self) -> bool:
        """Return whether the data holds bytes above 127."""
        return self._letter.eight_bit

    def data(self) -> Iterable[bytes]:
        """Return the data in wire form."""
        return self._letter.data()

    def begin(self) -> list[tuple[int, Recipient]]:
        """Open the attempts; see ``Pass.begin``."""
        self.is_begun = True
        wanted = self._visit.begin(self._batch)
        self._watcher.transaction(self._visit.claim, len(wanted))
        return wanted

    async def dot(self, accepted: Sequence[int]) -> None:
        """Record that the dot is about to leave, durably where that is asked for."""
        if self._marks.is_full:
            self._watcher.phase("body")
            await self._marks.gate()
        self._visit.dot(accepted)
        if self._hold:
            await self._marks.sync_one(self._visit.claim)

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Record verdicts and remember who has to be tried again at once."""
        self._visit.settle(outcomes, relay=self._watcher.relay, dsn=self._dsn)
        counts = self.counts
        before = counts.get(_DELIVERED, 0)
        for outcome in outcomes:
            verdict = outcome.verdict
            counts[verdict] = counts.get(verdict, 0) + 1
            if verdict is _DELIVERED:
                continue
            if verdict is Verdict.UNTRIED:
                self.untried.append(outcome.index)
            elif verdict is Verdict.DEFERRED:
                self._deferral = outcome.reply
        delivered = counts.get(_DELIVERED, 0) - before
        if delivered:
            self._marks.marked(self._visit.claim, delivered)

    @property
    def left(self) -> Sequence[int]:
        """Return the recipients to be tried in another transaction of this pass."""
        return self.untried if self.is_begun else self._batch

    @property
    def put_off(self) -> Reply | None:
        """Return the answer by which everybody was told to come back later."""
        if self._deferral is None:
            return None
        others = self.counts.keys() - {Verdict.DEFERRED, Verdict.UNTRIED}
        return None if others else self._deferral

    async def commit(self) -> None:
        """Make verdicts durable where each is to be, failures always, and mark those.

        One thread hop for all failures of the transaction.
        """
        visit = self._visit
        if visit.has_failures:
            ticket = visit.failure_ticket()
            await in_thread(visit.sync_failures)
            visit.mark_failures(ticket)
            self._marks.marked(visit.claim, 1)
        if self._marks.durability == "each" and visit.claim.changed:
            await self._marks.sync_one(visit.claim)
