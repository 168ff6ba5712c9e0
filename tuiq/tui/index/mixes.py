"""The domains of messages of which several recipients count, in one array.

A place in it holds a number of domains, then domain, open recipients, and whether one
waits, for each.  Messages with one domain have no place (0): their columns tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


class Mixes:
    """Lists of domains by their places."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._array: NDArray[np.uint32] = np.zeros(1, dtype=np.uint32)
        self.length = 1
        """Numbers in use, by messages or by none any more."""

    def add(self, mix: NDArray[np.uint32]) -> int:
        """Keep a list; return its place."""
        at, end = self.length, self.length + len(mix)
        if end > len(self._array):
            longer = np.zeros(max(end, len(self._array) * 9 // 8), dtype=np.uint32)
            longer[:at] = self._array[:at]
            self._array = longer
        self._array[at:end] = mix
        self.length = end
        return at

    def at(self, place: int) -> NDArray[np.uint32]:
        """Return (domain, open, waiting) for each domain; none at place 0."""
        count = int(self._array[place])
        return self._array[place + 1 : place + 1 + 3 * count].reshape(-1, 3)

    def walk(
        self, places: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield the domains of those of *places* that hold any.

        Each time a list of indexes of *places*, a domain for each, and its open
        recipients, until all domains of all were told.
        """
        for index, at in self._walk(places):
            yield index, self._array[at], self._array[at + 1]

    def _walk(
        self, places: NDArray[Any]
    ) -> Iterator[tuple[NDArray[Any], NDArray[np.int64]]]:
        index = np.flatnonzero(places)
        at = places[index].astype(np.int64)
        left = self._array[at].astype(np.int64)
        at += 1
        while len(index):
            yield index, at
            more = left > 1
            index, at, left = index[more], at[more] + 3, left[more] - 1

    def renumber(self, places: NDArray[Any], moves: NDArray[np.uint32]) -> None:
        """Follow the domains of *places* to their new numbers."""
        for _, at in self._walk(places):
            self._array[at] = moves[self._array[at]]

    def pack(self, places: NDArray[Any]) -> NDArray[np.uint32]:
        """Keep only the lists at *places* (not 0); return their new places."""
        at = places.astype(np.int64)
        lengths = 1 + 3 * self._array[at].astype(np.int64)
        starts = np.cumsum(lengths) - lengths + 1
        kept = np.zeros(int(lengths.sum()) + 1, dtype=np.uint32)
        kept[1:] = self._array[
            np.repeat(at - starts, lengths) + np.arange(1, len(kept))
        ]
        self._array, self.length = kept, len(kept)
        return starts.astype(np.uint32)
