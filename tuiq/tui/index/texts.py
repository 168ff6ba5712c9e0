"""Many short texts in one piece of memory, known by number.

No object per text: half a million addresses cost their bytes and four more each,
and the garbage collector has nothing to walk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

KNOWN_LIMIT = 50_000
"""Texts that are found again; of more than these, equal ones may stand twice."""


class Texts:
    """Texts by number, in the order in which they came; number 0 is empty."""

    def __init__(self) -> None:
        """Begin with the empty text."""
        self._arena = bytearray()
        self._ends = np.zeros(1024, dtype=np.uint32)
        self._known: dict[bytes, int] = {b"": 0}
        self.count = 1
        self.epoch = 0
        """Grows when texts are numbered anew."""
        self.moves: NDArray[np.uint32] = np.zeros(1, dtype=np.uint32)
        """The new numbers by the old ones, of the last time."""

    def __getitem__(self, number: int) -> bytes:
        """Return a text."""
        start = int(self._ends[number - 1]) if number else 0
        return bytes(self._arena[start : int(self._ends[number])])

    def part(self, start: int, end: int) -> list[bytes]:
        """Return the texts from number *start* to before *end*."""
        if start >= end:
            return []
        bounds = self._ends[start:end].tolist()
        at = int(self._ends[start - 1]) if start else 0
        base, blob = at, bytes(self._arena[at : bounds[-1]])
        texts = []
        for bound in bounds:
            texts.append(blob[at - base : bound - base])
            at = bound
        return texts

    def intern(self, texts: Sequence[bytes]) -> NDArray[np.uint32]:
        """Return the numbers of *texts*; those not known are added."""
        known = self._known
        if len(known) > KNOWN_LIMIT:
            known.clear()
            known[b""] = 0
        numbers = np.empty(len(texts), dtype=np.uint32)
        for place, text in enumerate(texts):
            number = known.get(text)
            if number is None:
                number = known[text] = self.add(text)
            numbers[place] = number
        return numbers

    def add(self, text: bytes) -> int:
        """Add a text, whether or not it is there; return its number."""
        self._room(1)
        self._arena += text
        self._ends[self.count] = len(self._arena)
        self.count += 1
        return self.count - 1

    def extend(self, blob: bytes, lengths: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Add the texts that *blob* strings together; return their numbers."""
        first, size = self.count, len(lengths)
        self._room(size)
        ends = np.cumsum(lengths, dtype=np.uint64) + np.uint64(len(self._arena))
        self._ends[first : first + size] = ends
        self._arena += blob
        self.count += size
        return np.arange(first, first + size, dtype=np.uint32)

    def _room(self, size: int) -> None:
        wanted = self.count + size
        if wanted > len(self._ends):
            grown = np.zeros(max(wanted, len(self._ends) * 9 // 8), dtype=np.uint32)
            grown[: self.count] = self._ends[: self.count]
            self._ends = grown

    @property
    def size(self) -> int:
        """Return the bytes of all texts."""
        return len(self._arena)

    def forget(self, used: NDArray[np.bool_]) -> None:
        """Find those texts again no longer that are not *used*."""
        self._known = {t: n for t, n in self._known.items() if not n or used[n]}

    def shrunk(self, used: NDArray[np.bool_]) -> tuple[Texts, NDArray[np.uint32]]:
        """Return a copy of the *used* texts, and the new number of each old one.

        What is not used becomes number 0.  May run in another thread, for texts that
        were there, and that ``forget`` was called for.
        """
        kept, count = Texts(), len(used)
        numbers = np.zeros(count, dtype=np.uint32)
        for start in range(1, count, _PIECE):
            end = min(start + _PIECE, count)
            chosen = np.flatnonzero(used[start:end])
            texts = self.part(start, end)
            lengths = np.diff(self._ends[start - 1 : end])[chosen]
            blob = b"".join([texts[place] for place in chosen.tolist()])
            numbers[start + chosen] = kept.extend(blob, lengths)
        return kept, numbers

    def become(self, kept: Texts, numbers: NDArray[np.uint32]) -> None:
        """Take what ``shrunk`` returned; texts that came since follow."""
        late = self.part(len(numbers), self.count)
        lengths = np.array([len(text) for text in late], dtype=np.uint32)
        tail = kept.extend(b"".join(late), lengths)
        self.moves = np.concatenate((numbers, tail))
        self._known = {t: int(self.moves[n]) for t, n in self._known.items()}
        self._arena, self._ends, self.count = kept._arena, kept._ends, kept.count
        self.epoch += 1


_PIECE = 4_096
