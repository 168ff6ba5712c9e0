"""``Pass``: one claim from opening to release (sequences C5-C10, D and D7).

The runner's several transactions for one message share its pass.  Everything
here runs on one thread, except ``sync_failures`` and ``end`` of a pass that
``is_slow``, which the caller may move to another one while nothing else
touches the pass.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from tuiq.errors import MessageDamaged, SpoolUnavailable
from tuiq.mail.dsn import wants_delay, wants_success
from tuiq.mail.outcome import Verdict
from tuiq.mail.reply import Reply
from tuiq.spool import control, lifecycle
from tuiq.spool.bounce import (
    is_reportable,
    report_failures,
    send_delay_notice,
    send_relayed_notice,
)
from tuiq.spool.finish import mark_finished
from tuiq.spool.flags import MHold, MState, RReq, RState
from tuiq.spool.fs import pread_all
from tuiq.spool.journal import Kind
from tuiq.spool.requests import live_indexes, wishes
from tuiq.spool.texts import Line, TextLog, escape, format_line
from tuiq.spool.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tuiq.mail.envelope import Envelope, Recipient
    from tuiq.mail.outcome import Outcome
    from tuiq.spool.claim import Claim
    from tuiq.spool.site import Site

BLOCK = 256 * 1024
"""Bytes of data read at once."""
_BOUNCED_BY_OPERATOR = Reply(code=550, enhanced=b"5.7.0", text=b"bounced by operator")


class Start(Enum):
    """What a claim found."""

    READY = "ready"
    """There are recipients to try."""
    IDLE = "idle"
    """Nothing is due; the index time was set right and the claim closed."""
    FINISHED = "finished"
    """All recipients are final; MSTATE F is written and must be synced."""


class End(Enum):
    """What is left to do with the claim after a pass."""

    FINISHED = "finished"
    """MSTATE F is written: sync, then ``finish.remove``, then close."""
    WAITING = "waiting"
    """Sync if ``claim.changed``, then ``Pass.release``."""


class Pass:
    """One look at a message, from claim to release."""

    def __init__(self, claim: Claim, site: Site, *, relay: str = "") -> None:
        """Take over *claim*, whose MSTATE is Q."""
        self.claim = claim
        self.site = site
        self.relay = relay
        """Name of the next hop, for pauses and the journal."""
        self.due: list[int] = []
        """Recipients this pass is to try."""
        self.expire_allowed = True
        """False while the wall clock cannot be trusted."""
        self.paused = False
        """Whether a pause kept recipients back that were due."""
        self.deaths = 0
        """How many claims in a row ended without a verdict."""
        self._flush_generation = claim.buffer[control.FLUSHGEN]
        self._now = site.clock.now()
        self._next = 0
        self._tried: set[int] = set()
        self._relayed: list[int] = []  # delivered, and owed a notice about it
        self._unreached = False  # header next stands for all: no slot was attempted
        self._failures = _Failures(self)
        self._transcript = Transcript(claim)
        self._reply: Reply | None = None
        self._df = -1

    # -- opening ---------------------------------------------------------------

    def start(self) -> Start:
        """Recover, report, apply requests, and see what is due (C5-C10).

        Raises MessageDamaged when the data file is missing or of a wrong length;
        MSTATE is C then.  Slow when a failure has to be reported.
        """
        claim = self.claim
        self.site.forget_source(claim)
        wait = self._recover()
        if wait:
            claim.set_index_time(wait)
            self.release()
            return Start.IDLE
        self._report()
        self._apply_requests()
        if self._may_finish():
            self.close_files()
            mark_finished(claim)
            return Start.FINISHED
        self.due = self._find_due()
        if not self.due:
            claim.put(control.OPENED, b"0")
            self._set_index_time()
            self.release()
            return Start.IDLE
        self._open_data()
        return Start.READY

    @property
    def flush_pending(self) -> bool:
        """Say whether a flush was asked for when the message was claimed."""
        return self._flush_generation != self.claim.buffer[control.FLUSHACK]

    def _recover(self) -> float:
        """Count the claim and settle what a dead holder left (C5).

        Returns when to look again at a message whose holders keep dying, else 0.
        """
        claim, now = self.claim, self.site.clock.now()
        self.deaths = claim.number(control.OPENED, 1)
        if self.deaths >= lifecycle.MAX_OPENED and not self.flush_pending:
            wait = claim.number(control.LAST, 8) + 60 * self.deaths
            if now < wait <= now + 60 * self.deaths:
                return float(wait)
        if self.deaths:
            claim.put_number(control.LAST, 8, int(now))
        claim.put(control.OPENED, b"%d" % min(self.deaths + 1, 9))
        claim.mark(claim.indexes(RState.ATTEMPT), RState.TODO)
        if self.site.config.spool.in_doubt == "retry":
            retry_in_doubt(claim, self.site, claim.indexes(RState.UNKNOWN))
        return 0.0

    def _apply_requests(self, *, report: bool = True) -> None:
        """Turn requests into states: cancel, then bounce (C7)."""
        claim = self.claim
        wanted = wishes(claim, live_indexes(claim))
        self._cancel(wanted.cancel)
        failing = [i for i in wanted.bounce if claim.states[i] != RState.FAILED[0]]
        if failing:
            self._failures.stage(failing, _BOUNCED_BY_OPERATOR)
            self.commit_failures()
            if report:
                self._report()
        self._note_trash()

    def _cancel(self, indexes: list[int]) -> None:
        self.claim.mark(indexes, RState.CANCELLED)
        self._record(Kind.CANCELLED, indexes)

    def _note_trash(self) -> None:
        """Set, or mend, the time at which the message went to the trash."""
        note_trash(self.claim, self.site.clock.now())

    def _may_finish(self) -> bool:
        claim = self.claim
        return lifecycle.may_finish(
            claim.states,
            request=claim.request,
            trashed_at=claim.trashed_at,
            keep=self.site.config.spool.trash_keep,
            now=self.site.clock.now(),
        )

    def _find_due(self) -> list[int]:
        claim = self.claim
        if claim.hold != MHold.NONE:
            return []
        now = self.site.clock.now()
        header_next = lifecycle.sane(claim.number(control.NEXT, 8), now)
        if header_next > now and not self.flush_pending:
            return []
        return self._unpaused(
            lifecycle.due_indexes(
                claim.states,
                claim.requests,
                claim.nexts(),
                now=now,
                flush=self.flush_pending,
            )
        )

    def _unpaused(self, indexes: list[int]) -> list[int]:
        ends = self._pause_ends(indexes)
        self.paused = any(end is not None for end in ends)
        return [i for i, end in zip(indexes, ends, strict=True) if end is None]

    def _pause_ends(self, indexes: Sequence[int]) -> list[float | None]:
        claim = self.claim
        recipients = claim.recipients(indexes)
        return self.site.pauses.until(claim.directory, recipients, self.relay)

    def _open_data(self) -> None:
        """Open the data file and compare its length and checksum (C10)."""
        claim, directory = self.claim, self.claim.directory
        name = "df" + claim.queue_id
        try:
            self._df = directory.fs.open(name, os.O_RDONLY, dir_fd=directory.df_fd)
            length = directory.fs.fstat(self._df).st_size
        except FileNotFoundError:
            length = -1
        wanted = claim.header.data_length
        reason = f"has {length} bytes instead of {wanted}" if length >= 0 else "is gone"
        if length == wanted:
            crc = 0
            for block in self._blocks():
                crc = zlib.crc32(block, crc)
            if crc == claim.header.data_crc:
                return
            reason = "does not match its checksum"
        claim.set_message(MState.CORRUPT)
        claim.sync()
        raise MessageDamaged(
            directory.path_of(name),
            reason,
            "put the right file back and tuiq requeue, or tuiq delete the message",
        )

    # -- reading ---------------------------------------------------------------

    def data(self) -> Iterator[bytes]:
        """Yield the data in wire form, not dot-stuffed."""
        return self._blocks()

    def _blocks(self) -> Iterator[bytes]:
        fs, size = self.claim.directory.fs, self.claim.header.data_length
        for offset in range(0, size, BLOCK):
            yield pread_all(fs, self._df, min(BLOCK, size - offset), offset)

    def envelope(self) -> Envelope:
        """Return the envelope."""
        return self.claim.envelope()

    # -- one transaction -------------------------------------------------------

    def begin(self, indexes: Sequence[int]) -> list[tuple[int, Recipient]]:
        """Open attempts and return who may really be tried (D1-D2).

        First every A is written, only then are requests and pauses read: an
        operator who saw a T after asking for a cancel knows that no attempt starts.
        """
        claim = self.claim
        states = claim.states
        batch = [index for index in indexes if states[index] == RState.TODO[0]]
        if not batch:
            return []
        claim.mark(batch, RState.ATTEMPT)
        claim.reread(min(batch), max(batch))
        kept = self._settle_requests(batch)
        if claim.hold != MHold.NONE:
            held = kept
        else:
            requests = claim.requests
            ends = self._pause_ends(kept)
            self.paused = self.paused or any(end is not None for end in ends)
            held = [
                index
                for index, end in zip(kept, ends, strict=True)
                if end is not None or requests[index] == RReq.HOLD[0]
            ]
        claim.mark(held, RState.TODO)
        left = set(kept).difference(held)
        kept = [index for index in kept if index in left]
        return list(zip(kept, claim.recipients(kept), strict=True))

    def dot(self, accepted: Sequence[int]) -> None:
        """Record that the final dot is about to leave (D4)."""
        self.claim.mark(accepted, RState.UNKNOWN)

    def settle(
        self, outcomes: Sequence[Outcome], *, relay: str = "", dsn: bool = True
    ) -> None:
        """Record verdicts (D5-D6); failures wait for ``commit_failures``.

        *dsn* says whether the server promised to send success notices itself.
        """
        by_verdict: dict[Verdict, list[Outcome]] = {}
        for outcome in outcomes:
            by_verdict.setdefault(outcome.verdict, []).append(outcome)
        if relay:
            self.relay = relay
        for verdict, group in by_verdict.items():
            self._SETTLE[verdict](self, group)
        if not dsn:
            self._note_relayed(by_verdict.get(Verdict.DELIVERED, []))
        if set(by_verdict) - {Verdict.UNTRIED, Verdict.IN_DOUBT}:
            self.claim.put(control.OPENED, b"0")

    def _settle_delivered(self, group: list[Outcome]) -> None:
        claim = self.claim
        claim.mark([o.index for o in group], RState.DELIVERED)
        for outcome in group:
            self._put_slot(outcome, next_=0)
        self._record_outcomes(Kind.DELIVERED, group)

    def _note_relayed(self, group: list[Outcome]) -> None:
        indexes = [o.index for o in group]
        recipients = zip(indexes, self.claim.recipients(indexes), strict=True)
        self._relayed += [index for index, r in recipients if wants_success(r)]

    def _settle_failed(self, group: list[Outcome]) -> None:
        for outcome in group:
            self._put_slot(outcome, next_=0)
            self._tried.add(outcome.index)
        for reply, indexes in _by_reply(group):
            self._failures.stage(indexes, reply)
        self._record_outcomes(Kind.FAILED, group)

    def _settle_deferred(self, group: list[Outcome]) -> None:
        when = self.next_time()
        for outcome in group:
            self._put_slot(outcome, next_=when)
            self._tried.add(outcome.index)
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

    _SETTLE: ClassVar[dict[Verdict, Callable[[Pass, list[Outcome]], None]]] = {
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
        wanted = wishes(self.claim, indexes)
        if not wanted.cancel and not wanted.bounce:
            return list(indexes)
        self._cancel(wanted.cancel)
        self._failures.stage(wanted.bounce, _BOUNCED_BY_OPERATOR)
        gone = set(wanted.cancel).union(wanted.bounce)
        return [index for index in indexes if index not in gone]

    def defer_all(self, indexes: Sequence[int], reply: Reply) -> None:
        """Record that the destination of *indexes* could not be used.

        No attempt was open.  When these are all that is live, only the header
        is written; else the slots too, or the others' next look would try them.
        """
        claim = self.claim
        states = claim.states
        live = [index for index in indexes if states[index] == RState.TODO[0]]
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
        return bool(self._failures.staged)

    def sync_failures(self) -> None:
        """Make the reasons of staged failures durable; may run in a thread."""
        self._failures.sync()

    def mark_failures(self, ticket: int | None = None) -> None:
        """Write F for every failure staged before *ticket* was drawn (None: all)."""
        self._failures.mark(ticket)

    def failure_ticket(self) -> int:
        """Return how many failures were ever staged: what a sync begun now covers."""
        return self._failures.ticket

    def commit_failures(self) -> None:
        """Sync the reasons, then write F."""
        if self.has_failures:
            self.sync_failures()
            self.mark_failures()

    # -- the end ---------------------------------------------------------------

    @property
    def is_slow(self) -> bool:
        """Say whether ``end`` will sync or submit a notice."""
        return (
            self.has_failures
            or RState.FAILED[0] in self.claim.states
            or bool(self._expired())
            or self._notice_due()
            or bool(self._relayed)
            or self.claim.request != b"-"
            or self.claim.requests.strip(b"-H") != b""
        )

    def end(self) -> End:
        """Finish the pass (D7): expiry, bounces, requests, notice, index time."""
        claim = self.claim
        self.close_files()
        expired = self._expired()
        if expired:
            self._expire(expired)
        self.commit_failures()
        # No transaction runs any more: an attempt that was cut off sent no dot.
        claim.mark(claim.indexes(RState.ATTEMPT), RState.TODO)
        self._report()
        claim.reread()
        self._apply_requests()
        self._write_soft_fields()
        if self._notice_due():
            with self._storing():
                send_delay_notice(claim, self.site)
        with self._storing():
            send_relayed_notice(claim, self.site, self._relayed)
        self._acknowledge_flush()
        return self.conclude()

    def spell_out(self) -> None:
        """Write into the slots what a dead holder and pending requests mean (X2)."""
        claim = self.claim
        self.site.forget_source(claim)
        claim.reread()
        claim.mark(claim.indexes(RState.ATTEMPT), RState.TODO)
        self._apply_requests(report=False)

    def apply(self) -> End:
        """Apply requests as a holder does, and nothing else (X2)."""
        self.claim.reread()
        self._report()
        self._apply_requests()
        return self.conclude()

    def conclude(self) -> End:
        """Decide what is left to do, and set the index time."""
        self.close_files()
        if self._may_finish():
            mark_finished(self.claim)
            return End.FINISHED
        self._set_index_time()
        return End.WAITING

    def _report(self) -> None:
        with self._storing():
            report_failures(self.claim, self.site)

    @contextlib.contextmanager
    def _storing(self) -> Iterator[None]:
        """Let a notice that cannot be stored wait: its state bytes stay as they are."""
        try:
            yield
        except SpoolUnavailable as error:
            reply = Reply(code=452, enhanced=b"4.3.1", text=str(error).encode())
            record(self.claim, self.site, Kind.NOTICE_NOT_STORED, (), reply)

    def _acknowledge_flush(self) -> None:
        """Answer the flush seen at claim, unless some recipients went untried."""
        states, todo = self.claim.states, RState.TODO[0]
        if all(states[i] != todo or i in self._tried for i in self.due):
            self.claim.put(control.FLUSHACK, bytes((self._flush_generation,)))

    def _expired(self) -> list[int]:
        claim = self.claim
        age = self.site.clock.now() - claim.base
        if not self.expire_allowed or age < self.site.config.retry.lifetime:
            return []
        states = claim.states
        return sorted(i for i in self._tried if states[i] == RState.TODO[0])

    def _expire(self, indexes: list[int]) -> None:
        reply = self._reply or Reply(code=450)
        text = b"gave up after %d tries; last reply: %b" % (
            self.claim.number(control.TRIES, 4) + 1,
            bytes(reply),
        )
        self._failures.stage(indexes, Reply(code=554, enhanced=b"5.4.7", text=text))
        self._record(Kind.EXPIRED, indexes, reply)

    def _notice_due(self) -> bool:
        claim, delay = self.claim, self.site.config.retry.delay_notice
        if not delay or not self._tried or claim.buffer[control.NOTICE] != 0x2D:
            return False
        if self.site.clock.now() - claim.base < delay:
            return False
        late = [i for i in self._tried if claim.states[i] == RState.TODO[0]]
        return any(map(wants_delay, claim.recipients(late)))

    def _write_soft_fields(self) -> None:
        claim = self.claim
        if self._tried:
            claim.put_number(control.TRIES, 4, claim.number(control.TRIES, 4) + 1)
            claim.put_number(control.LAST, 8, int(self.site.clock.now()))
        if self._reply is not None:
            text = escape(bytes(self._reply), control.REPLY_LENGTH)
            claim.put(control.REPLY, text.ljust(control.REPLY_LENGTH))
        claim.put(control.OPENED, b"0")

    def _situation(self) -> lifecycle.Situation:
        claim, now = self.claim, self.site.clock.now()
        states, nexts = claim.states, claim.nexts()
        if self.site.config.spool.in_doubt == "retry":
            states = states.replace(b"U", b"T")
        flush = claim.buffer[control.FLUSHGEN] != claim.buffer[control.FLUSHACK]
        todo = [i for i, state in enumerate(states) if state == RState.TODO[0]]
        for index, end in zip(todo, self._pause_ends(todo), strict=True):
            if end is not None:
                look = now + lifecycle.PAUSE_LOOK
                nexts[index] = max(nexts[index], int(min(end or look, look)))
            elif flush:
                nexts[index] = 0
        not_before = lifecycle.sane(claim.number(control.NEXT, 8), now)
        return lifecycle.Situation(
            states=states,
            requests=claim.requests,
            held=claim.hold != MHold.NONE,
            nexts=nexts,
            not_before=0 if flush else not_before,
            trashed_at=claim.trashed_at,
            base=claim.base,
            unreported=is_reportable(claim, self.site),
        )

    def _set_index_time(self) -> None:
        """Write header next, then set the mtime."""
        claim, now = self.claim, self.site.clock.now()
        if self._tried and not self._unreached:
            live = zip(claim.states, claim.requests, claim.nexts(), strict=True)
            claim.put_number(control.NEXT, 8, lifecycle.header_next(live))
        config = self.site.config
        claim.set_index_time(
            lifecycle.index_time(
                self._situation(),
                now=now,
                keep=config.spool.trash_keep,
                retry=config.retry,
            )
        )

    def release(self) -> None:
        """Look once more at the operators' bytes, then close (end of D7)."""
        claim = self.claim
        if claim.fd < 0:
            return
        self.close_files()
        before = (claim.hold, claim.request, claim.requests)
        claim.reread()
        after = (claim.hold, claim.request, claim.requests)
        if after != before or claim.buffer[control.FLUSHGEN] != self._flush_generation:
            claim.set_index_time(self.site.clock.now())
        claim.close()

    def abandon(self) -> None:
        """Close everything as a dying process would: the slots tell the truth."""
        self._failures.staged.clear()
        self.close_files()
        self.claim.close()

    def close_files(self) -> None:
        """Close what was opened beside the control file."""
        self._failures.close()
        self._transcript.close()
        if self._df >= 0:
            fd, self._df = self._df, -1
            self.claim.directory.fs.close(fd)

    # -- small helpers ---------------------------------------------------------

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
        for reply, indexes in _by_reply(group):
            self._record(event, indexes, reply)

    def _record(
        self, event: Kind, indexes: Sequence[int], reply: Reply | None = None
    ) -> None:
        if indexes:
            record(self.claim, self.site, event, indexes, reply, self.relay)


