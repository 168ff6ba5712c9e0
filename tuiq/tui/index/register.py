"""The register: which row belongs to which queue id, in the order of the ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


class Register:
    """Rows by queue id; ``rows`` lists them in the order of the ids."""

    def __init__(self, column: Callable[[str], NDArray[Any]]) -> None:
        """Use the columns ``hi`` and ``lo``, which are whatever *column* returns."""
        self._column = column
        self.rows: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        # The ``hi`` of each of them: what is searched.
        self._keys: NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)

    def find(self, hi: NDArray[np.uint64], lo: NDArray[np.uint32]) -> NDArray[Any]:
        """Return the rows of ids; -1 where there is none."""
        found = np.full(len(hi), -1, dtype=np.int64)
        at = np.searchsorted(self._keys, hi)
        todo = np.arange(len(hi))
        while len(todo) and len(self._keys):
            place = np.minimum(at[todo], len(self._keys) - 1)
            same = (at[todo] < len(self._keys)) & (self._keys[place] == hi[todo])
            rows = self.rows[place]
            hit = same & (self._column("lo")[rows] == lo[todo])
            found[todo[hit]] = rows[hit]
            todo = todo[same & ~hit]
            at[todo] += 1
        return found

    def find_one(self, queue_id: str) -> int | None:
        """Return the row of a queue id; None when there is none."""
        hi, lo = ids.parse_one(queue_id)
        at = int(self._keys.searchsorted(np.uint64(hi)))
        while at < len(self._keys) and self._keys.item(at) == hi:
            row = self.rows.item(at)
            if self._column("lo").item(row) == lo:
                return row
            at += 1
        return None

    def enter(self, rows: NDArray[Any]) -> None:
        """Take in rows whose columns are set, given in the order of their ids."""
        hi, lo = self._column("hi")[rows], self._column("lo")[rows]
        at = self._places(hi, lo)
        self._keys = np.insert(self._keys, at, hi)
        self.rows = np.insert(self.rows, at, rows.astype(np.int32))

    def leave(self, rows: NDArray[Any]) -> None:
        """Forget rows whose columns are still set."""
        at = self._places(self._column("hi")[rows], self._column("lo")[rows])
        self.rows, self._keys = np.delete(self.rows, at), np.delete(self._keys, at)

    def _places(
        self, hi: NDArray[np.uint64], lo: NDArray[np.uint32]
    ) -> NDArray[np.int64]:
        """Return where ids stand, or would stand."""
        at = np.searchsorted(self._keys, hi)
        while len(self._keys):
            place = np.minimum(at, len(self._keys) - 1)
            before = (at < len(self._keys)) & (self._keys[place] == hi)
            before &= self._column("lo")[self.rows[place]] < lo
            if not before.any():
                break
            at += before
        return at
