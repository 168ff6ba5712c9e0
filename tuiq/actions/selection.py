"""Selections: the messages an action will be applied to, frozen before it starts.

What was shown is what is acted on: a selection holds identities (id and birth) and
never grows; a message that is gone or changed when its turn comes says so in its
answer.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuiq.actions.filter_match import open_recipients
from tuiq.actions.filter_text import domain_of
from tuiq.actions.items import Items
from tuiq.actions.lookup import split_recipient
from tuiq.actions.words import plural
from tuiq.errors import MessageGone, UsageError
from tuiq.log import printable
from tuiq.spool import control
from tuiq.spool.answers import Verb
from tuiq.spool.flags import OPEN, MState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tuiq.actions.filter import Context, Filter
    from tuiq.actions.items import Item
    from tuiq.spool.entry import QueueEntry, RecipientView

TOP_DOMAINS = 5
SAMPLES = 3

Pick = tuple["QueueEntry", "tuple[int, ...] | None"]
"""A message and the slots that are meant; None = the whole message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What will be acted on, and what a person needs to see to agree."""

    scope: str
    """What was asked for: ``ALL``, ``filter from:x age>2h``, ``2 ids``."""
    filter: str = ""
    """The canonical filter text; empty without one."""
    items: Sequence[Item] = ()
    """Oldest first."""
    gone: tuple[str, ...] = ()
    """Ids that were asked for and are not there."""
    size: int = 0
    """Bytes of all messages."""
    recipients: int = 0
    """Recipients that will be affected."""
    oldest: float | None = None
    """Epoch seconds; None when empty."""
    domains: tuple[tuple[bytes, int], ...] = ()
    """The most frequent recipient domains with their recipients."""
    domain_count: int = 0
    """How many domains there are in all."""
    samples: tuple[Pick, ...] = ()
    """The oldest few."""
    is_single: bool = False
    """Recipients were chosen one by one, not whole messages alone."""

    @property
    def count(self) -> int:
        """Return the number of messages."""
        return len(self.items)

    @property
    def what(self) -> str:
        """Return ``2 messages``, or ``3 recipients of 2 messages``."""
        messages = plural(self.count, "message")
        if not self.is_single:
            return messages
        return f"{plural(self.recipients, 'recipient')} of {messages}"


def freeze(
    picks: Iterable[Pick],
    *,
    scope: str,
    filter_text: str = "",
    gone: Sequence[str] = (),
) -> Selection:
    """Turn *picks* into a selection."""
    gathering = Gathering()
    for entry, slots in picks:
        gathering.add(entry, slots)
    return gathering.selection(scope=scope, filter_text=filter_text, gone=gone)


class Gathering:
    """What becomes a selection, message by message."""

    def __init__(self) -> None:
        """Hold nothing."""
        self.items = Items()
        self._domains: Counter[bytes] = Counter()
        self._samples: list[tuple[float, str, Pick]] = []
        self._size = 0
        self._is_single = False

    def add(self, entry: QueueEntry, slots: tuple[int, ...] | None) -> bytes | None:
        """Take in what is meant of a message; return its first recipient's domain.

        None: it has no recipients that can be read.
        """
        self.items.add(entry, slots)
        self._size += entry.size
        self._is_single |= slots is not None
        domains = [domain_of(address) for address in _addresses(entry, slots)]
        for domain in domains:
            self._domains[domain] += 1
        self._note_sample(entry, slots)
        return domains[0] if domains else None

    def _note_sample(self, entry: QueueEntry, slots: tuple[int, ...] | None) -> None:
        """Keep the oldest few, the youngest of them first in the heap."""
        samples, age = self._samples, -entry.birth
        if len(samples) < SAMPLES:
            heapq.heappush(samples, (age, entry.queue_id, (entry, slots)))
        elif age > samples[0][0]:
            heapq.heapreplace(samples, (age, entry.queue_id, (entry, slots)))

    def selection(
        self, *, scope: str, filter_text: str, gone: Sequence[str]
    ) -> Selection:
        """Return the selection of all that was taken in, in order."""
        self.items.sort()
        found = sorted(self._samples, key=_birth_and_id, reverse=True)
        oldest = tuple(pick for _, _, pick in found)
        return Selection(
            scope=scope,
            filter=filter_text,
            items=self.items,
            gone=tuple(gone),
            size=self._size,
            recipients=self._domains.total(),
            oldest=oldest[0][0].birth if oldest else None,
            domains=tuple(self._domains.most_common(TOP_DOMAINS)),
            domain_count=len(self._domains),
            samples=oldest,
            is_single=self._is_single,
        )


def _birth_and_id(sample: tuple[float, str, Pick]) -> tuple[float, str]:
    return sample[:2]


def affected(
    entry: QueueEntry, slots: tuple[int, ...] | None
) -> Sequence[RecipientView]:
    """Return the recipients that a pick means."""
    if slots is None:
        return open_recipients(entry)
    wanted = set(slots)
    return [view for view in entry.recipients() if view.index in wanted]


def _addresses(entry: QueueEntry, slots: tuple[int, ...] | None) -> list[bytes]:
    """Return the addresses of ``affected``, without all that a view holds."""
    states = entry.states
    chosen: Iterable[int] = range(len(states))
    if slots is not None:
        chosen = sorted(set(slots).intersection(chosen))
    elif states.translate(None, OPEN):  # some are settled
        chosen = [i for i in chosen if states[i] in OPEN] or chosen
    try:
        pairs = control.decode_addresses(entry.header, entry.raw, chosen)
    except ValueError:
        return []
    return [address for address, _ in pairs]


def in_trash(entry: QueueEntry) -> bool:
    """Say whether nothing of the message is alive and something was deleted."""
    return not entry.is_live and b"X" in entry.states


def _deleted_slots(entry: QueueEntry) -> tuple[int, ...]:
    """Return what was deleted, without what an operator marked delivered."""
    views = entry.recipients() if b"X" in entry.states else []
    return tuple(v.index for v in views if v.state == b"X" and v.code != b"250")


def _has_deleted(entry: QueueEntry) -> bool:
    return bool(_deleted_slots(entry))


def _alive(entry: QueueEntry) -> bool:
    return entry.is_live


def _has_holds(entry: QueueEntry) -> bool:
    return entry.is_live and (entry.hold == b"H" or b"H" in entry.requests)


def _any_mail(entry: QueueEntry) -> bool:
    return entry.is_live or in_trash(entry)


def _meant(verb: Verb, chosen: Filter | None) -> Callable[[QueueEntry], bool]:
    """Return the test for messages that a filter or ALL means under *verb*.

    release ALL means what is held.  The trash is only meant by undo and purge, and by a
    filter that names it; what a move left behind and files that are no control files
    are never meant.
    """
    if verb is Verb.UNDO:
        fits = _has_deleted
    elif verb is Verb.PURGE:
        fits = in_trash
    elif verb is Verb.RELEASE and chosen is None:
        fits = _has_holds
    else:
        fits = _any_mail if chosen is not None and chosen.wants_trash else _alive
    mstates = (MState.QUEUED, MState.CORRUPT)
    return lambda entry: entry.mstate in mstates and fits(entry)


def pick_by_filter(
    entries: Iterable[QueueEntry],
    chosen: Filter,
    context: Context,
    *,
    verb: Verb,
    matching_recipients: bool = False,
) -> Iterator[Pick]:
    """Yield the messages that *chosen* selects; with only the slots that fit."""
    test, meant = chosen.bind(context), _meant(verb, chosen)
    for entry in entries:
        if not (meant(entry) and test(entry)):
            continue
        slots = chosen.recipients(entry, context) if matching_recipients else None
        if slots is None and verb is Verb.UNDO:
            slots = _deleted_slots(entry)
        if slots != ():
            yield entry, slots


def pick_all(entries: Iterable[QueueEntry], *, verb: Verb) -> Iterator[Pick]:
    """Yield every message that ALL means."""
    for entry in filter(_meant(verb, None), entries):
        yield entry, _deleted_slots(entry) if verb is Verb.UNDO else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """One message as it was written: ``ID``, ``ID/2`` or ``ID:bob@example.org``."""

    text: str
    """The id, or a unique part of it."""
    index: int | None = None
    """Slot number."""
    address: bytes | None = None

    @classmethod
    def parse(cls, word: str) -> Mention:
        """Take *word* apart; raise UsageError."""
        head, colon, address = word.partition(":")
        text, index = split_recipient(head)
        raw = address.encode("utf-8", "surrogateescape") if colon else None
        return cls(text=text, index=index, address=raw)

    def slots(self, entry: QueueEntry) -> tuple[int, ...] | None:
        """Return the slots that are meant, None for all; raise UsageError."""
        if self.index is not None:
            if self.index >= entry.count:
                raise UsageError(
                    f"{entry.queue_id}/{self.index + 1}: the message has "
                    f"{plural(entry.count, 'recipient')}"
                )
            return (self.index,)
        if self.address is None:
            return None
        wanted = self.address.strip(b"<>").lower()
        views = entry.recipients()
        slots = tuple(v.index for v in views if v.address.lower() == wanted)
        if not slots:
            raise UsageError(
                f"{entry.queue_id}: has no recipient {printable(self.address)}; "
                f"see tuiq show {entry.queue_id}"
            )
        return slots


def pick_by_ids(
    words: Iterable[str], find: Callable[[str], QueueEntry]
) -> tuple[list[Pick], list[str]]:
    """Return the messages that *words* name, and the words that name none.

    *find* raises MessageGone.  Several mentions of one message become one.
    """
    picks: dict[str, Pick] = {}
    gone: dict[str, None] = {}
    for mention in [Mention.parse(word) for word in words]:
        try:
            entry = find(mention.text)
        except MessageGone:
            gone[printable(mention.text)] = None
            continue
        slots = mention.slots(entry)
        known = picks.get(entry.queue_id)
        if known and slots is not None:
            slots = None if known[1] is None else (*known[1], *slots)
        picks[entry.queue_id] = (
            entry,
            None if slots is None else tuple(sorted(set(slots))),
        )
    return list(picks.values()), list(gone)