class _Failures:
    """Failures whose reasons are on their way to the bf file."""

    def __init__(self, owner: Pass) -> None:
        self._owner = owner
        self._log: TextLog | None = None
        self.staged: list[int] = []
        self._marked = 0

    def stage(self, indexes: Sequence[int], reply: Reply) -> None:
        """Append the reason; the slots stay as they are until ``mark``."""
        if not indexes:
            return
        claim = self._owner.claim
        if self._log is None:
            self._log = TextLog(claim.directory, "bf", claim.queue_id)
        now = int(self._owner.site.clock.now())
        code = b"%03d" % reply.code + (b"-" + reply.enhanced if reply.enhanced else b"")
        text = escape(reply.text)
        self._log.append(
            format_line(Line(index=index, time=now, code=code, text=text))
            for index in indexes
        )
        self.staged.extend(indexes)

    def sync(self) -> None:
        if self._log is not None:
            self._log.sync()

    @property
    def ticket(self) -> int:
        return self._marked + len(self.staged)

    def mark(self, ticket: int | None = None) -> None:
        end = len(self.staged) if ticket is None else max(0, ticket - self._marked)
        done, self.staged = self.staged[:end], self.staged[end:]
        self._marked += len(done)
        self._owner.claim.mark(done, RState.FAILED)

    def close(self) -> None:
        if self._log is not None and not self.staged:
            log, self._log = self._log, None
            log.close()


