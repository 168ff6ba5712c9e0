"""Opening and closing messages for connections: claims, budgets, fates.

Everything a pass needs from the runner's side is here; nothing here knows
sockets.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING

from tuiq.errors import MessageBusy, MessageGone, SpoolUnavailable, TuiqError
from tuiq.runner.budget import OUT_OF_DESCRIPTORS
from tuiq.runner.readahead import ReadAhead
from tuiq.runner.threads import in_thread
from tuiq.runner.transaction import Letter
from tuiq.runner.work import Fate
from tuiq.spool.finish import claim_message
from tuiq.spool.flags import UNDECIDED
from tuiq.spool.journal import Event, Kind
from tuiq.spool.lifecycle import MAX_OPENED
from tuiq.spool.passes import End, Pass, Start

if TYPE_CHECKING:
    from collections.abc import Callable

    from tuiq.mail.reply import Reply
    from tuiq.runner.budget import Budget
    from tuiq.runner.marks import Marks
    from tuiq.runner.routes import Routes
    from tuiq.runner.work import Key, Unit, Work
    from tuiq.spool.claim import Claim
    from tuiq.spool.layout import QueueDirectory
    from tuiq.spool.spool import Spool

_LARGE_DATA = 4 * 1024 * 1024
"""Data from this size is checked in a thread."""
_READY, _FINISHED, _WAITING = Start.READY, End.FINISHED, End.WAITING
_SETTLED = Fate.SETTLED
_log = logging.getLogger(__name__)


def _is_slow(claim: Claim, *, sending: bool) -> bool:
    """Say whether opening the pass will sync, submit or read a lot."""
    if sending and claim.header.data_length > _LARGE_DATA:
        return True
    return b"F" in claim.states or b"U" in claim.states


class Desk:
    """Claims messages for connections and puts them away after the pass."""

    def __init__(
        self,
        spool: Spool,
        marks: Marks,
        budget: Budget,
        *,
        routes: Routes,
        on_end: Callable[[Work, Fate], None],
    ) -> None:
        """Tell *on_end* when a message leaves the runner's hands."""
        self._spool = spool
        self.marks = marks
        self._budget = budget
        self.routes = routes
        self._on_end = on_end
        self.ahead = ReadAhead()
        self._room = asyncio.Event()
        self._stopping = False
        self._told: set[str] = set()
        self._damaged: set[Key] = set()
        self.open_messages = 0
        """Messages claimed, those that only wait for a sync left out."""
        self.lost_claims = 0
        """Claims lost to a busy lock."""
        self.expire_allowed = True

    # -- room ------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """Say whether the budget allows another claim."""
        return self.open_messages + self.marks.held < self._budget.messages

    async def wait_for_room(self) -> bool:
        """Wait until another claim is allowed; False when the runner stops."""
        while not self.has_room and not self._stopping:
            self.marks.hurry()
            self._room.clear()
            await self._room.wait()
        return not self._stopping

    def room_changed(self) -> None:
        """Wake who waits for room: claims were let go."""
        self._room.set()

    def stop(self) -> None:
        """Open nothing any more."""
        self._stopping = True
        self._room.set()

    def obstacle(self, directory: QueueDirectory) -> str:
        """Say why no attempt may start in a directory, else empty."""
        if directory.blocked:
            return directory.blocked
        low = self._spool.floor.check(directory.qf_fd)
        return "" if low is None else f"{directory.path}: {low}"

    # -- opening ---------------------------------------------------------------

    async def open(self, unit: Unit, *, sending: bool = True) -> bool:
        """Claim the message of *unit* unless it is; False: nothing to send from it.

        Without *sending* its data is not read: only the envelope is wanted.
        """
        work = unit.work
        if work.is_busy:
            await work.rest()
        work.is_busy = True
        try:
            if unit.is_withdrawn:
                return False
            is_new = work.visit is None
            if is_new and not await self._claim_one(work, unit, sending):
                return False
            if unit.pending and (is_new or not sending or await self._verify(work)):
                return True
            if not work.running:
                await self._conclude(work)
            return False
        finally:
            work.leave()

    async def visit(self, work: Work) -> None:
        """Claim a message for what needs no connection, and let go of it."""
        if work.is_busy:
            await work.rest()
        work.is_busy = True
        try:
            if work.visit is None and await self._claim_one(work, None, False):
                await self._conclude(work)
        finally:
            work.leave()

    async def _claim_one(self, work: Work, in_hand: Unit | None, sending: bool) -> bool:
        if self._stopping or self.obstacle(work.directory):
            self._on_end(work, Fate.HELD_BACK)
            return False
        self.open_messages += 1
        ready = False
        try:
            ready = await self._claim(work, in_hand, sending=sending)
        finally:
            if not ready:
                self._closed()
        return ready

    async def _verify(self, work: Work) -> bool:
        """Read the data through, unless that was done; False when it is damaged."""
        visit = work.visit
        assert visit is not None
        try:
            if visit.claim.header.data_length > _LARGE_DATA:
                await in_thread(visit.verify)
            else:
                visit.verify()
        except (TuiqError, OSError) as error:
            self.spoil(work, error)
        return not work.spoiled

    def _closed(self) -> None:
        self.open_messages -= 1
        self._room.set()
        if not self.open_messages:
            self.marks.rest()

    async def _claim(self, work: Work, in_hand: Unit | None, *, sending: bool) -> bool:
        visit: Pass | None = None
        self.ahead.claiming()
        try:
            claim = claim_message(work.directory, work.queue_id, over=self.marks.finish)
            relay_of = self.routes.relay_of(claim)
            visit = Pass(claim, self._spool.site, relay_of=relay_of)
            if not self.expire_allowed:
                visit.expire_allowed = False
            if _is_slow(claim, sending=sending):
                start = await in_thread(partial(visit.start, sending=sending))
            else:
                start = visit.start(sending=sending)
        except (TuiqError, OSError) as error:
            if visit is not None:
                _let_go(visit, error)
            self._not_opened(work, error)
            return False
        except BaseException:
            if visit is not None:
                visit.abandon()
            raise
        if visit.deaths >= MAX_OPENED:
            self._tell_deaths(work, visit.deaths)
        return self._started(work, visit, start, in_hand)

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
            self._on_end(work, Fate.STARVED)
        else:
            self.tell_damage(work, _sentence(work, "be claimed", error))

    def _tell_deaths(self, work: Work, deaths: int) -> None:
        path = work.directory.path_of("qf" + work.queue_id)
        self.tell(
            work,
            f"{path}: its runner died {deaths} times; it is tried alone, "
            "and later; see tuiq show, then tuiq flush or tuiq delete",
        )

    def _started(
        self, work: Work, visit: Pass, start: Start, in_hand: Unit | None
    ) -> bool:
        if start is _READY:
            work.visit = visit
            for indexes, reply in self.routes.deal(work, visit, in_hand=in_hand):
                visit.fail_all(indexes, reply)
            return True
        if start is Start.FINISHED:
            self.marks.finish(visit.claim)
            self._on_end(work, Fate.SETTLED)
        else:
            self._on_end(work, _fate(visit))
        return False

    # -- telling ---------------------------------------------------------------

    def tell_damage(self, work: Work, text: str) -> None:
        """Report a message that a person has to look at, once per runner."""
        if work.key not in self._damaged:
            self._damaged.add(work.key)
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

    # -- between opening and closing -------------------------------------------

    def letter(self, work: Work) -> Letter:
        """Return what the transactions of the work's pass share."""
        letter = work.letter
        if letter is None:
            assert work.visit is not None
            letter = work.letter = Letter(work.visit)
        return letter

    def spoil(self, work: Work, error: TuiqError | OSError) -> None:
        """Give a pass up in which something could not be read or written.

        Its other transactions end as they can; then it is closed as it stands.
        """
        work.spoiled = True
        for unit in work.units.values():
            unit.pending.clear()
        self.tell(work, _sentence(work, "go on", error))

    async def defer(self, unit: Unit, reply: Reply) -> None:
        """Record that the destination of *unit* could not be used."""
        await self._decide(unit, reply, permanent=False)

    async def refuse(self, unit: Unit, reply: Reply) -> None:
        """Give up on the recipients of *unit*: no server will ever take them."""
        await self._decide(unit, reply, permanent=True)

    async def _decide(self, unit: Unit, reply: Reply, *, permanent: bool) -> None:
        if not await self.open(unit, sending=False):
            return
        work = unit.work
        assert work.visit is not None
        visit = work.visit
        visit.relay = unit.destination.name
        indexes = list(unit.pending)
        unit.pending.clear()
        unit.served = True
        try:
            if permanent:
                visit.fail_all(indexes, reply)
            else:
                visit.defer_all(indexes, reply)
        except OSError as error:
            self.spoil(work, error)
        if not work.running:
            await self.conclude(work)

    # -- closing ---------------------------------------------------------------

    async def conclude(self, work: Work) -> None:
        """End the pass of a message that no transaction works on.

        Units that were not served in it stay in their queues, for another pass.
        """
        if work.is_busy:
            await work.rest()
        work.is_busy = True
        try:
            if work.visit is not None and not work.running:
                await self._conclude(work)
        finally:
            work.leave()

    async def _conclude(self, work: Work) -> None:
        visit = work.visit
        assert visit is not None
        work.visit = work.letter = None
        try:
            if work.spoiled:
                end = None
            else:
                end = await in_thread(visit.end) if visit.is_slow else visit.end()
        except (TuiqError, OSError) as error:
            self.spoil(work, error)
            end = None
        if end is None:
            self.marks.drop(visit)
            fate = Fate.DAMAGED
        elif end is _FINISHED:
            self.marks.finish(visit.claim)
            fate = _SETTLED
        else:
            fate = _fate(visit)
            self.marks.release(visit)
        self._closed()
        if end is not _WAITING or self._stopping or not _rest(work):
            self._on_end(work, fate)


def _rest(work: Work) -> bool:
    """Keep the units that were not served for another pass; say whether there are."""
    waiting = {d: u for d, u in work.units.items() if u.pending and not u.served}
    if not waiting:
        return False
    work.units = waiting
    for unit in waiting.values():
        unit.pending.clear()
    return True


def _let_go(visit: Pass, error: TuiqError | OSError) -> None:
    """Close a pass that could not begin."""
    if isinstance(error, OSError) and error.errno in OUT_OF_DESCRIPTORS:
        visit.retreat()
    else:
        visit.abandon()


def _fate(visit: Pass) -> Fate:
    """Say how a pass left a message that is not finished."""
    if visit.paused:
        return Fate.HELD_BACK
    left = any(state in UNDECIDED for state in visit.claim.states)
    return Fate.LEFT if left else Fate.SETTLED


def _sentence(work: Work, what: str, error: TuiqError | OSError) -> str:
    if isinstance(error, TuiqError):
        return str(error)
    path = work.directory.path_of("qf" + work.queue_id)
    reason = (error.strerror or "error").lower()
    return f"{path}: cannot {what}: {reason}; see tuiq check"
