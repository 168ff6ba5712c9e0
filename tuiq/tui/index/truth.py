"""What is known about a term of a filter, text by text or row by row.

The tests themselves are the filter's own functions; these classes keep their
answers, so that each text is tested once, and say what they do not know yet.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tuiq.tui.index.table import grown

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tuiq.tui.index.table import Table
    from tuiq.tui.index.texts import Texts

Bounds = tuple["NDArray[np.bool_]", "NDArray[np.bool_]"]
"""Which rows surely fit, and which may fit; equal where everything is known."""

AT_ONCE = 20_000
"""Texts that are tested while the UI waits; more are tested in another thread."""
PIECE = 2_048


class TextTruth:
    """Which texts of a table pass a test."""

    def __init__(self, texts: Texts, test: Callable[[bytes], bool]) -> None:
        """Test the texts of *texts*."""
        self._texts = texts
        self._test = test
        self._epoch = texts.epoch
        self._fits = np.zeros(0, dtype=bool)
        self._done = 0

    def look(self, numbers: NDArray[Any]) -> Bounds:
        """Return the bounds for texts by their numbers."""
        self._catch_up()
        fits = self._fits[numbers]
        if self._done >= self._texts.count:
            return fits, fits
        return fits, fits | (numbers >= self._done)

    @property
    def is_complete(self) -> bool:
        """Say whether every text was tested."""
        return self._epoch == self._texts.epoch and self._done >= self._texts.count

    def _catch_up(self) -> None:
        texts = self._texts
        if self._epoch != texts.epoch:
            # Few ask for what was tested before: all that is tested is tested again.
            self._epoch, self._done = texts.epoch, 0
            self._fits = np.zeros(0, dtype=bool)
        if len(self._fits) < texts.count:
            self._fits = grown(self._fits, texts.count * 5 // 4 + 64)
        if texts.count - self._done <= AT_ONCE:
            while self.advance():
                pass

    def advance(self) -> bool:
        """Test some more texts; False when there are none.  For any one thread."""
        start, fits, epoch = self._done, self._fits, self._epoch
        end = min(self._texts.count, start + PIECE, len(fits))
        if end <= start:
            return False
        test = self._test
        answers = [test(text) for text in self._texts.part(start, end)]
        if epoch == self._texts.epoch and fits is self._fits:
            fits[start:end] = answers
            self._done = end
        return True


class IdTruth:
    """Which messages' ids pass a test; each id is tested once."""

    def __init__(self, table: Table, test: Callable[[bytes], bool]) -> None:
        """Test the ids in *table*."""
        self._table = table
        self._test = test
        # Per row: whether the id fits, and since when the row has the id.
        self._fits = np.zeros(0, dtype=bool)
        self._born = np.zeros(0, dtype=np.uint32)
        self.is_complete = True
        """Whether every id was tested that was looked at."""

    def look(self, rows: NDArray[Any]) -> Bounds:
        """Return the bounds for rows."""
        size = self._table.capacity
        if len(self._born) < size:
            self._fits, self._born = grown(self._fits, size), grown(self._born, size)
        unknown = self._born[rows] != self._table["born"][rows]
        if unknown.sum() <= AT_ONCE:
            self._learn(rows[unknown])
            unknown[:] = False
        self.is_complete = not unknown.any()
        fits = self._fits[rows] & ~unknown
        return fits, fits | unknown

    def advance(self) -> bool:
        """Test all ids; for any one thread.  Always False: nothing is left."""
        rows, born = self._table.rows, self._born
        rows = rows[rows < len(born)]  # more may have come since
        for start in range(0, len(rows), PIECE):
            part = rows[start : start + PIECE]
            self._learn(part[born[part] != self._table["born"][part]])
        return False

    def _learn(self, rows: NDArray[Any]) -> None:
        fits, known_since = self._fits, self._born
        born = self._table["born"][rows]  # before the ids: a later one makes it void
        names = self._table.spell(rows)
        fits[rows] = [self._test(name.encode()) for name in names]
        known_since[rows] = born


class RowTruth:
    """Which messages pass a test that only reading them can tell."""

    def __init__(self, table: Table, text: str) -> None:
        """Know nothing yet about *text*, a filter."""
        self._table = table
        self.text = text
        # Per row: 0 unknown, 1 does not fit, 2 fits; and of which content.
        self._verdict = np.zeros(0, dtype=np.uint8)
        self._content = np.zeros(0, dtype=np.uint32)
        self._asked = np.zeros(0, dtype=np.uint32)

    def look(self, rows: NDArray[Any]) -> Bounds:
        """Return the bounds for rows."""
        self._grow()
        valid = self._content[rows] == self._table["content"][rows]
        verdict = np.where(valid, self._verdict[rows], 0)
        return verdict == 2, verdict != 1

    def tell(self, rows: NDArray[Any], fits: NDArray[np.bool_]) -> None:
        """Take in answers."""
        self._grow()
        self._verdict[rows] = np.where(fits, 2, 1)
        self._content[rows] = self._table["content"][rows]

    def to_ask(self, rows: NDArray[Any], limit: int) -> NDArray[Any]:
        """Return those of *rows* to ask about, few at a time; they count as asked."""
        self._grow()
        content = self._table["content"]
        unknown = ~(self._content[rows] == content[rows])
        waiting = self._asked[rows] == content[rows]
        room = max(0, limit - int((unknown & waiting).sum()))
        chosen: NDArray[Any] = rows[unknown & ~waiting][:room]
        self._asked[chosen] = content[chosen]
        return chosen

    def forget_asked(self) -> None:
        """Ask again where no answer came."""
        self._asked[:] = 0

    def _grow(self) -> None:
        size = self._table.capacity
        if len(self._verdict) < size:
            self._verdict = grown(self._verdict, size)
            self._content = grown(self._content, size)
            self._asked = grown(self._asked, size)


def known(fits: NDArray[np.bool_]) -> Bounds:
    """Return the bounds of what is known exactly."""
    return fits, fits


def opposite(bounds: Bounds) -> Bounds:
    """Return the bounds of what does not fit."""
    low, high = bounds
    return ~high, ~low


def joined(join: Any, parts: list[Bounds]) -> Bounds:
    """Return the bounds of all parts together; *join* is a ufunc."""
    return join.reduce([low for low, _ in parts]), join.reduce([h for _, h in parts])


def choose(chosen: NDArray[np.bool_], one: Bounds, other: Bounds) -> Bounds:
    """Return the bounds of *one* where *chosen*, else those of *other*."""
    low = np.where(chosen, one[0], other[0])
    return low, np.where(chosen, one[1], other[1])
