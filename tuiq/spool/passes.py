"""``Pass``: one claim from opening to release (sequences C5-C10, D and D7).

The runner's several transactions for one message share its pass.  Everything
here runs on one thread, except ``sync_failures`` and ``end`` of a pass that
``is_slow``, which the caller may move to another one while nothing else
touches the pass.
"""

from __future__ import annotations

import contextlib
from enum import Enum
from typing import TYPE_CHECKING

from tuiq.errors import SpoolUnavailable
from tuiq.mail.dsn import wants_delay
from tuiq.mail.reply import Reply
from tuiq.spool import control, lifecycle
from tuiq.spool.bounce import (
    is_reportable,
    report_failures,
    send_delay_notice,
    send_relayed_notice,
)
from tuiq.spool.datafile import DataFile
from tuiq.spool.finish import mark_finished
from tuiq.spool.flags import MHold, RState
from tuiq.spool.journal import Kind
from tuiq.spool.recording import keep_doubt, record, retry_in_doubt
from tuiq.spool.requests import any_wish, live_indexes, wishes
from tuiq.spool.settling import BOUNCED_BY_OPERATOR, Settling
from tuiq.spool.texts import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuiq.mail.envelope import Envelope, Recipient
    from tuiq.spool.claim import Claim
    from tuiq.spool.site import Site


_FAILED, _CANCELLED = RState.FAILED[0], RState.CANCELLED[0]


class Start(Enum):
    """What a claim found."""

    READY = "ready"
    """There are recipients to try."""
    IDLE = "idle"
    """Nothing is due; the index time was set right and the claim closed."""
    FINISHED = "finished"
    """All recipients are final; MSTATE F is written: as with ``End.FINISHED``."""


class End(Enum):
    """What is left to do with the claim after a pass."""

    FINISHED = "finished"
    """MSTATE F is written: remove the files as ``finish`` says, then close."""
    WAITING = "waiting"
    """Sync if ``claim.changed``, then ``Pass.release``."""


_READY, _END_FINISHED = Start.READY, End.FINISHED


