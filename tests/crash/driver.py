"""The smallest runner there is: shipped passes, a scripted server, no event loop.

It performs the calls in the order in which the real runner performs them, and
writes down for the ledger what the server and the journal have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from tests.crash.simfs import SimFs
from tests.crash.world import SimClock, open_queue
from tuiq.config import BounceConfig, Config, RetryConfig, SpoolConfig
from tuiq.errors import MessageBusy, MessageDamaged, MessageGone, SpoolUnavailable
from tuiq.mail.outcome import Outcome, Verdict
from tuiq.mail.reply import Reply
from tuiq.spool.answers import Answer, Target, Verb
from tuiq.spool.finish import claim_message
from tuiq.spool.group import SyncGroup
from tuiq.spool.operate import operate
from tuiq.spool.orphans import collect
from tuiq.spool.passes import End, Pass, Start
from tuiq.spool.site import Site

if TYPE_CHECKING:
    from tests.crash.explore import Ledger
    from tests.crash.simdisk import SimDisk
    from tuiq.mail.envelope import Recipient
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory

BATCH = 2
"""Recipients per transaction."""
EVENTS = {"possible_duplicate": "possible duplicate"}


class Clock(Protocol):
    """What the driver needs of a clock."""

    def now(self) -> float:
        """Return epoch seconds."""

    def now_ns(self) -> int:
        """Return epoch nanoseconds."""

    def boottime(self) -> float:
        """Return seconds since boot."""


class LedgerRecorder:
    """A journal that is never lost."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def record(
        self,
        event: str,
        queue_id: str,
        *,
        recipients: Sequence[tuple[int, bytes]] = (),
        reply: Reply | None = None,
        relay: str = "",
    ) -> None:
        """Note the event for each recipient."""
        for index, _ in recipients:
            # What the server saw is noted by the server.
            if event != "delivered":
                self.ledger.note(EVENTS.get(event, str(event)), queue_id, index)

    def sync(self) -> None:
        """Do nothing: the ledger is durable."""


