"""Freezing: from what a key was pressed on to what will be acted on, in a thread.

What comes out is complete and never grows: it is shown, agreed to, and acted on.
"""

from __future__ import annotations

import heapq
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuiq.actions.circumstances import look_around
from tuiq.actions.filter import parse
from tuiq.actions.filter_match import open_recipients
from tuiq.actions.lookup import entry_of
from tuiq.actions.selection import Gathering
from tuiq.spool.holders import LockReader, queue_places

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tuiq.actions.items import Items
    from tuiq.actions.selection import Selection
    from tuiq.spool.entry import QueueEntry
    from tuiq.spool.spool import Spool
    from tuiq.tui.page import Subject

_CHUNK = 2000
"""Ids that are sorted in one call: sorting stops every other thread meanwhile."""
HEADERS = 64 * 1024
"""Bytes of a message that are read for ``subject:``."""
SPREAD = 50
"""Destinations, and messages for each, that a spread is chosen from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """What will be acted on, and what a person wants to know before agreeing."""

    subject: Subject
    selection: Selection
    items: Items
    """Those of the selection."""
    at: float
    """Epoch seconds."""
    senders: int = 0
    """Different ones."""
    held: int = 0
    """Messages that are held, or have held recipients."""
    in_flight: int = 0
    """Messages that somebody has locked."""
    by_domain: dict[bytes, list[str]] = field(default_factory=dict)
    """The oldest ids of the first destinations met."""


class GaveUp(Exception):
    """The operator left before everything was read."""


class Freezing:
    """One freeze; ``run`` it in a thread and look at ``done`` from another."""

    def __init__(self, spool: Spool, subject: Subject) -> None:
        """Freeze *subject*; nothing is read yet."""
        self._spool = spool
        self._subject = subject
        self._senders: set[int] = set()
        self._by_domain: dict[bytes, list[str]] = {}
        self.done = 0
        self.of = subject.count
        self.halt = threading.Event()

    def run(self) -> Frozen:
        """Read every message of the subject; raise GaveUp, TuiqError, OSError."""
        at = self._spool.clock.now()
        gathering, gone = Gathering(), []
        meant = _recipients_by(self._spool, self._subject.recipients)
        for queue_id, slots in _in_order(self._subject.picks):
            if self.halt.is_set():
                raise GaveUp
            self.done += 1
            entry = entry_of(self._spool, queue_id)
            if entry is None:
                gone.append(queue_id)
                continue
            slots = meant(entry) if slots is None else slots
            if slots != ():  # else nobody fits any more
                self._note(entry, gathering.add(entry, slots))
        selection = gathering.selection(
            scope=self._subject.scope, filter_text=self._subject.filter, gone=gone
        )
        return Frozen(
            subject=self._subject,
            selection=selection,
            items=gathering.items,
            at=at,
            senders=len(self._senders),
            held=gathering.items.held_count,
            in_flight=self._count_locked(gathering.items.ids),
            by_domain=self._by_domain,
        )

    def _note(self, entry: QueueEntry, domain: bytes | None) -> None:
        """Count a sender, and keep the message if it may serve in a spread."""
        self._senders.add(hash(entry.sender))
        if domain is None:
            return
        if domain in self._by_domain or len(self._by_domain) < SPREAD:
            ids = self._by_domain.setdefault(domain, [])
            if len(ids) < SPREAD:
                ids.append(entry.queue_id)

    def _count_locked(self, ids: Iterable[str]) -> int:
        locked = LockReader().read(queue_places(self._spool.directories)).messages
        return sum(map(locked.__contains__, ids)) if locked else 0


def _recipients_by(
    spool: Spool, text: str
) -> Callable[[QueueEntry], tuple[int, ...] | None]:
    """Return what tells the slots that the filter *text* means; None: all there are."""
    if not text:
        return lambda _entry: None
    chosen = parse(text)
    context = look_around(spool).context(lambda entry: spool.read_data(entry, HEADERS))

    def meant(entry: QueueEntry) -> tuple[int, ...] | None:
        if entry.count == 1:
            return None
        slots = chosen.recipients(entry, context)
        if slots is None or len(slots) == len(open_recipients(entry)):
            return None
        return slots

    return meant


def _in_order(
    picks: Sequence[tuple[str, tuple[int, ...] | None]],
) -> Iterable[tuple[str, tuple[int, ...] | None]]:
    """Return *picks* by id, oldest first."""
    starts = range(0, len(picks), _CHUNK)
    chunks = [sorted(picks[at : at + _CHUNK], key=_id) for at in starts]
    return heapq.merge(*chunks, key=_id)


def _id(pick: tuple[str, tuple[int, ...] | None]) -> str:
    return pick[0]
