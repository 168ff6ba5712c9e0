"""Messages that are not taken in hand yet: their destinations have enough waiting.

Memory holds so many messages and no more.  One slow destination must not fill it up
and keep out the mail for all others, so what comes up for it beyond its share waits
here, by name alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tuiq.runner.due import DueList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sized

    from tuiq.delivery.route import DestinationKey
    from tuiq.runner.work import Destination, Work
    from tuiq.spool.layout import QueueDirectory

MAX_ACTIVE = 20_000
"""Messages in the runner's hands at a time (Postfix's active queue)."""
MIN_SHARE = 20
"""Messages of a lane that a destination may always have in hand."""
NAMED = 4
"""Destinations for which a message with more of them waits outside."""


class Crowds:
    """The shares of destinations in what is in hand, and what waits outside.

    Each may have as many of a lane in hand as there are places left: one takes half
    of all, two a third each, and there is always room for another.
    """

    def __init__(self) -> None:
        """Begin with nothing in hand."""
        self.limit = MAX_ACTIVE
        """Messages that this process may have in hand."""
        self.in_hand: Sized = ()
        """What is counted against the limit."""
        self._outside: dict[DestinationKey, DueList] = {}

    def __len__(self) -> int:
        """Return how many messages wait outside."""
        return sum(map(len, self._outside.values()))

    @property
    def share(self) -> int:
        """Return how many messages of a lane a destination may have in hand."""
        return max(MIN_SHARE, self.limit - len(self.in_hand))

    def is_crowded(self, destination: Destination, work: Work) -> bool:
        """Say whether *work* has to wait outside, as far as *destination* goes."""
        return destination.queue.waiting(fresh=work.fresh) >= self.share

    def put(self, ways: list[Destination], work: Work, when: float) -> None:
        """Let a message, due since *when*, wait outside for any of *ways*.

        It is named for some: whichever has room first lets it in, and the other
        names lead to nothing, or to what is left of it.
        """
        for destination in sorted(ways, key=self._queued_for)[:NAMED]:
            outside = self._outside.setdefault(destination.key, DueList())
            outside.add(work.directory, work.queue_id, when)

    def _queued_for(self, destination: Destination) -> int:
        return len(self._outside.get(destination.key, ()))

    def take(
        self,
        find: Callable[[DestinationKey], Destination],
        has_place: Callable[[], bool],
    ) -> Iterator[tuple[QueueDirectory, str]]:
        """Yield messages whose destination has less than half of its share in hand.

        To be taken in hand one by one, while it *has_place*.
        """
        for key, outside in list(self._outside.items()):
            queue = find(key).queue
            for fresh in (True, False):
                while queue.waiting(fresh=fresh) < self.share // 2 and has_place():
                    item = outside.pop(math.inf, fresh=fresh)
                    if item is None:
                        break
                    yield item
            if not len(outside):
                self._outside.pop(key, None)

    def empty(self) -> list[tuple[QueueDirectory, str]]:
        """Take all that waits outside."""
        items = []
        for outside in self._outside.values():
            while (item := outside.pop(math.inf)) is not None:
                items.append(item)
        self._outside.clear()
        return items

    def clear(self) -> None:
        """Forget all: a scan is going to find it anew."""
        self._outside.clear()
