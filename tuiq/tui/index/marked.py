"""Marks on the lines of a list: as good as ids, and as quick as arrays.

A row of the table together with when it began is one message and never another, so a
mark is never handed on; marks of messages that are gone count no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from tuiq.tui.index.lines import Key, Lines, Listing, coded, rows_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from tuiq.tui.index.owner import Index


_NONE = -1
"""No line."""


class MarkedLines:
    """Marks on what a list shows or showed; only the UI thread calls it."""

    def __init__(self, messages: Index, listing: Listing) -> None:
        """Mark nothing; the keys are those of *listing*."""
        self._messages = messages
        self._table = messages.table
        self._listing = listing
        self._codes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)  # rising
        self._born: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
        self._version = 0
        self._as_of = -1
        self._shown: tuple[object, NDArray[np.int64]] = ((), self._codes)

    @property
    def version(self) -> int:
        """Return a number that grows with every change, also by messages leaving."""
        self._bring()
        return self._version

    def __len__(self) -> int:
        self._bring()
        return len(self._codes)

    def __contains__(self, key: object) -> bool:
        self._bring()
        return bool(len(self._codes)) and bool(
            _in(self.coded([key]), self._codes).any()
        )

    def __iter__(self) -> Iterator[Key]:
        self._bring()
        return iter(self._lines(self._codes))

    @property
    def rows(self) -> NDArray[np.int64]:
        """Return the rows of all messages with marks."""
        self._bring()
        rows: NDArray[np.int64] = rows_of(self._codes)
        rows = rows[np.diff(rows, prepend=-1) != 0]
        return rows

    def add(self, *keys: Hashable) -> None:
        """Mark."""
        self.update(keys)

    def update(self, keys: Iterable[Hashable]) -> None:
        """Mark many."""
        self._bring()
        codes = self.coded(keys)
        self._set(_joined(self._codes, codes[~_in(codes, self._codes)]))

    def toggle(self, key: Hashable) -> bool:
        """Mark what is not, unmark what is; return whether it is marked now."""
        self.flip([key])
        return key in self

    def flip(self, keys: Iterable[Hashable]) -> None:
        """Turn the marks of many round."""
        self._bring()
        codes, mine = self.coded(keys), self._codes
        left = mine[~_in(mine, codes)]
        self._set(_joined(left, codes[~_in(codes, mine)]))

    def clear(self) -> None:
        """Unmark everything."""
        self._set(self._codes[:0])

    def shown(self) -> NDArray[np.int64]:
        """Return the marked lines that are listed, in the order of the list."""
        basis = (self.version, self._listing.version)
        if self._shown[0] != basis:
            self._shown = basis, _placed(self._codes, self._listing)
        return self._shown[1]

    def hidden(self) -> int:
        """Return how many marked lines are not listed."""
        return len(self) - len(self.shown())

    def coded(self, keys: Iterable[Hashable]) -> NDArray[np.int64]:
        """Return keys as lines, rising; what is no message any more is left out."""
        if isinstance(keys, Lines):
            return np.sort(keys.codes)
        found = {self._code(key) for key in keys}
        return np.array(sorted(found - {_NONE}), dtype=np.int64)

    def _code(self, key: Hashable) -> int:
        queue_id, slot = key if isinstance(key, tuple) else (key, 0)
        row = self._messages.row_number(queue_id) if queue_id else None
        if row is None or slot < 0:
            return _NONE
        return int(coded(np.array([row]), slot)[0])

    def _lines(self, codes: NDArray[np.int64]) -> Lines:
        of_recipients = self._listing.is_of_recipients
        return Lines(self._table, codes, of_recipients=of_recipients)

    def _set(self, codes: NDArray[np.int64]) -> None:
        self._codes, self._born = codes, self._table["born"][rows_of(codes)]
        self._version += 1

    def _bring(self) -> None:
        """Forget marks of messages that are gone."""
        if self._as_of == self._table.generation:
            return
        self._as_of = self._table.generation
        same = self._table["born"][rows_of(self._codes)] == self._born
        if not same.all():
            self._codes, self._born = self._codes[same], self._born[same]
            self._version += 1


def _in(codes: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which of *codes* are among *others*; both rise, each is there once.

    Halving follows memory where it is rising, and so is many times quicker than the
    set operations of numpy, which hash.
    """
    if not len(others):
        return np.zeros(len(codes), dtype=bool)
    at = np.minimum(np.searchsorted(others, codes), len(others) - 1)
    found: NDArray[np.bool_] = others[at] == codes
    return found


def _placed(codes: NDArray[np.int64], listing: Listing) -> NDArray[np.int64]:
    """Return those of *codes* that are listed, in the order of the list."""
    places = listing.places(codes)
    there = places >= 0
    lines = np.full(int(places.max(initial=-1)) + 1, _NONE, dtype=np.int64)
    lines[places[there]] = codes[there]
    placed: NDArray[np.int64] = lines[lines != _NONE]
    return placed


def _joined(some: NDArray[np.int64], more: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return all of two arrays, rising."""
    return np.sort(np.concatenate((some, more)), kind="stable")
