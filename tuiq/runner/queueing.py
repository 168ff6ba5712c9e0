"""Queues in which first tries and retries take turns."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_T = TypeVar("_T")


class TurnQueue(Generic[_T]):
    """Two lanes taken from in turn, each first in, first out.

    Neither a backlog of retries nor a stream of new mail holds up the other.
    """

    def __init__(self, is_fresh: Callable[[_T], bool]) -> None:
        """Part items into lanes by *is_fresh*, which is asked when they are added."""
        self._is_fresh = is_fresh
        self._lanes: tuple[deque[_T], deque[_T]] = deque(), deque()
        self._turn = 1  # the lane of first tries

    def __len__(self) -> int:
        """Return how many items wait in both lanes."""
        return len(self._lanes[0]) + len(self._lanes[1])

    def __iter__(self) -> Iterator[_T]:
        """Yield all items: those of the lane whose turn it is come first."""
        yield from self._lanes[self._turn]
        yield from self._lanes[1 - self._turn]

    def waiting(self, *, fresh: bool) -> int:
        """Return how many items wait in one lane."""
        return len(self._lanes[fresh])

    def append(self, item: _T) -> None:
        """Put an item at the end of its lane."""
        self._lanes[self._is_fresh(item)].append(item)

    def take(self) -> _T | None:
        """Take the item whose turn it is; None when there is none."""
        lanes, lane = self._lanes, self._turn
        if not lanes[lane]:
            lane = 1 - lane
            if not lanes[lane]:
                return None
        self._turn = 1 - lane
        return lanes[lane].popleft()

    def pick(self, wanted: Callable[[_T], bool]) -> _T | None:
        """Take the first wanted item of the lane in turn, else of the other.

        The others keep their places.
        """
        for lane in (self._turn, 1 - self._turn):
            items = self._lanes[lane]
            for place, item in enumerate(items):
                if wanted(item):
                    del items[place]
                    self._turn = 1 - lane
                    return item
        return None

    def remove(self, unwanted: Callable[[_T], bool]) -> list[_T]:
        """Take all unwanted items out, without anybody's turn; return them."""
        removed: list[_T] = []
        for items in self._lanes:
            for _ in range(len(items)):
                item = items.popleft()
                (removed if unwanted(item) else items).append(item)
        return removed
