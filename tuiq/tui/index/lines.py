"""Lines of a list as one array: a message or a recipient is a number in it.

Sets of half a million are made, compared and counted in milliseconds; ids are spelled
when somebody wants to read them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, overload

import numpy as np

from tuiq.tui.index import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tuiq.tui.index.table import Table

Key = str | tuple[str, int]
"""A queue id, or that and a slot."""
Pick = tuple[str, tuple[int, ...] | None]
"""A queue id with the slots that are meant; None = the whole message."""
_BITS = 32
_SLOT = (1 << _BITS) - 1
_CHUNK = 250
"""Ids that are spelled at once for somebody who may stop soon."""


def coded(rows: NDArray[Any], slots: NDArray[Any] | int = 0) -> NDArray[np.int64]:
    """Return the numbers of lines."""
    codes: NDArray[np.int64] = (rows.astype(np.int64) << _BITS) | slots
    return codes


def rows_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows of the table that lines are about."""
    return codes >> _BITS


def slots_of(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the slots that lines are about, 0 for those of whole messages."""
    return codes & _SLOT


class Listing(Protocol):
    """An ordered list of lines: a view, or the recipients of one."""

    is_of_recipients: bool

    @property
    def version(self) -> int:
        """Return a number that grows when lines came, went or changed places."""

    def codes(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the lines at *first* to *last*, that included, but not unknown ones.

        What has left while the list is held still is no line any more.
        """

    def places(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where lines stand, -1 for those that are not listed."""

    def picks(self, codes: NDArray[np.int64]) -> Picks:
        """Return what an action on lines, given in order, is applied to."""


class Lines(Iterable[Key]):
    """Lines that are listed now; to be used at once."""

    def __init__(
        self, table: Table, codes: NDArray[np.int64], *, of_recipients: bool
    ) -> None:
        """Hold *codes*."""
        self.table = table
        self.codes = codes
        self._of_recipients = of_recipients

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[Key]:
        names = self.table.spell(rows_of(self.codes))
        if not self._of_recipients:
            return iter(names)
        return zip(names, slots_of(self.codes).tolist(), strict=True)


class Picks(Sequence[Pick]):
    """What an action is applied to, as of when this was made: ids, never rows."""

    def __init__(
        self,
        table: Table,
        rows: NDArray[Any],
        slots: Sequence[tuple[int, ...]] | None = None,
    ) -> None:
        """Hold the ids of *rows*, with *slots* of each; None: whole messages."""
        self._hi, self._lo = table["hi"][rows], table["lo"][rows]
        self._slots = slots

    def __len__(self) -> int:
        return len(self._hi)

    @overload
    def __getitem__(self, index: int) -> Pick: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Pick]: ...
    def __getitem__(self, index: int | slice) -> Pick | Sequence[Pick]:
        if isinstance(index, int):
            at = range(len(self))[index]
            return self[at : at + 1][0]
        names = ids.spell(self._hi[index], self._lo[index])
        if self._slots is None:
            return [(name, None) for name in names]
        return list(zip(names, self._slots[index], strict=True))

    def __iter__(self) -> Iterator[Pick]:
        for start in range(0, len(self), _CHUNK):
            yield from self[start : start + _CHUNK]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


class Slots(Sequence[tuple[int, ...]]):
    """The slots of messages that follow each other in an array of slots."""

    def __init__(
        self, slots: NDArray[np.int64], starts: NDArray[Any], ends: NDArray[Any]
    ) -> None:
        """Hold *slots*; those of a message are between its start and its end."""
        self._slots, self._starts, self._ends = slots, starts, ends

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> tuple[int, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, ...]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> tuple[int, ...] | Sequence[tuple[int, ...]]:
        if isinstance(index, int):
            found = self._slots[self._starts[index] : self._ends[index]]
            return tuple(sorted(found.tolist()))
        return [self[at] for at in range(len(self))[index]]
