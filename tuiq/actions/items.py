"""The messages of a frozen selection: identities, and what undoing must know.

Half a million are a few lists and arrays and no object each: what the garbage
collector would have to look at stops every thread of the UI meanwhile.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from operator import le
from typing import TYPE_CHECKING, overload

from tuiq.actions.slots import encode_slots
from tuiq.spool.answers import Target
from tuiq.spool.flags import OPEN, MHold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tuiq.spool.entry import QueueEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message of a selection, and what undoing must know about it."""

    target: Target
    unsettled: str = ""
    """Slots in T, A, U or F when it was frozen, as ``slots`` writes them."""
    hold: bool = False
    """The message as a whole was held."""
    held: str = ""
    """Slots that were held one by one."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the items of many messages share."""

    recipients: tuple[int, ...] | None
    unsettled: str
    hold: bool
    held: str


_Look = tuple[bytes, bytes, bytes, tuple[int, ...] | None]
"""States, requests, MHOLD and the slots that are meant: what makes a kind."""


class Items(Sequence[Item]):
    """Items by id, oldest first; one is made when it is asked for."""

    def __init__(self) -> None:
        """Hold none; ``add`` them, then ``sort``."""
        self.ids: list[str] = []
        self._births = array("d")
        self._places = array("L")
        self._kinds: list[_Kind] = []
        self._known: dict[_Look, int] = {}

    def add(self, entry: QueueEntry, slots: tuple[int, ...] | None) -> None:
        """Take in one message; *slots* are meant, None = all of it."""
        look = entry.states, entry.requests, entry.hold, slots
        place = self._known.get(look)
        if place is None:
            place = self._known[look] = len(self._kinds)
            self._kinds.append(_kind(*look))
        self.ids.append(entry.queue_id)
        self._births.append(entry.birth)
        self._places.append(place)

    def sort(self) -> None:
        """Put them in order."""
        ids = self.ids
        if all(map(le, ids, islice(ids, 1, None))):
            return
        order = sorted(range(len(ids)), key=ids.__getitem__)
        self.ids = [ids[at] for at in order]
        self._births = array("d", (self._births[at] for at in order))
        self._places = array("L", (self._places[at] for at in order))

    def find(self, queue_id: str) -> int:
        """Return where a message stands; raise ValueError when it is not there."""
        at = bisect_left(self.ids, queue_id)
        if at == len(self) or self.ids[at] != queue_id:
            raise ValueError(queue_id)
        return at

    def without(self, ids: Iterable[str]) -> Items:
        """Return all but a few of them."""
        rest = Items()
        rest._kinds, rest._known = self._kinds, self._known
        start = 0
        for end in [*sorted(map(self.find, ids)), len(self)]:
            rest.ids += self.ids[start:end]
            rest._births += self._births[start:end]
            rest._places += self._places[start:end]
            start = end + 1
        return rest

    @property
    def held_count(self) -> int:
        """Return how many were held, or had held recipients."""
        counts = Counter(self._places)
        kinds = enumerate(self._kinds)
        return sum(counts[at] for at, kind in kinds if kind.hold or kind.held)

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | Sequence[Item]:
        if isinstance(index, slice):
            return [self[at] for at in range(len(self))[index]]
        kind = self._kinds[self._places[index]]
        target = Target(
            queue_id=self.ids[index],
            birth=self._births[index],
            recipients=kind.recipients,
        )
        return Item(
            target=target, unsettled=kind.unsettled, hold=kind.hold, held=kind.held
        )


def _kind(
    states: bytes, requests: bytes, hold: bytes, slots: tuple[int, ...] | None
) -> _Kind:
    unsettled = [i for i, state in enumerate(states) if state in OPEN]
    held = [i for i, request in enumerate(requests) if request in b"H"]
    return _Kind(
        recipients=slots,
        unsettled=encode_slots(unsettled),
        hold=hold != MHold.NONE,
        held=encode_slots(held),
    )