class Pass(Settling):
    """One look at a message, from claim to release."""

    def __init__(
        self,
        claim: Claim,
        site: Site,
        *,
        relay_of: Callable[[Recipient], str] = lambda _recipient: "",
    ) -> None:
        """Take over *claim*, whose MSTATE is Q; see ``Settling``."""
        super().__init__(claim, site, relay_of=relay_of)
        self.due: Sequence[int] = ()
        """Recipients this pass is to try."""
        self.expire_allowed = True
        """False while the wall clock cannot be trusted."""
        self.deaths = 0
        """How many claims in a row ended without a verdict."""
        self._flush_generation = claim.buffer[control.FLUSHGEN]
        self._data = DataFile(claim)

    # -- opening ---------------------------------------------------------------

    def start(self, *, sending: bool = True) -> Start:
        """Recover, report, apply requests, and see what is due (C5-C10).

        The data is read through only when *sending*: a pass that finds its
        destination out of reach needs none of it.

        Raises MessageDamaged when the data file is missing or of a wrong length;
        MSTATE is C then.  Slow when a failure has to be reported.
        """
        claim = self.claim
        self.site.forget_source(claim)
        if control.is_fresh(claim.count, claim.buffer):
            # What all that follows would come to, for most mail.
            claim.has_texts = False
            claim.put(control.OPENED, b"1")
            self.due = self._unpaused((0,)) if self.site.pauses.any() else (0,)
            return self._begin(sending=sending)
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
        return self._begin(sending=sending)

    def _begin(self, *, sending: bool) -> Start:
        """Open the data for what is due, or close the message again (C9-C10)."""
        claim = self.claim
        if not self.due:
            claim.put(control.OPENED, b"0")
            self._set_index_time()
            self.release()
            return Start.IDLE
        self._data.open()
        if sending:
            self._data.verify()
        return _READY

    @property
    def flush_pending(self) -> bool:
        """Say whether a flush was asked for when the message was claimed."""
        return self._flush_generation != self.claim.buffer[control.FLUSHACK]

    def _recover(self) -> float:
        """Count the claim and settle what a dead holder left (C5).

        Returns when to look again at a message whose holders keep dying, else 0.
        """
        claim = self.claim
        deaths = self.deaths = claim.opened
        if deaths:
            now = self.site.clock.now()
            if deaths >= lifecycle.MAX_OPENED and not self.flush_pending:
                wait = claim.number(control.LAST, 8) + 60 * deaths
                if now < wait <= now + 60 * deaths:
                    return float(wait)
            claim.put_number(control.LAST, 8, int(now))
        # What nobody has tried has no texts; where an operator's undo left some all
        # the same, they are orphans and go as those do.
        touched = claim.states.strip(b"T") != b""
        was_tried = deaths or claim.number(control.TRIES, 4)
        claim.has_texts = touched or bool(was_tried)
        claim.put(control.OPENED, b"%d" % min(deaths + 1, 9))
        if touched:
            claim.mark(claim.indexes(RState.ATTEMPT), RState.TODO)
            if self.site.config.spool.in_doubt == "retry":
                retry_in_doubt(claim, self.site, claim.indexes(RState.UNKNOWN))
        return 0.0

    def _apply_requests(self, *, report: bool = True) -> None:
        """Turn requests into states: cancel, then bounce (C7)."""
        claim = self.claim
        if any_wish(claim):
            wanted = wishes(claim, live_indexes(claim))
            failing = [i for i in wanted.bounce if claim.states[i] != RState.FAILED[0]]
            keep_doubt(claim, [*wanted.cancel, *failing])
            self._cancel(wanted.cancel)
            if failing:
                self._fail(failing, BOUNCED_BY_OPERATOR)
                self.commit_failures()
                if report:
                    self._report()
        self._note_trash()

    def _note_trash(self) -> None:
        """Set the trash time of a settled message with cancelled recipients.

        A time that is 0, damaged or in the future becomes now: kept longer, never
        shorter.
        """
        claim = self.claim
        states = claim.states
        if _CANCELLED not in states or not lifecycle.is_settled(states):
            return
        now = self.site.clock.now()
        if not 0 < claim.trashed_at <= now:
            claim.put_number(control.TRASHED, 8, int(now))

    def _may_finish(self) -> bool:
        claim = self.claim
        return lifecycle.is_settled(claim.states) and lifecycle.may_finish(
            claim.states,
            request=claim.request,
            trashed_at=claim.trashed_at,
            keep=self.site.config.spool.trash_keep,
            now=self.site.clock.now(),
        )

    def _find_due(self) -> Sequence[int]:
        claim = self.claim
        if claim.is_held:
            return ()
        now, flush = self.site.clock.now(), self.flush_pending
        header_next = claim.number(control.NEXT, 8)
        if lifecycle.sane(header_next, now) > now and not flush:
            return ()
        due = lifecycle.due_indexes(
            claim.states, claim.requests, claim.nexts(), now=now, flush=flush
        )
        return self._unpaused(due) if self.site.pauses.any() else due

    def _unpaused(self, indexes: Sequence[int]) -> list[int]:
        ends = self._pause_ends(indexes)
        self.paused = any(end is not None for end in ends)
        return [i for i, end in zip(indexes, ends, strict=True) if end is None]

    def data(self) -> Iterable[bytes]:
        """Return the data in wire form, not dot-stuffed."""
        return self._data.blocks()

    def verify(self) -> None:
        """Read the data through before it is sent, unless that was done.

        Raises MessageDamaged; MSTATE is C then.
        """
        self._data.verify()

    def envelope(self) -> Envelope:
        """Return the envelope."""
        return self.claim.envelope()

    @property
    def sender(self) -> bytes:
        """Return the envelope sender."""
        return self.claim.sender

    # -- the end ---------------------------------------------------------------

    @property
    def is_slow(self) -> bool:
        """Say whether ``end`` will sync or submit a notice."""
        if self.is_delivered:
            return bool(self._relayed)
        return (
            self.has_failures
            or _FAILED in self.claim.states
            or bool(self._expired())
            or self._notice_due()
            or bool(self._relayed)
            or any_wish(self.claim)
        )

    def end(self) -> End:
        """Finish the pass (D7): expiry, bounces, requests, notice, index time."""
        claim = self.claim
        if self.is_delivered and not self._relayed:
            # Nothing that anybody asked for can matter any more.
            self.close_files()
            mark_finished(claim)
            return _END_FINISHED
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
        if _FAILED not in self.claim.states:
            return
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
        self._fail(indexes, Reply(code=554, enhanced=b"5.4.7", text=text))
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
        if lifecycle.is_settled(claim.states):  # nothing else of the message matters
            keep = config.spool.trash_keep
            claim.set_index_time(lifecycle.settled_time(claim.trashed_at, now, keep))
            return
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

    def retreat(self) -> None:
        """Close a pass that could not begin for want of means; nobody died of it."""
        self.claim.put(control.OPENED, b"%d" % self.deaths)
        self.abandon()

    def abandon(self) -> None:
        """Close everything as a dying process would: the slots tell the truth."""
        if self._failures is not None:
            self._failures.staged.clear()
        self.close_files()
        self.claim.close()

    def close_files(self) -> None:
        """Close what was opened beside the control file."""
        if self._failures is not None:
            self._failures.close()
        if self._transcript is not None:
            self._transcript.close()
        self._data.close()
