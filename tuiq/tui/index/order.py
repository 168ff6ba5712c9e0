"""Orders of rows: sorted once, then kept by moving only what changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.ranks import Ranks
    from tuiq.tui.index.table import Table


class Key:
    """What rows are compared by: one number per row, then the id."""

    def __init__(self, table: Table, column: str, *, reverse: bool) -> None:
        """Compare by a column of *table*."""
        self._table = table
        self._column = column
        self._reverse = reverse

    @property
    def is_ready(self) -> bool:
        """Say whether sorting needs no preparation that takes long."""
        return True

    @property
    def is_natural(self) -> bool:
        """Say whether the order is about that of the ids: no work to sort."""
        return self._column in {"hi", "birth"}

    def prepare(self) -> None:
        """Do what takes long; for another thread."""

    def numbers(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return the number that each of *rows* is compared by."""
        numbers: NDArray[Any] = self._table[self._column][rows]
        return numbers

    def sorted(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows, given in the order of their ids, in the order of the key."""
        if self._reverse and self._column == "hi":
            return rows[::-1]
        numbers = self.numbers(rows)
        if self._reverse:  # bitwise not turns signed and unsigned numbers round
            numbers = ~numbers
        return rows[np.argsort(numbers, kind="stable")]

    def places(
        self, table: Table, order: NDArray[Any], rows: NDArray[Any]
    ) -> NDArray[np.int64]:
        """Return where each of *rows* belongs in *order*, which lacks them."""
        low = np.zeros(len(rows), dtype=np.int64)
        high = np.full(len(rows), len(order), dtype=np.int64)
        while True:
            open_ = low < high
            if not open_.any():
                return low
            middle = (low + high) >> 1
            other = order[np.minimum(middle, len(order) - 1)]
            before = self._before(table, other, rows)
            low = np.where(open_ & before, middle + 1, low)
            high = np.where(open_ & ~before, middle, high)

    def _before(
        self, table: Table, one: NDArray[Any], other: NDArray[Any]
    ) -> NDArray[np.bool_]:
        left, right = self.numbers(one), self.numbers(other)
        first: NDArray[np.bool_] = left > right if self._reverse else left < right
        same = left == right
        if same.any():
            if self._reverse and self._column == "hi":
                one, other = other, one
            hi, lo = table["hi"], table["lo"]
            smaller = (hi[one] < hi[other]) | (
                (hi[one] == hi[other]) & (lo[one] < lo[other])
            )
            first = first | (same & smaller)
        return first


class TextKey(Key):
    """Rows by the alphabetical order of one of their texts."""

    def __init__(
        self, table: Table, column: str, ranks: Ranks, *, reverse: bool
    ) -> None:
        """Compare by the text that *column* numbers; *ranks* labels them."""
        super().__init__(table, column, reverse=reverse)
        self.ranks = ranks

    @property
    def is_ready(self) -> bool:
        """See ``Key``."""
        return not self.ranks.missing

    def prepare(self) -> None:
        """See ``Key``."""
        if self.ranks.missing:
            self.ranks.build()

    def numbers(self, rows: NDArray[Any]) -> NDArray[Any]:
        """See ``Key``; texts without a label come first."""
        labels, texts = self.ranks.labels, self._table[self._column][rows]
        if not len(labels):
            return np.zeros(len(rows), dtype=np.int64)
        known = texts < len(labels)
        numbers: NDArray[Any] = np.where(known, labels[np.where(known, texts, 0)], 0)
        return numbers


def by_id(table: Table, rows: NDArray[Any]) -> NDArray[Any]:
    """Return a few rows in the order of their ids."""
    ordered: NDArray[Any] = rows[ids.sort(table["hi"][rows], table["lo"][rows])]
    return ordered


class Order:
    """Rows in an order, and where each of them stands."""

    def __init__(self) -> None:
        """List nothing."""
        self.rows: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._where: NDArray[np.int32] | None = None

    def replace(self, rows: NDArray[Any]) -> None:
        """List other rows."""
        self.rows = rows.astype(np.int32, copy=False)
        self._where = None

    def where(self, capacity: int) -> NDArray[np.int32]:
        """Return the place of every row, -1 for those that are not listed."""
        where = self._where
        if where is None or len(where) < capacity:
            where = np.full(capacity, -1, dtype=np.int32)
            where[self.rows] = np.arange(len(self.rows), dtype=np.int32)
            self._where = where
        return where

    def drop(self, rows: NDArray[Any], capacity: int) -> int:
        """List *rows* no longer; return how many were listed."""
        places = self.where(capacity)[rows]
        places = places[places >= 0]
        if len(places):
            self.replace(np.delete(self.rows, places))
        return len(places)

    def put(self, table: Table, rows: NDArray[Any], key: Key) -> None:
        """List *rows*, which are not listed yet, where they belong."""
        if len(rows):
            rows = key.sorted(by_id(table, rows))
            at = key.places(table, self.rows, rows)
            self.replace(np.insert(self.rows, at, rows.astype(np.int32)))

    def append(self, rows: NDArray[Any]) -> None:
        """List *rows*, which are not listed yet, at the end."""
        if len(rows):
            self.replace(np.concatenate((self.rows, rows.astype(np.int32))))