class NoPauses:
    """Nothing is paused."""

    def any(self) -> bool:
        """Say no."""
        return False

    def until(
        self,
        directory: QueueDirectory,
        recipients: Sequence[Recipient],
        relay_of: Callable[[Recipient], str],
    ) -> list[float | None]:
        """Return no end of a pause for anybody."""
        return [None] * len(recipients)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a scenario varies."""

    in_doubt: str = "retry"
    trash_keep: float = 86400.0
    lifetime: float = 5 * 86400.0
    delay_notice: float = 0.0
    verdicts: Callable[[bytes, int], Verdict] = lambda address, attempt: (
        Verdict.DELIVERED
    )
    """What the server says to an address at its attempt number (from 0)."""
    pauses: object = field(default_factory=NoPauses)


def by_name(address: bytes, attempt: int) -> Verdict:
    """Answer as the local part says: ``ok``, ``later`` (then ok), ``no``, ``doubt``
    (taken, but the connection dies before the verdict; then ok)."""
    local = address.partition(b"@")[0].rstrip(b"0123456789")
    if local == b"no":
        return Verdict.FAILED
    if attempt == 0 and local == b"later":
        return Verdict.DEFERRED
    if attempt == 0 and local == b"doubt":
        return Verdict.IN_DOUBT
    return Verdict.DELIVERED


REPLIES = {
    Verdict.DELIVERED: Reply(code=250, enhanced=b"2.0.0", text=b"taken"),
    Verdict.DEFERRED: Reply(code=451, enhanced=b"4.7.1", text=b"later"),
    Verdict.FAILED: Reply(code=550, enhanced=b"5.1.1", text=b"nobody"),
    Verdict.IN_DOUBT: Reply(code=421, enhanced=b"4.4.2", text=b"connection lost"),
}


def make_site(fs: SimFs, ledger: Ledger, settings: Settings) -> Site:
    """Return the site of a scenario."""
    return Site(
        config=Config(
            spool=SpoolConfig(
                queues="/sim/q.*",
                in_doubt=settings.in_doubt,  # type: ignore[arg-type]
                trash_keep=settings.trash_keep,
            ),
            retry=RetryConfig(
                lifetime=settings.lifetime, delay_notice=settings.delay_notice
            ),
            bounce=BounceConfig(),
        ),
        recorder=LedgerRecorder(ledger),
        pauses=settings.pauses,  # type: ignore[arg-type]
        clock=SimClock(fs.disk),
    )


class Runner:
    """Delivers messages of one queue directory, one after the other."""

    def __init__(self, fs: SimFs, ledger: Ledger, settings: Settings) -> None:
        self.fs = fs
        self.ledger = ledger
        self.settings = settings
        self.directory = open_queue(fs)
        self.site = make_site(fs, ledger, settings)
        self.idle_fds = len(fs.table)

    def deliver(self, queue_id: str) -> bool:
        """Do one pass over a message; return whether it could be claimed."""
        try:
            claim = claim_message(self.directory, queue_id)
        except (MessageGone, MessageBusy):
            return False
        attempt = Pass(claim, self.site)
        try:
            self._pass(attempt, claim)
        except (MessageDamaged, SpoolUnavailable):
            attempt.abandon()
        assert len(self.fs.table) == self.idle_fds, "18 a descriptor was left open"
        return True

    def deliver_together(self, queue_ids: Sequence[str]) -> None:
        """Do one pass over each message; one group sync covers them all."""
        group = SyncGroup(trusts=lambda _: True)
        for queue_id in queue_ids:
            claim = claim_message(self.directory, queue_id)
            attempt = Pass(claim, self.site)
            attempt.start()
            if self._attempt(attempt, claim) is End.FINISHED:
                group.finished(claim)
            else:
                group.waiting(attempt)
        self._sync_group(group, queue_ids)

    def _sync_group(self, group: SyncGroup, queue_ids: Sequence[str]) -> None:
        """Make all of a group durable, write down that it is, and let go of it."""
        batch = group.take()
        list(batch.retiring())
        batch.sync()
        for queue_id in queue_ids:
            self.ledger.note("synced", queue_id)
        batch.complete()
        group.done(batch)

    def _pass(self, attempt: Pass, claim: Claim) -> None:
        start = attempt.start()
        if start is Start.IDLE:
            return
        if start is Start.FINISHED or self._attempt(attempt, claim) is End.FINISHED:
            self.finish(claim)
            return
        if claim.changed:
            self.sync(claim)
        attempt.release()

    def _attempt(self, attempt: Pass, claim: Claim) -> End:
        """Try everybody who is due, and end the pass."""
        for at in range(0, len(attempt.due), BATCH):
            self._transact(attempt, claim, attempt.due[at : at + BATCH])
        return attempt.end()

    def sync(self, claim: Claim) -> None:
        """Make the marks durable, and write down that they are."""
        claim.sync()
        self.ledger.note("synced", claim.queue_id)

    def finish(self, claim: Claim) -> None:
        """Remove the files of a message that says F."""
        group = SyncGroup(trusts=lambda _: True)
        group.finished(claim)
        self._sync_group(group, [claim.queue_id])

    def _transact(self, attempt: Pass, claim: Claim, batch: Sequence[int]) -> None:
        wanted = attempt.begin(batch)
        verdicts = {i: self._ask(claim.queue_id, i, r.address) for i, r in wanted}
        accepted = [i for i, v in verdicts.items() if v is not Verdict.FAILED]
        refused = [i for i in verdicts if i not in accepted]
        attempt.settle([_outcome(i, Verdict.FAILED) for i in refused])
        if accepted:
            for index in accepted:
                self.ledger.note("dot", claim.queue_id, index)
            attempt.dot(accepted)
            for index, recipient in wanted:
                if verdicts[index] in (Verdict.DELIVERED, Verdict.IN_DOUBT):
                    self._take(claim, index, recipient, b"".join(attempt.data()))
            attempt.settle([_outcome(i, verdicts[i]) for i in accepted])
        attempt.commit_failures()

    def _ask(self, queue_id: str, index: int, address: bytes) -> Verdict:
        number = self.ledger.count("attempt", queue_id, index)
        self.ledger.note("attempt", queue_id, index)
        return self.settings.verdicts(address, number)

    def _take(
        self, claim: Claim, index: int, recipient: Recipient, data: bytes
    ) -> None:
        self.ledger.note("delivered", claim.queue_id, index)
        if claim.header.origin.rstrip() == b"dsn":
            original = claim.header.reference.decode()
            self.ledger.note("notice", original, data)


def _outcome(index: int, verdict: Verdict) -> Outcome:
    return Outcome(index=index, verdict=verdict, reply=REPLIES[verdict])


def run_all(
    fs: SimFs,
    ledger: Ledger,
    settings: Settings,
    *,
    rounds: int = 3,
    hours: float = 9.0,
) -> None:
    """Collect garbage and deliver everything, *rounds* times, *hours* apart."""
    runner = Runner(fs, ledger, settings)
    for _ in range(rounds):
        now = runner.site.clock.now()
        collect(runner.directory, now=now, age=900.0)
        for queue_id in sorted(runner.directory.ids()):
            runner.deliver(queue_id)
        fs.disk.now_ns += int(hours * 3600 * 10**9)


def drain(disk: SimDisk, ledger: Ledger, settings: Settings) -> None:
    """Deliver what is due at this moment until nothing is, as a runner would."""
    fs = SimFs(disk, "drain")
    runner = Runner(fs, ledger, settings)
    for _ in range(4):
        for name, mtime_ns in fs.scan(runner.directory.qf_fd):
            if name.startswith("qf") and mtime_ns <= disk.now_ns:
                runner.deliver(name[2:])
    fs.kill()


def act(
    fs: SimFs, ledger: Ledger, settings: Settings, verb: Verb, target: Target
) -> Answer:
    """Perform an operator's verb; the ledger learns when it began and was answered."""
    directory = open_queue(fs)
    site = make_site(fs, ledger, settings)
    idle_fds = len(fs.table)
    # A call of its own, so that the operator may come at any moment of the race.
    directory.ids()
    ledger.note("asked", verb.value)
    (answer,) = operate(lambda _: directory, site, verb, [target])
    ledger.note("answered", verb.value, answer.result.value)
    assert len(fs.table) == idle_fds, "18 a descriptor was left open"
    return answer
