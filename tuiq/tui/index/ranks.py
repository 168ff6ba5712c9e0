"""The alphabetical order of texts as numbers, so that rows sort by one column.

Every text gets a label; labels leave gaps, so that a text that comes later finds room
between its neighbours and nothing has to be sorted again.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.texts import Texts

FEW = 2_048
"""Texts that are put in order while the UI waits."""
_NEVER = -2
_SPAN = 1 << 62
_PIECE = 8_192
_WIDEST = 64
"""Bytes that are compared by columns; what is longer is told apart afterwards."""


class Ranks:
    """Labels of the texts of one table, in alphabetical order, blind to case."""

    def __init__(self, texts: Texts) -> None:
        """Label *texts*; ``build`` does it."""
        self._texts = texts
        self._epoch = _NEVER
        self._sorted: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._done = 0
        self._is_crowded = False
        self.labels: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """By the number of the text; what has no label yet sorts first."""

    @property
    def missing(self) -> int:
        """Return how many texts have no label."""
        if self._epoch != self._texts.epoch:
            return self._texts.count
        return self._texts.count - self._done

    def catch_up(self) -> bool:
        """Label what came since, if that takes no time; say whether all is labelled."""
        texts = self._texts
        if self._epoch == texts.epoch - 1:
            self._move(texts.moves)
        if texts.count <= FEW:
            if self.missing:
                self.build()
        elif self._epoch == texts.epoch and self.missing <= FEW:
            self.extend()
        return not self.missing

    def _move(self, moves: NDArray[np.uint32]) -> None:
        """Follow the texts to their new numbers."""
        old = moves[: self._done]
        kept = old[self._sorted] != 0
        kept |= self._sorted == 0
        labels = np.zeros(int(old.max(initial=0)) + 1, dtype=np.int64)
        labels[old[self._sorted[kept]]] = self.labels[self._sorted[kept]]
        self._sorted = old[self._sorted[kept]].astype(np.int32)
        self.labels, self._done = labels, len(labels)
        self._epoch = self._texts.epoch

    def build(self) -> None:
        """Label all texts anew; may run in another thread."""
        texts, epoch, count = self._texts, self._texts.epoch, self._texts.count
        order, labels = _label(texts, count)
        if epoch == texts.epoch:
            self._sorted, self.labels = order, labels
            self._done, self._epoch = count, epoch
            self._is_crowded = False

    def extend(self) -> None:
        """Label the texts that came since."""
        texts, start, end = self._texts, self._done, self._texts.count
        if start == end:
            return
        new = [text.lower() for text in texts.part(start, end)]
        order = sorted(range(len(new)), key=new.__getitem__)
        places = [self._place(new[number]) for number in order]
        labels = np.zeros(end, dtype=np.int64)
        labels[:start] = self.labels[:start]
        at = 0
        while at < len(order):
            stop = at
            while stop < len(order) and places[stop] == places[at]:
                stop += 1
            group = order[at:stop]
            for number, label in zip(
                group, self._between(places[at], [new[n] for n in group]), strict=True
            ):
                labels[start + number] = label
            at = stop
        numbers = np.array(order, dtype=np.int32) + start
        self._sorted = np.insert(self._sorted, places, numbers)
        self.labels, self._done = labels, end
        if self._is_crowded:
            self._epoch = _NEVER

    def _place(self, text: bytes) -> int:
        """Return where *text* belongs among those that are labelled."""
        low, high = 0, len(self._sorted)
        while low < high:
            middle = (low + high) // 2
            if self._texts[int(self._sorted[middle])].lower() < text:
                low = middle + 1
            else:
                high = middle
        return low

    def _between(self, place: int, texts: list[bytes]) -> list[int]:
        """Return labels for *texts*, which rise, all of which belong at *place*."""
        order = self._sorted
        left = int(self.labels[order[place - 1]]) if place else 0
        right = _SPAN
        after = b""
        if place < len(order):
            right = int(self.labels[order[place]])
            after = self._texts[int(order[place])].lower()
        distinct = sorted(set(texts) - {after} if place < len(order) else set(texts))
        step = (right - left) // (len(distinct) + 1)
        if not step and distinct:  # no room: they share a label until all get new ones
            self._is_crowded = True
        known = {t: left + step * (n + 1) for n, t in enumerate(distinct)}
        if place < len(order):
            known.setdefault(after, right)
        return [known[text] for text in texts]


def _label(texts: Texts, count: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    columns, longest = _as_column(texts, count)
    order = np.argsort(columns)
    same = _equal_neighbours(columns, order)
    if longest > columns.dtype.itemsize:
        _tell_apart(texts, order, same)
    steps = np.concatenate(([0], np.cumsum(~same))) + 1
    labels = np.zeros(count, dtype=np.int64)
    labels[order] = steps * (_SPAN // (int(steps[-1]) + 1))
    return order.astype(np.int32), labels


def _equal_neighbours(
    columns: NDArray[np.bytes_], order: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Say which texts equal the next in *order*; in pieces, since a copy is large."""
    same = np.zeros(max(len(order) - 1, 0), dtype=bool)
    for start in range(0, len(same), _PIECE):
        part = columns[order[start : start + _PIECE + 1]]
        same[start : start + _PIECE] = part[1:] == part[:-1]
    return same


def _as_column(texts: Texts, count: int) -> tuple[NDArray[np.bytes_], int]:
    """Return the beginnings of all texts, and the length of the longest text."""
    longest = 1
    for start in range(0, count, _PIECE):
        part = texts.part(start, min(start + _PIECE, count))
        longest = max(longest, max(map(len, part)))
    column = np.zeros(count, dtype=f"S{min(longest, _WIDEST)}")
    for start in range(0, count, _PIECE):
        end = min(start + _PIECE, count)
        column[start:end] = [t.lower()[:_WIDEST] for t in texts.part(start, end)]
    return column, longest


def _tell_apart(
    texts: Texts, order: NDArray[np.int64], same: NDArray[np.bool_]
) -> None:
    """Sort runs of texts that begin alike by all of their letters."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False]))))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        run = order[first : last + 1].tolist()
        words = {number: texts[number].lower() for number in run}
        run.sort(key=words.__getitem__)
        order[first : last + 1] = run
        same[first:last] = [words[one] == words[other] for one, other in pairwise(run)]