def _by_reply(group: Sequence[Outcome]) -> list[tuple[Reply, list[int]]]:
    """Group outcomes by their reply, in order."""
    groups: dict[Reply, list[int]] = {}
    for outcome in group:
        groups.setdefault(outcome.reply, []).append(outcome.index)
    return list(groups.items())


def record(
    claim: Claim,
    site: Site,
    kind: Kind,
    indexes: Sequence[int],
    reply: Reply | None = None,
    relay: str = "",
) -> None:
    """Write one journal event about recipients of a claimed message."""
    addresses = [r.address for r in claim.recipients(indexes)]
    site.recorder.record(
        kind,
        claim.queue_id,
        recipients=list(zip(indexes, addresses, strict=True)),
        reply=reply,
        relay=relay,
    )


def retry_in_doubt(claim: Claim, site: Site, indexes: list[int]) -> None:
    """Let recipients in doubt be tried again: named in the journal first, then T."""
    if not indexes:
        return
    record(claim, site, Kind.POSSIBLE_DUPLICATE, indexes)
    site.recorder.sync()
    claim.mark(indexes, RState.TODO)


def note_trash(claim: Claim, now: float) -> None:
    """Set the trash time of a settled message with cancelled recipients.

    A time that is 0, damaged or in the future becomes now: kept longer, never
    shorter.
    """
    states = claim.states
    if not lifecycle.is_settled(states) or RState.CANCELLED.value not in states:
        return
    if not 0 < claim.trashed_at <= now:
        claim.put_number(control.TRASHED, 8, int(now))
