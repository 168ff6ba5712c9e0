"""Opening and closing messages for connections: claims, budgets, fates.

Everything a pass needs from the runner's side is here; nothing here knows
sockets.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from tuiq.errors import MessageBusy, MessageGone, SpoolUnavailable, TuiqError
from tuiq.runner.budget import OUT_OF_DESCRIPTORS
from tuiq.runner.transaction import Letter
from tuiq.runner.work import Fate
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import RState
from tuiq.spool.journal import Event, Kind
from tuiq.spool.passes import End, Pass, Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.mail.reply import Reply
    from tuiq.runner.budget import Budget
    from tuiq.runner.marks import Marks
    from tuiq.runner.work import Work
    from tuiq.spool.claim import Claim
    from tuiq.spool.spool import Spool

BUSY_DELAYS = (0.1, 1.0, 10.0)
"""Seconds after which a message that somebody else holds is tried again."""
_LARGE_DATA = 4 * 1024 * 1024
"""Data from this size is checked in a thread."""
_log = logging.getLogger(__name__)


def _is_slow(claim: Claim) -> bool:
    """Say whether opening the pass will sync, submit or read a lot."""
    return (
        RState.FAILED[0] in claim.states
        or RState.UNKNOWN[0] in claim.states
        or claim.header.data_length > _LARGE_DATA
    )


class Desk:
    """Claims messages for connections and puts them away after the pass."""

    def __init__(
        self,
        spool: Spool,
        marks: Marks,
        budget: Budget,
        *,
        on_end: Callable[[Work, Fate], None],
        on_starved: Callable[[], None],
    ) -> None:
        """Tell *on_end* when a message leaves the runner's hands."""
        self._spool = spool
        self._marks = marks
        self._budget = budget
        self._on_end = on_end
        self._on_starved = on_starved
        self._letters: dict[int, Letter] = {}
        self._room = asyncio.Event()
        self._told: set[str] = set()
        self.open_messages = 0
        """Messages claimed, those that only wait for a sync left out."""
        self.lost_claims = 0
        """Claims lost to a busy lock."""
        self.expire_allowed = True

    async def open(self, work: Work, relay: str) -> bool:
        """Claim *work* unless it is; False when there is nothing to send from it."""
        if work.visit is not None:
            return True
        while self.open_messages + self._marks.held >= self._budget.messages:
            await self._wait_for_room()
        reason = self._obstacle(work)
        if reason:
            self._on_end(work, Fate.HELD_BACK)
            return False
        self.open_messages += 1
        try:
            ready = await self._claim(work, relay)
        except BaseException:
            self._closed()
            raise
        if not ready:
            self._closed()
        return ready

    async def _wait_for_room(self) -> None:
        self._room.clear()
        if self._marks.held:
            await self._marks.next_sync()
        else:
            await self._room.wait()

    def _closed(self) -> None:
        self.open_messages -= 1
        self._room.set()

    def _obstacle(self, work: Work) -> str:
        """Say why no attempt may start in the message's directory, else empty."""
        directory = work.directory
        if directory.blocked:
            return directory.blocked
        low = self._spool.floor.check(directory.qf_fd)
        return "" if low is None else f"{directory.path}: {low}"

    async def _claim(self, work: Work, relay: str) -> bool:
        visit: Pass | None = None
        try:
            claim = claim_message(work.directory, work.queue_id)
            visit = Pass(claim, self._spool.site, relay=relay)
            visit.expire_allowed = self.expire_allowed
            slow = _is_slow(claim)
            start = await asyncio.to_thread(visit.start) if slow else visit.start()
        except (TuiqError, OSError) as error:
            if visit is not None:
                visit.abandon()
            self._not_opened(work, error)
            return False
        except BaseException:
            if visit is not None:
                visit.abandon()
            raise
        return self._started(work, visit, start)

    def _not_opened(self, work: Work, error: TuiqError | OSError) -> None:
        """Settle the fate of a message that could not be claimed."""
        if isinstance(error, MessageBusy):
            self.lost_claims += 1
            self._on_end(work, Fate.BUSY)
        elif isinstance(error, MessageGone):
            self._on_end(work, Fate.SETTLED)
        elif isinstance(error, SpoolUnavailable):
            self.tell(work, str(error))
            self._on_end(work, Fate.HELD_BACK)
        elif isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
            self._on_starved()
            self._on_end(work, Fate.BUSY)
        else:
            text = str(error)
            if isinstance(error, OSError):
                reason = (error.strerror or "error").lower()
                text = f"{work.queue_id}: cannot be claimed: {reason}"
            self.tell_damage(work, text)

    def _started(self, work: Work, visit: Pass, start: Start) -> bool:
        if start is Start.READY:
            work.visit = visit
            work.pending.extend(visit.due)
            return True
        if start is Start.FINISHED:
            self._finished(visit)
            self._on_end(work, Fate.SETTLED)
        else:
            self._on_end(work, Fate.HELD_BACK if visit.paused else Fate.SETTLED)
        return False

    def tell_damage(self, work: Work, text: str) -> None:
        """Report a message that a person has to look at."""
        self.tell(work, text)
        self._on_end(work, Fate.DAMAGED)

    def tell(self, work: Work, text: str) -> None:
        """Log and journal a sentence about a message, once per runner."""
        if text in self._told:
            return
        self._told.add(text)
        _log.error("%s", text)
        event = Event(
            kind=Kind.DAMAGED,
            queue_id=work.queue_id,
            directory=work.directory.name,
            text=text,
        )
        self._spool.journal.append((event,))

    def letter(self, work: Work) -> Letter:
        """Return what the transactions of the work's pass share."""
        assert work.visit is not None
        letter = self._letters.get(id(work))
        if letter is None:
            letter = self._letters[id(work)] = Letter(work.visit)
        return letter

    async def defer(self, work: Work, reply: Reply, relay: str) -> None:
        """Record that the destination could not be used, and end the pass."""
        if not await self.open(work, relay):
            return
        assert work.visit is not None
        work.visit.defer_all(list(work.pending), reply)
        work.pending.clear()
        await self.conclude(work)

    async def conclude(self, work: Work) -> None:
        """End the pass of a message that no transaction works on."""
        visit = work.visit
        assert visit is not None
        assert not work.running
        self._letters.pop(id(work), None)
        try:
            end = await asyncio.to_thread(visit.end) if visit.is_slow else visit.end()
        except OSError as error:
            visit.abandon()
            self._closed()
            work.visit = None
            self.tell_damage(work, f"{work.queue_id}: {error.strerror or error}")
            return
        work.visit = None
        states = visit.claim.states
        if end is End.FINISHED:
            self._finished(visit)
            fate = Fate.SETTLED
        else:
            self._marks.release(visit)
            left = any(state in b"TAU" for state in states)
            fate = Fate.LEFT if left else Fate.SETTLED
        self._closed()
        self._on_end(work, fate)

    def _finished(self, visit: Pass) -> None:
        claim = visit.claim
        visit.close_files()
        event = Event(
            kind=Kind.FINISHED,
            queue_id=claim.queue_id,
            directory=claim.directory.name,
        )
        self._spool.journal.append((event,))
        self._marks.finish(claim)
